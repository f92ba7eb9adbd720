"""Clients for the services around Lambda, at their configured endpoints.

boto3 is heavy and many platforms never need it, so it is imported by the first use. Calls block:
make them from a worker thread.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lambd.model.errors import InvalidParameterError, UnavailableError
from lambd.model.limits import Limits

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_s3 import S3Client

_CHUNK_BYTES = 1024 * 1024


class S3Source:
    """Reads function code from S3; safe for concurrent use by threads.

    Credentials are those that boto3 finds by itself: environment, profile, instance role.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        region: str,
        max_bytes: int = Limits().unzipped_code_bytes,
        directory: Path | None = None,
    ) -> None:
        """Remember where S3 is; None is AWS's own endpoint of the region.

        `max_bytes` is the largest object that is fetched, `directory` where it is put meanwhile
        (None: the system's temporary directory).
        """
        self._endpoint_url = endpoint_url
        self._region = region
        self._max_bytes = max_bytes
        self._directory = directory
        self._lock = threading.Lock()
        self._client: S3Client | None = None

    def fetch(self, bucket: str, key: str, version_id: str | None = None) -> BinaryIO:
        """An object as an open, unnamed temporary file, which the caller closes.

        Raises:
            InvalidParameterError: S3 refused, or the object is too large; in AWS's words.
            UnavailableError: S3 could not be reached.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

        client = self._connected_client()
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

    def _connected_client(self) -> S3Client:
        import boto3  # noqa: PLC0415 - heavy
        from botocore.config import Config  # noqa: PLC0415 - heavy

        with self._lock:
            if self._client is None:
                self._client = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self._endpoint_url,
                    region_name=self._region,
                    config=Config(
                        connect_timeout=5,
                        read_timeout=30,
                        retries={"mode": "standard", "total_max_attempts": 3},
                        # Servers other than AWS seldom have a host name for each bucket.
                        s3={"addressing_style": "path" if self._endpoint_url else "auto"},
                    ),
                )
            return self._client


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
