"""Layers whose content comes from S3, which is a small server here."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import Server

_MISSING = (
    b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
)


def archive() -> bytes:
    """A layer's archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("python/shared.py", "NAME = 's3'\n")
    return buffer.getvalue()


@pytest.fixture
def s3_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A platform that fetches from a bucket with one object, `layer.zip`."""
    data = archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/bucket/layer.zip"
            self.send_response(200 if found else 404)
            body = data if found else _MISSING
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        config = tmp_path / "lambd.toml"
        config.write_text(f's3_endpoint_url = "http://127.0.0.1:{server.server_port}"\n')
        credentials = tmp_path / "home" / ".aws" / "credentials"
        credentials.parent.mkdir(parents=True)
        credentials.write_text("[default]\naws_access_key_id = k\naws_secret_access_key = s\n")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        platform = Server(tmp_path / "data", "--config", str(config), driver="process")
        platform.start()
        yield platform
        assert platform.stop() == 0
        server.shutdown()
        thread.join()


def test_publishes_an_object_of_s3(s3_platform: Server) -> None:
    """Its bytes are the content; one that is not there is refused with S3's own words."""
    aws = s3_platform.lambda_client()
    made = aws.publish_layer_version(
        LayerName="a", Content={"S3Bucket": "bucket", "S3Key": "layer.zip"}
    )
    assert made["Content"]["CodeSize"] == len(archive())
    with pytest.raises(ClientError) as error:
        aws.publish_layer_version(LayerName="a", Content={"S3Bucket": "bucket", "S3Key": "x.zip"})
    assert error.value.response["Error"]["Message"] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified "
        "key does not exist."
    )
    with pytest.raises(ClientError) as error:
        aws.publish_layer_version(
            LayerName="a",
            Content={
                "S3Bucket": "bucket",
                "S3Key": "layer.zip",
                "S3ObjectStorageMode": "REFERENCE",
            },
        )
    assert error.value.response["Error"]["Message"] == (
        "Content.S3ObjectStorageMode is not supported by lambd yet"
    )
    assert [
        each["Version"] for each in aws.list_layer_versions(LayerName="a")["LayerVersions"]
    ] == [1]
