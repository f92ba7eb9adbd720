"""Receiving function code: AWS's size limits and refusals around `store/archives.py`.

Source: api.md sections 3.4 and 15. All of it blocks on disk and CPU: call it from a worker thread,
before the transaction that refers to the code. An archive that is received but then not referred
to is collected later.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from lambd.model.errors import (
    ArtifactError,
    InvalidParameterError,
    RequestEntityTooLargeError,
)
from lambd.model.functions import Code
from lambd.model.limits import Limits
from lambd.store import archives
from lambd.store.blobs import BlobStore

# An upload as bytes, a file, or an open file (which is left open).
Archive = bytes | Path | BinaryIO

_CHUNK_BYTES = 1024 * 1024


def check_archive(archive: Archive, limits: Limits) -> Code:
    """Check an archive without storing it; returns what it would be stored as (for DryRun).

    Raises:
        RequestEntityTooLargeError: it was sent in the request (bytes) and is over that limit.
        InvalidParameterError: it is no zip file, is empty, too large unpacked, or not safe.
    """
    if isinstance(archive, bytes) and len(archive) > limits.zipped_code_bytes:
        raise RequestEntityTooLargeError(
            f"Zipped size must be smaller than {limits.zipped_code_bytes} bytes"
        )
    with _opened(archive) as file:
        try:
            unpacked_bytes = archives.check_archive(file, limits.unzipped_code_bytes)
        except archives.OversizeArchiveError as exc:
            raise InvalidParameterError(
                f"Unzipped size must be smaller than {limits.unzipped_code_bytes} bytes"
            ) from exc
        except archives.EmptyArchiveError as exc:
            raise InvalidParameterError("Uploaded file must be a non-empty zip") from exc
        except ArtifactError as exc:
            raise InvalidParameterError(
                "Could not unzip uploaded file. Please check your file, then try to upload again."
            ) from exc
        return _describe(file, unpacked_bytes)


def receive_archive(archive: Archive, limits: Limits, blobs: BlobStore) -> Code:
    """Check an archive and store it; it is durable when this returns.

    Raises:
        RequestEntityTooLargeError, InvalidParameterError: as `check_archive`.
    """
    checked = check_archive(archive, limits)
    with _opened(archive) as file:
        return replace(blobs.put_file(file), unpacked_bytes=checked.unpacked_bytes)


@contextmanager
def _opened(archive: Archive) -> Iterator[BinaryIO]:
    if isinstance(archive, bytes):
        yield io.BytesIO(archive)
    elif isinstance(archive, os.PathLike):
        with archive.open("rb") as file:
            yield file
    else:
        archive.seek(0)
        yield archive


def _describe(file: BinaryIO, unpacked_bytes: int) -> Code:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return Code(sha256=digest.hexdigest(), size_bytes=file.tell(), unpacked_bytes=unpacked_bytes)
