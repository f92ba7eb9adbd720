"""The platform's public API as the commands use it: boto3 clients at one endpoint.

The only module of the command line that imports boto3, and only once a command needs it (half a
second of start-up). AWS's errors become `CommandError` here, with an exit status each.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambd.cli.errors import CommandError, UnreachableError, UnusableError

if TYPE_CHECKING:  # stubs, not installed with the product
    from types_boto3_lambda.client import LambdaClient
    from types_boto3_logs.client import CloudWatchLogsClient

# A synchronous invocation may take this long, and a little more to come back.
READ_TIMEOUT_S = 900 + 30
CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """The answer to an invocation."""

    status_code: int
    payload: bytes
    function_error: str | None
    executed_version: str | None
    # The log's last 4 KiB, when asked for.
    log_tail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a function's log; `timestamp_ms` since the epoch."""

    id: str
    timestamp_ms: int
    stream: str
    message: str


class Api:
    """The calls that the commands make."""

    def __init__(
        self, functions: LambdaClient, logs: CloudWatchLogsClient, endpoint_url: str
    ) -> None:
        self._functions = functions
        self._logs = logs
        self._endpoint_url = endpoint_url

    def functions(self) -> Iterator[Mapping[str, Any]]:
        """Every function's configuration, with its state, which AWS's listing does not tell.

        Raises:
            CommandError: refused, or nothing answers.
        """
        with self._translated_errors():
            for page in self._functions.get_paginator("list_functions").paginate():
                for function in page["Functions"]:
                    try:
                        found = self._functions.get_function_configuration(
                            FunctionName=function["FunctionName"]
                        )
                    except self._functions.exceptions.ResourceNotFoundException:
                        # It has gone meanwhile.
                        continue
                    yield {
                        member: value
                        for member, value in found.items()
                        if member != "ResponseMetadata"
                    }

    def invoke(
        self, name: str, payload: bytes, *, qualifier: str | None, wants_log: bool
    ) -> Invoked:
        """Invoke a function and wait for its answer.

        Raises:
            CommandError: refused, or nothing answers.
        """
        optional: dict[str, Any] = {} if qualifier is None else {"Qualifier": qualifier}
        with self._translated_errors():
            answer = self._functions.invoke(
                FunctionName=name,
                Payload=payload,
                LogType="Tail" if wants_log else "None",
                **optional,
            )
            body = answer["Payload"].read()
        return Invoked(
            status_code=answer["StatusCode"],
            payload=body,
            function_error=answer.get("FunctionError"),
            executed_version=answer.get("ExecutedVersion"),
            log_tail=_decoded(answer["LogResult"]) if wants_log else None,
        )

    def log_group(self, name: str) -> str:
        """The log group that a function writes to.

        Raises:
            CommandError: no such function, or nothing answers.
        """
        with self._translated_errors():
            config = self._functions.get_function_configuration(FunctionName=name)
        return config["LoggingConfig"]["LogGroup"]

    def log_events(self, group: str, *, start_ms: int) -> Iterator[LogLine]:
        """A log group's lines since a time, oldest first; a group without lines has none.

        Raises:
            CommandError: refused, or nothing answers.
        """
        with self._translated_errors():
            try:
                pages = self._logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group, startTime=start_ms
                )
                for page in pages:
                    for event in page["events"]:
                        yield LogLine(
                            id=event["eventId"],
                            timestamp_ms=event["timestamp"],
                            stream=event["logStreamName"],
                            message=event["message"],
                        )
            except self._logs.exceptions.ResourceNotFoundException:
                return

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from botocore import exceptions  # noqa: PLC0415 - start-up time

        try:
            yield
        except exceptions.ClientError as exc:
            error = exc.response.get("Error", {})
            text = f"{error.get('Code', 'Error')}: {error.get('Message') or exc}"
            raise CommandError(text) from exc
        except exceptions.ParamValidationError as exc:
            raise UnusableError(str(exc)) from exc
        except (exceptions.ConnectTimeoutError, exceptions.EndpointConnectionError) as exc:
            raise UnreachableError(_unreachable(self._endpoint_url)) from exc
        except exceptions.BotoCoreError as exc:
            raise UnreachableError(f"{self._endpoint_url}: {exc}") from exc


def _decoded(log_result: str) -> str:
    return base64.b64decode(log_result).decode(errors="replace")


def _unreachable(endpoint_url: str) -> str:
    return (
        f"nothing answers at {endpoint_url}. Start the server with `lambd serve` "
        "(`./dev serve` in a checkout), or name another one with --endpoint-url."
    )


def connect(endpoint_url: str, environ: Mapping[str, str]) -> Api:
    """Make the clients; nothing is sent yet.

    Region and keys come from the usual AWS variables. Without them placeholders do: profiles and
    instance roles are left alone, so that no real credential is sent to a development server.

    Raises:
        UnusableError: the endpoint is no URL.
    """
    import boto3  # noqa: PLC0415 - start-up time
    from botocore.config import Config  # noqa: PLC0415

    has_keys = "AWS_ACCESS_KEY_ID" in environ and "AWS_SECRET_ACCESS_KEY" in environ
    session = boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"] if has_keys else "lambd",
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"] if has_keys else "lambd",
        aws_session_token=environ.get("AWS_SESSION_TOKEN") if has_keys else None,
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
    )
    # An invocation is not ours to repeat.
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
    )
    try:
        functions = session.client("lambda", endpoint_url=endpoint_url, config=config)
        logs = session.client("logs", endpoint_url=endpoint_url, config=config)
    except ValueError as exc:
        raise UnusableError(str(exc)) from exc
    return Api(functions, logs, endpoint_url)
