"""Fetching code from S3, against a small server that speaks as S3 does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lambd.aws.clients import Endpoints, S3Source, ServiceClients
from lambd.model.errors import InvalidParameterError, UnavailableError

OBJECT = b"archive" * 100_000


@dataclass
class FakeS3:
    """A server with one object, and what it was asked."""

    url: str = ""
    # Path with query of each request.
    asked: list[str] = field(default_factory=list)


REFUSALS = {
    "/nowhere/code.zip": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "/bucket/missing.zip": (404, "NoSuchKey", "The specified key does not exist."),
    "/bucket/secret.zip": (403, "AccessDenied", "Access Denied"),
    "/bucket/code.zip?versionId=gone": (
        404,
        "NoSuchVersion",
        "The specified version does not exist.",
    ),
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """Serve on a port of this machine, with credentials that boto3 finds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    fake = FakeS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            if self.path in REFUSALS:
                status, code, message = REFUSALS[self.path]
                text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
                self.answer(status, text.encode(), "application/xml")
            elif self.path == "/bucket/cut.zip":
                self.answer(200, OBJECT[:1000], "application/zip", promised=len(OBJECT))
                self.close_connection = True
            else:
                self.answer(200, OBJECT, "application/zip")

        def answer(
            self, status: int, body: bytes, content_type: str, promised: int | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}"
        yield fake
        server.shutdown()
        thread.join()


def clients(url: str) -> ServiceClients:
    """Clients that find S3 there."""
    return ServiceClients(Endpoints(s3=url), "us-east-1")


def source(s3: FakeS3, directory: Path, max_bytes: int = len(OBJECT)) -> S3Source:
    """A source at the fake server."""
    return S3Source(clients(s3.url), max_bytes=max_bytes, directory=directory)


def test_fetches_an_object(s3: FakeS3, tmp_path: Path) -> None:
    """As an open file at its start; nothing stays on disk once it is closed."""
    with source(s3, tmp_path).fetch("bucket", "code.zip") as file:
        assert file.read() == OBJECT
    assert s3.asked == ["/bucket/code.zip"]
    assert list(tmp_path.iterdir()) == []


def test_asks_for_the_version(s3: FakeS3, tmp_path: Path) -> None:
    """S3ObjectVersion becomes versionId."""
    source(s3, tmp_path).fetch("bucket", "code.zip", "v1").close()
    assert s3.asked == ["/bucket/code.zip?versionId=v1"]


@pytest.mark.parametrize(
    ("bucket", "key", "version", "message"),
    [
        pytest.param(
            "nowhere",
            "code.zip",
            None,
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
            "S3 Error Message: The specified bucket does not exist",
            id="bucket",
        ),
        pytest.param(
            "bucket",
            "missing.zip",
            None,
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
            "S3 Error Message: The specified key does not exist.",
            id="key",
        ),
        pytest.param(
            "bucket",
            "code.zip",
            "gone",
            "Error occurred while GetObject. S3 Error Code: NoSuchVersion. "
            "S3 Error Message: The specified version does not exist.",
            id="version",
        ),
        pytest.param(
            "bucket",
            "secret.zip",
            None,
            "Your access has been denied by S3, please make sure your request credentials have "
            "permission to GetObject. S3 Error Code: AccessDenied. "
            "S3 Error Message: Access Denied",
            id="access",
        ),
    ],
)
def test_refusals_of_s3_are_told_in_the_words_of_aws(
    s3: FakeS3, tmp_path: Path, bucket: str, key: str, version: str | None, message: str
) -> None:
    """InvalidParameterValueException with S3's code and text."""
    with pytest.raises(InvalidParameterError) as caught:
        source(s3, tmp_path).fetch(bucket, key, version)
    assert caught.value.message == message


def test_a_large_object_is_not_read_to_its_end(s3: FakeS3, tmp_path: Path) -> None:
    """One byte over the limit is too much."""
    with pytest.raises(InvalidParameterError) as caught:
        source(s3, tmp_path, max_bytes=len(OBJECT) - 1).fetch("bucket", "code.zip")
    assert caught.value.message == f"Unzipped size must be smaller than {len(OBJECT) - 1} bytes"


def test_a_cut_connection_is_not_a_whole_object(s3: FakeS3, tmp_path: Path) -> None:
    """An object that ends before its length is not taken for code."""
    with pytest.raises(UnavailableError, match="S3 could not be asked"):
        source(s3, tmp_path).fetch("bucket", "cut.zip")


def test_an_unreachable_endpoint_is_our_trouble(s3: FakeS3, tmp_path: Path) -> None:
    """Not the caller's parameter: UnavailableError, naming the endpoint."""
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1/bucket"):
        S3Source(clients("http://127.0.0.1:1")).fetch("bucket", "code.zip")


def test_missing_credentials_are_our_trouble(
    s3: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform has none to ask S3 with: UnavailableError that says so."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match="credentials"):
        source(s3, tmp_path).fetch("bucket", "code.zip")
