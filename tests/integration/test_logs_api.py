"""The CloudWatch Logs API over HTTP, as boto3 and `aws logs tail` use it."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import boto3
import botocore.config
import pytest
from types_boto3_logs.client import CloudWatchLogsClient

from lambd.access.authority import Authority
from lambd.control.context import ControlContext
from lambd.http.exchanges import Exchange
from lambd.http.messages import RawHeaders
from lambd.http.server import HttpServer
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError, UnknownOperationError
from lambd.model.function_controls import FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationResult
from lambd.model.limits import Limits
from lambd.model.policies import Principal
from lambd.runtimes import catalogue
from lambd.services.logs.api import LogsApi
from lambd.services.logs.deliveries import SubscriptionDeliveries
from lambd.services.logs.query_runs import QueryRuns
from lambd.services.logs.store import LogStore
from lambd.store.controls_cache import ControlsCache

GROUP = "/aws/lambda/hello"
ARN = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
SCOPE = Scope(account_id="000000000000", region="us-east-1")
STREAM = "2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef"

_T = TypeVar("_T")


async def _no_settings(_: str) -> FunctionControls | None:
    return None


async def _never(_: InvocationRequest) -> InvocationResult | None:
    raise AssertionError


AUTHORITY = Authority(SCOPE, ControlsCache(_no_settings))


def contexts(principal: Principal) -> ControlContext:
    """The surroundings of a request."""
    return ControlContext(
        principal=principal,
        scope=SCOPE,
        limits=Limits(),
        runtimes=catalogue,
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )


class LogsFrontDoor:
    """Serves nothing but the Logs API."""

    def __init__(self, api: LogsApi, tasks: asyncio.TaskGroup) -> None:
        self._service = api.service()
        self._tasks = tasks

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """A megabyte for anything."""
        del method, path, headers
        return 1_000_000

    def handle(self, exchange: Exchange) -> None:
        """Answer in a task."""
        self._tasks.create_task(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        operation = self._service.model.by_target(exchange.request.headers["x-amz-target"])
        try:
            if operation is None:
                raise UnknownOperationError
            response = await self._service.call(operation, {}, exchange.request, AUTHORITY)
        except PlatformError as error:
            response = self._service.errors.encode(error, operation)
        exchange.respond(response)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LogStore]:
    """An open log store with one line of one function."""
    opened = LogStore(tmp_path / "logs.db", 100_000_000)
    await opened.open()
    opened.append(GROUP, STREAM, [(1000, "START\n"), (1001, '{"level":"ERROR"}\n')])
    yield opened
    await opened.close()


@pytest.fixture
async def client(store: LogStore) -> AsyncIterator[CloudWatchLogsClient]:
    """A boto3 client of a served API."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    async with asyncio.TaskGroup() as tasks:
        deliveries = SubscriptionDeliveries(authority=AUTHORITY, contexts=contexts, invoke=_never)
        api = LogsApi(store, contexts, deliveries, QueryRuns())
        server = HttpServer(LogsFrontDoor(api, tasks))
        await server.listen(sock)
        made = boto3.client(
            "logs",
            endpoint_url=f"http://127.0.0.1:{sock.getsockname()[1]}",
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
        yield made
        made.close()
        server.close()


async def call(function: Callable[[], _T]) -> _T:
    """Run blocking client code beside the server's loop."""
    return await asyncio.to_thread(function)


async def test_groups_and_streams_are_described(client: CloudWatchLogsClient) -> None:
    """With ARNs, times and sizes."""
    groups = (await call(lambda: client.describe_log_groups(logGroupNamePrefix="/aws/")))[
        "logGroups"
    ]
    streams = (await call(lambda: client.describe_log_streams(logGroupName=GROUP)))["logStreams"]

    assert [(group["logGroupName"], group["arn"]) for group in groups] == [(GROUP, f"{ARN}:*")]
    assert groups[0]["logGroupArn"] == ARN
    assert groups[0]["storedBytes"] == streams[0]["storedBytes"] > 0
    assert streams[0]["logStreamName"] == STREAM
    assert streams[0]["firstEventTimestamp"] == 1000
    assert streams[0]["lastEventTimestamp"] == 1001
    assert streams[0]["arn"] == f"{ARN}:log-stream:{STREAM}"


async def test_groups_are_found_by_identifier_and_pattern(client: CloudWatchLogsClient) -> None:
    """Names and ARNs; missing ones are left out."""
    by_name = await call(
        lambda: client.describe_log_groups(logGroupIdentifiers=[ARN, "/aws/lambda/other"])
    )
    by_pattern = await call(lambda: client.describe_log_groups(logGroupNamePattern="hell"))
    nothing = await call(lambda: client.describe_log_groups(logGroupNamePattern="HELL"))

    assert [group["logGroupName"] for group in by_name["logGroups"]] == [GROUP]
    assert [group["logGroupName"] for group in by_pattern["logGroups"]] == [GROUP]
    assert nothing["logGroups"] == []


@pytest.mark.parametrize("identifier", [GROUP, ARN], ids=["name", "arn"])
async def test_groups_may_be_named_by_identifier(
    client: CloudWatchLogsClient, identifier: str
) -> None:
    """A name or an ARN."""
    found = await call(
        lambda: client.get_log_events(logGroupIdentifier=identifier, logStreamName=STREAM)
    )

    assert [event["message"] for event in found["events"]] == ["START\n", '{"level":"ERROR"}\n']


async def test_stream_is_followed_by_forward_tokens(
    client: CloudWatchLogsClient, store: LogStore
) -> None:
    """The token rests while nothing comes and leads to what comes."""
    first = await call(
        lambda: client.get_log_events(
            logGroupName=GROUP, logStreamName=STREAM, startFromHead=True, limit=10
        )
    )
    token = first["nextForwardToken"]
    again = await call(
        lambda: client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, nextToken=token)
    )
    store.append(GROUP, STREAM, [(1002, "END\n")])
    then = await call(
        lambda: client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, nextToken=token)
    )

    assert again["events"] == []
    assert again["nextForwardToken"] == token
    assert [event["message"] for event in then["events"]] == ["END\n"]


async def test_filter_pattern_reaches_the_store(client: CloudWatchLogsClient) -> None:
    """JSON patterns and terms."""
    for pattern in ("ERROR", '{ $.level = "ERROR" }', "-START"):
        response = await call(
            functools.partial(client.filter_log_events, logGroupName=GROUP, filterPattern=pattern)
        )
        assert [event["timestamp"] for event in response["events"]] == [1001]


async def test_tail_prints_everything_once(client: CloudWatchLogsClient, store: LogStore) -> None:
    """The calls of `aws logs tail`: a paginator with `interleaved` and a start time."""
    for number in range(25):
        store.append(GROUP, f"s{number % 3}", [(2000 + number, f"m{number}")])

    def tail() -> list[dict[str, Any]]:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP,
            interleaved=True,
            startTime=2000,
            PaginationConfig={"PageSize": 4},
        )
        return [dict(event) for page in pages for event in page["events"]]

    events = await call(tail)
    assert [event["message"] for event in events] == [f"m{number}" for number in range(25)]
    assert len({event["eventId"] for event in events}) == 25
    assert all(len(event["eventId"]) == 56 for event in events)
    assert all(event["ingestionTime"] > 0 for event in events)


async def test_follow_sees_each_new_event_once(
    client: CloudWatchLogsClient, store: LogStore
) -> None:
    """The calls of `aws logs tail --follow`: tokens, then again from the newest time seen."""
    seen: dict[int, set[str]] = defaultdict(set)
    printed: list[str] = []

    async def poll() -> None:
        arguments: dict[str, Any] = {
            "logGroupName": GROUP,
            "interleaved": True,
            "startTime": max(seen, default=0),
        }
        while True:
            response = await call(lambda: client.filter_log_events(**arguments))
            for event in response["events"]:
                if event["eventId"] not in seen[event["timestamp"]]:
                    seen[event["timestamp"]].add(event["eventId"])
                    printed.append(event["message"])
            if "nextToken" not in response:
                return
            arguments["nextToken"] = response["nextToken"]

    await poll()
    store.append(GROUP, STREAM, [(1001, "same time\n"), (1002, "later\n")])
    await poll()
    await poll()

    assert printed == ["START\n", '{"level":"ERROR"}\n', "same time\n", "later\n"]


@pytest.mark.parametrize(
    ("operation", "arguments", "code", "message"),
    [
        pytest.param(
            "filter_log_events",
            {"logGroupName": "/aws/lambda/other"},
            "ResourceNotFoundException",
            "The specified log group does not exist.",
            id="no group",
        ),
        pytest.param(
            "get_log_events",
            {"logGroupName": GROUP, "logStreamName": "other"},
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
            id="no stream",
        ),
        pytest.param(
            "get_log_events",
            {"logStreamName": STREAM},
            "InvalidParameterException",
            "Exactly one of",
            id="no group named",
        ),
        pytest.param(
            "describe_log_streams",
            {"logGroupName": GROUP, "logStreamNamePrefix": "a", "orderBy": "LastEventTime"},
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
            id="prefix by time",
        ),
        pytest.param(
            "filter_log_events",
            {"logGroupName": GROUP, "filterPattern": "%a%"},
            "InvalidParameterException",
            "not supported yet",
            id="unsupported pattern",
        ),
        pytest.param(
            "filter_log_events",
            {"logGroupName": GROUP, "nextToken": "made-up"},
            "InvalidParameterException",
            "The specified nextToken is invalid.",
            id="bad token",
        ),
        pytest.param(
            "filter_log_events",
            {"logGroupIdentifier": ARN.replace("us-east-1", "eu-west-1")},
            "InvalidParameterException",
            "another account or region",
            id="other region",
        ),
        pytest.param(
            "describe_metric_filters",
            {},
            "NotImplementedException",
            "DescribeMetricFilters",
            id="not built",
        ),
    ],
)
async def test_refusals_are_awss(
    client: CloudWatchLogsClient,
    operation: str,
    arguments: dict[str, Any],
    code: str,
    message: str,
) -> None:
    """Error codes and texts."""
    with pytest.raises(client.exceptions.ClientError) as caught:
        await call(lambda: getattr(client, operation)(**arguments))

    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]
