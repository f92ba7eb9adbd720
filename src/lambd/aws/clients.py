"""Clients for the services around Lambda, at their configured endpoints.

boto3 is heavy and many platforms never need it, so it is imported by the first use. Calls block:
make them from a worker thread.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lambd.model.errors import InvalidParameterError, UnavailableError
from lambd.model.limits import Limits

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the services are; None: AWS's own endpoint of the region."""

    s3: str | None = None
    sqs: str | None = None
    sns: str | None = None
    events: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take, seconds, and how often boto3 makes it."""

    connect_s: float = 5
    read_s: float = 30
    attempts: int = 3


class ServiceClients:
    """Clients of the services, one for each service and region; safe for concurrent use by threads.

    Credentials are those that boto3 finds by itself: environment, profile, instance role.
    """

    def __init__(self, endpoints: Endpoints, region: str, patience: Patience = Patience()) -> None:
        """Connect to nothing yet; `region` is that of services without one in their ARNs."""
        self._patience = patience
        self._endpoints = endpoints
        self._region = region
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._s3: S3Client | None = None
        self._sqs: dict[str, SQSClient] = {}
        self._sns: dict[str, SNSClient] = {}
        self._events: dict[str, EventBridgeClient] = {}

    def s3(self) -> S3Client:
        """S3."""
        with self._lock:
            if self._s3 is None:
                url = self._endpoints.s3
                self._s3 = self._connected().client(
                    "s3",
                    endpoint_url=url,
                    region_name=self._region,
                    # Servers other than AWS seldom have a host name for each bucket.
                    config=self._config(path_style=url is not None),
                )
            return self._s3

    def sqs(self, region: str) -> SQSClient:
        """SQS."""
        with self._lock:
            if region not in self._sqs:
                self._sqs[region] = self._connected().client(
                    "sqs",
                    endpoint_url=self._endpoints.sqs,
                    region_name=region,
                    config=self._config(),
                )
            return self._sqs[region]

    def sns(self, region: str) -> SNSClient:
        """SNS."""
        with self._lock:
            if region not in self._sns:
                self._sns[region] = self._connected().client(
                    "sns",
                    endpoint_url=self._endpoints.sns,
                    region_name=region,
                    config=self._config(),
                )
            return self._sns[region]

    def events(self, region: str) -> EventBridgeClient:
        """EventBridge."""
        with self._lock:
            if region not in self._events:
                self._events[region] = self._connected().client(
                    "events",
                    endpoint_url=self._endpoints.events,
                    region_name=region,
                    config=self._config(),
                )
            return self._events[region]

    def _config(self, *, path_style: bool = False) -> Config:
        from botocore.config import Config  # noqa: PLC0415 - heavy

        return Config(
            connect_timeout=self._patience.connect_s,
            read_timeout=self._patience.read_s,
            retries={"mode": "standard", "total_max_attempts": self._patience.attempts},
            max_pool_connections=32,
            s3={"addressing_style": "path" if path_style else "auto"},
        )

    def _connected(self) -> Session:
        import boto3  # noqa: PLC0415 - heavy

        if self._session is None:
            self._session = boto3.session.Session()
        return self._session


class S3Source:
    """Reads function code from S3; safe for concurrent use by threads."""

    def __init__(
        self,
        clients: ServiceClients,
        *,
        max_bytes: int = Limits().unzipped_code_bytes,
        directory: Path | None = None,
    ) -> None:
        """Remember where S3 is.

        `max_bytes` is the largest object that is fetched, `directory` where it is put meanwhile
        (None: the system's temporary directory).
        """
        self._clients = clients
        self._max_bytes = max_bytes
        self._directory = directory

    def fetch(self, bucket: str, key: str, version_id: str | None = None) -> BinaryIO:
        """An object as an open, unnamed temporary file, which the caller closes.

        Raises:
            InvalidParameterError: S3 refused, or the object is too large; in AWS's words.
            UnavailableError: S3 could not be reached.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

        client = self._clients.s3()
        with ExitStack() as on_failure:
            file = on_failure.enter_context(tempfile.TemporaryFile(dir=self._directory))
            try:
                if version_id is None:
                    reply = client.get_object(Bucket=bucket, Key=key)
                else:
                    reply = client.get_object(Bucket=bucket, Key=key, VersionId=version_id)
                with closing(reply["Body"]) as body:
                    self._copy(body.iter_chunks(_CHUNK_BYTES), file)
            except ClientError as exc:
                raise InvalidParameterError(_refusal(exc)) from exc
            except BotoCoreError as exc:
                raise UnavailableError(f"S3 could not be asked for the code: {exc}") from exc
            file.seek(0)
            on_failure.pop_all()
        return file

    def _copy(self, chunks: Iterable[bytes], file: BinaryIO) -> None:
        left = self._max_bytes
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise InvalidParameterError(
                    f"Unzipped size must be smaller than {self._max_bytes} bytes"
                )
            file.write(chunk)


def _refusal(exc: ClientError) -> str:
    error = exc.response["Error"]
    code, message = error.get("Code", "Unknown"), error.get("Message", "")
    what = "Error occurred while GetObject."
    if code == "AccessDenied":
        what = (
            "Your access has been denied by S3, please make sure your request credentials have "
            "permission to GetObject."
        )
    return f"{what} S3 Error Code: {code}. S3 Error Message: {message}"
