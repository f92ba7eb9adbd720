"""How uploads are refused, in AWS's words."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import replace

import pytest

from lambd.control.archives import check_archive
from lambd.control.guards import code_sha256_text
from lambd.model.errors import InvalidParameterError, RequestEntityTooLargeError
from lambd.model.limits import Limits


def archive(**files: bytes) -> bytes:
    """A zip file of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return file.getvalue()


def test_tells_what_would_be_stored() -> None:
    """Hash and size of the bytes as uploaded, and the size of what is in them."""
    data = archive(handler=b"x")
    code = check_archive(data, Limits())
    assert code.size_bytes == len(data)
    assert code.unpacked_bytes == 1
    assert code.sha256 == hashlib.sha256(data).hexdigest()
    assert base64.b64decode(code_sha256_text(code)) == hashlib.sha256(data).digest()


def test_an_open_file_is_read_from_its_start() -> None:
    """Where the caller left the file's position makes no difference."""
    data = archive(handler=b"x")
    file = io.BytesIO(data)
    file.read(3)
    assert check_archive(file, Limits()) == check_archive(data, Limits())


def test_refuses_a_request_over_the_zipped_limit() -> None:
    """413, before the archive is looked at."""
    with pytest.raises(RequestEntityTooLargeError) as caught:
        check_archive(b"x" * 11, replace(Limits(), zipped_code_bytes=10))
    assert caught.value.message == "Zipped size must be smaller than 10 bytes"


def test_the_zipped_limit_is_for_requests() -> None:
    """Code from S3 may be larger than what fits into a request."""
    check_archive(io.BytesIO(archive(handler=b"x")), replace(Limits(), zipped_code_bytes=10))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            b"no zip",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
            id="no zip",
        ),
        pytest.param(
            archive(**{"../evil": b""}),
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
            id="path escape",
        ),
        pytest.param(archive(), "Uploaded file must be a non-empty zip", id="empty"),
        pytest.param(
            archive(big=bytes(1000)), "Unzipped size must be smaller than 1000 bytes", id="large"
        ),
    ],
)
def test_refuses_bad_archives_in_the_words_of_aws(data: bytes, message: str) -> None:
    """Texts of api.md section 3.4."""
    with pytest.raises(InvalidParameterError) as caught:
        check_archive(data, replace(Limits(), unzipped_code_bytes=1000))
    assert caught.value.message == message
