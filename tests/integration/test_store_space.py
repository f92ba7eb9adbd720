"""The database's file gives back what a backlog took: new files, those of older releases, the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lambd.model.events import QueuedEvent
from lambd.store.database import Database
from lambd.store.event_journal import EventJournal
from lambd.store.events import Writes, write_events
from lambd.store.free_space import KEPT_BYTES

MIB = 1024 * 1024
EVENTS = 160


def queued(number: int) -> QueuedEvent:
    """An event of half a MiB."""
    return QueuedEvent(
        id=number,
        request_id="r",
        function_name="f",
        qualifier=None,
        payload=bytes(MIB // 2),
        trace_header="",
        accepted_us=0,
        due_us=0,
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(50):
        while not condition():  # noqa: ASYNC110 - shows on disk only
            await asyncio.sleep(0.01)


async def fill(database: Database) -> list[QueuedEvent]:
    """Store a backlog."""
    events = [queued(number) for number in range(1, EVENTS + 1)]
    for start in range(0, EVENTS, 16):
        added = events[start : start + 16]
        await database.run(write_events, Writes(added=added, updated=[], removed=[]))
    return events


@pytest.mark.slow
async def test_a_backlog_that_is_worked_off_leaves_no_large_file(tmp_path: Path) -> None:
    """Nor a large log beside it; what is acknowledged meanwhile is there."""
    database = Database.open(tmp_path)
    file, log = tmp_path / "lambd.sqlite3", tmp_path / "lambd.sqlite3-wal"
    try:
        journal = EventJournal(database)
        await journal.open()
        events = await fill(database)
        await until(lambda: file.stat().st_size > EVENTS * MIB // 4)
        for event in events:
            journal.remove(event, lambda _error: None)
        await until(lambda: file.stat().st_size < KEPT_BYTES * 2)
        added: list[object] = []
        journal.add(queued(0), added.append)
        await until(lambda: added == [None])
        assert log.stat().st_size <= KEPT_BYTES * 2
        assert [backlog.events for backlog in await journal.open()] == [1]
        await journal.close()
    finally:
        database.close()


@pytest.mark.slow
async def test_a_file_of_an_older_release_shrinks_as_well(tmp_path: Path) -> None:
    """It is written anew once, at the first start, and what is free in it given back."""
    Database.open(tmp_path).close()
    file = tmp_path / "lambd.sqlite3"
    old = sqlite3.connect(file, isolation_level=None)
    old.execute("PRAGMA auto_vacuum=NONE")
    old.execute("VACUUM")
    assert old.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    old.execute("CREATE TABLE junk (content BLOB)")
    old.execute("INSERT INTO junk VALUES (zeroblob(?))", (64 * MIB,))
    old.execute("DROP TABLE junk")
    old.close()
    assert file.stat().st_size > 64 * MIB
    database = Database.open(tmp_path)
    database.close()
    assert file.stat().st_size < 2 * MIB
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()
