"""Copies of a data directory that is in use."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lambd.model.errors import InvalidParameterError
from lambd.store.backup import back_up
from lambd.store.blobs import BlobStore
from lambd.store.database import Database


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a blob, a region of its own, and what is not worth a copy."""
    made = tmp_path / "data"
    Database.open(made).close()
    BlobStore(made).put_bytes(b"code")
    (made / "code" / "tree").mkdir(parents=True)
    (made / "run").mkdir()
    other = made / "regions" / "eu-west-1"
    other.mkdir(parents=True)
    with closing(sqlite3.connect(other / "logs.db")) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
    return made


def test_has_rows_blobs_and_logs_of_every_region(data_dir: Path, tmp_path: Path) -> None:
    """And nothing that can be made again."""
    made = back_up(data_dir, tmp_path / "copy")
    assert (made.databases, made.files) == (2, 1)
    copied = {path.name for path in (tmp_path / "copy").iterdir()}
    assert copied == {"blobs", "lambd.sqlite3", "regions"}
    assert BlobStore(tmp_path / "copy").put_bytes(b"code").size_bytes == 4


def test_is_of_one_moment_while_rows_are_written(data_dir: Path, tmp_path: Path) -> None:
    """Two rows that are always written together are both there or both not."""
    database = data_dir / "logs.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE pairs (n INTEGER, padding BLOB)")
        connection.commit()
    started, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                rows = [(number, bytes(2000))] * 2
                connection.executemany("INSERT INTO pairs VALUES (?, ?)", rows)
                connection.commit()
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert started.wait(30)
        back_up(data_dir, tmp_path / "copy")
    finally:
        stop.set()
        writer.join()
    with closing(sqlite3.connect(tmp_path / "copy" / "logs.db")) as connection:
        counts = connection.execute("SELECT count(*) FROM pairs GROUP BY n").fetchall()
    assert counts
    assert set(counts) == {(2,)}


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        pytest.param("nothing", "copy", "is not a data directory", id="no data directory"),
        pytest.param("data", "data", "is there already", id="target is there"),
        pytest.param("data", "data/copy", "is in the data directory", id="target inside"),
    ],
)
def test_refuses_what_is_no_backup(
    source: str, target: str, message: str, data_dir: Path, tmp_path: Path
) -> None:
    """With a message that says why, and nothing written."""
    before = sorted(data_dir.rglob("*"))
    with pytest.raises(InvalidParameterError, match=message):
        back_up(tmp_path / source, tmp_path / target)
    assert sorted(data_dir.rglob("*")) == before
    assert not (tmp_path / "copy").exists()
