"""Group commit: what goes together, what waits for whom, and what becomes of it when the disk is full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.unit.invoke.event_world import MemoryDatabase, until

from lambd.model.errors import UnavailableError
from lambd.model.events import QueuedEvent
from lambd.store.database import Connection
from lambd.store.event_journal import EventJournal


@pytest.fixture
async def database() -> AsyncIterator[MemoryDatabase]:
    """An empty table."""
    database = MemoryDatabase()
    yield database
    database.dispose()


def queued(payload: bytes = b"{}") -> QueuedEvent:
    """An event that is due."""
    return QueuedEvent(
        request_id="r",
        function_name="f",
        qualifier=None,
        payload=payload,
        trace_header="",
        accepted_us=0,
        due_us=0,
    )


class Heard:
    """What was said to those who wait."""

    def __init__(self) -> None:
        self.errors: list[UnavailableError | None] = []

    def __call__(self, error: UnavailableError | None) -> None:
        """Take it."""
        self.errors.append(error)


async def test_what_comes_during_a_commit_goes_together_in_the_next(
    database: MemoryDatabase,
) -> None:
    """The first alone, since it need not wait."""
    journal, heard = EventJournal(database), Heard()
    for _ in range(200):
        journal.add(queued(), heard)
    await until(lambda: len(heard.errors) == 200)
    assert (journal.commits, journal.changes, database.waiting) == (2, 200, 200)
    await journal.close()


async def test_a_removal_goes_with_the_next_commit(database: MemoryDatabase) -> None:
    """It has none of its own while there are others."""
    journal, heard = EventJournal(database), Heard()
    for count in range(1, 21):
        event = queued()
        journal.add(event, heard)
        await until(partial(_has, heard, count))
        journal.remove(event, lambda _error: None)
    commits = journal.commits
    assert commits < 40
    await until(lambda: not database.waiting)
    assert journal.commits <= commits + 1
    await journal.close()


async def test_close_waits_for_removals(database: MemoryDatabase) -> None:
    """They are made at once."""
    journal, heard = EventJournal(database), Heard()
    event = queued()
    journal.add(event, heard)
    await until(partial(_has, heard, 1))
    journal.remove(event, heard)
    await journal.close()
    assert (database.waiting, heard.errors) == (0, [None, None])


async def test_what_goes_with_an_event_goes_or_stays_with_it(database: MemoryDatabase) -> None:
    """In the same transaction."""
    journal, heard = EventJournal(database), Heard()
    other = queued()
    journal.add(other, heard)
    await until(partial(_has, heard, 1))

    def replace(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM events WHERE id=?", (other.id,))

    database.failure = OSError("full")
    journal.add(queued(), heard, replace)
    await until(partial(_has, heard, 2))
    assert isinstance(heard.errors[1], UnavailableError)
    assert database.waiting == 1
    database.failure = None
    journal.add(queued(b"1"), heard, replace)
    await until(partial(_has, heard, 3))
    assert database.waiting == 1
    await journal.close()


async def test_who_fails_to_hear_keeps_nobody_from_hearing(database: MemoryDatabase) -> None:
    """Each is told by itself."""
    journal, heard = EventJournal(database), Heard()

    def fail(_error: UnavailableError | None) -> None:
        raise LookupError

    for callback in (heard, fail, heard):
        journal.add(queued(), callback)
    await until(partial(_has, heard, 2))
    await journal.close()


async def test_a_large_payload_is_stored_and_read_whole(database: MemoryDatabase) -> None:
    """With others in the same statement."""
    journal, heard = EventJournal(database), Heard()
    payloads = [bytes([number]) * 1000 * number for number in range(1, 100)]
    for payload in payloads:
        journal.add(queued(payload), heard)
    await until(partial(_has, heard, len(payloads)))
    due = await journal.due("f", now_us=1, without=(), limit=1000)
    assert [event.payload for event in due.events] == payloads
    await journal.close()


def _has(heard: Heard, count: int) -> bool:
    return len(heard.errors) == count
