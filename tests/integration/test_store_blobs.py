"""Content-addressed blobs on a real disk."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lambd.store.blobs import BlobStore


def files(data_dir: Path) -> list[str]:
    """Names of all files below."""
    return sorted(path.name for path in data_dir.rglob("*") if path.is_file())


def test_a_blob_is_named_by_its_content(tmp_path: Path) -> None:
    """Bytes, chunks and files end in the same place."""
    blobs = BlobStore(tmp_path)
    sha256 = hashlib.sha256(b"content").hexdigest()
    for code in (
        blobs.put_bytes(b"content"),
        blobs.put_stream([b"con", b"", b"tent"]),
        blobs.put_file(io.BytesIO(b"content")),
    ):
        assert (code.sha256, code.size_bytes) == (sha256, 7)
    assert blobs.path(sha256) == tmp_path / "blobs" / sha256[:2] / sha256
    assert files(tmp_path) == [sha256]
    with blobs.open(sha256) as file:
        assert file.read() == b"content"


def test_a_failing_upload_leaves_nothing(tmp_path: Path) -> None:
    """An exception in the middle comes through; neither name nor temporary file stays."""
    blobs = BlobStore(tmp_path)

    def chunks() -> object:
        yield b"some"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blobs.put_stream(chunks())  # type: ignore[arg-type]  # object: a generator
    assert files(tmp_path) == []


def test_unfinished_uploads_of_a_predecessor_go(tmp_path: Path) -> None:
    """Opening the store clears what a killed process was writing."""
    code = BlobStore(tmp_path).put_bytes(b"kept")
    (tmp_path / "blobs" / "incoming" / "tmpabc").write_bytes(b"half")
    blobs = BlobStore(tmp_path)
    assert files(tmp_path) == [code.sha256]
    assert blobs.path(code.sha256).read_bytes() == b"kept"


def test_a_missing_blob_is_a_missing_file(tmp_path: Path) -> None:
    """Opening raises, deleting does not."""
    blobs = BlobStore(tmp_path)
    with pytest.raises(FileNotFoundError):
        blobs.open("ab" * 32)
    blobs.delete("ab" * 32)


def test_garbage_is_what_nobody_refers_to(tmp_path: Path) -> None:
    """Referenced blobs stay."""
    blobs = BlobStore(tmp_path)
    kept, dropped = blobs.put_bytes(b"kept"), blobs.put_bytes(b"dropped")
    assert blobs.collect_garbage({kept.sha256}) == 1
    assert files(tmp_path) == [kept.sha256]
    assert dropped.sha256 not in files(tmp_path)


def test_recently_put_blobs_are_no_garbage_yet(tmp_path: Path) -> None:
    """Putting a blob once more counts as well as putting it first."""
    blobs = BlobStore(tmp_path)
    old, again = blobs.put_bytes(b"old"), blobs.put_bytes(b"again")
    for code in (old, again):
        os.utime(blobs.path(code.sha256), (1, 1))
    blobs.put_bytes(b"again")
    put = datetime.fromtimestamp(blobs.path(again.sha256).stat().st_mtime, tz=UTC)
    assert blobs.collect_garbage(set(), put_before=put - timedelta(seconds=1)) == 1
    assert files(tmp_path) == [again.sha256]


def test_concurrent_puts_of_one_blob_agree(tmp_path: Path) -> None:
    """Also beside a collection that would like to remove it."""
    blobs = BlobStore(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        puts = [threads.submit(blobs.put_bytes, b"same") for _ in range(20)]
        threads.submit(blobs.collect_garbage, {puts[0].result().sha256}).result()
    assert {put.result() for put in puts} == {puts[0].result()}
    assert len(files(tmp_path)) == 1


def test_blobs_are_readable_by_others(tmp_path: Path) -> None:
    """Not left with a temporary file's mode."""
    blobs = BlobStore(tmp_path)
    code = blobs.put_bytes(b"x")
    assert stat.S_IMODE(blobs.path(code.sha256).stat().st_mode) == 0o644
