"""The event queue on disk: group commit, and what comes after it.

Changes that arrive while a commit is under way gather and go together in the next one, so that the
disk's pace (one flush each) is shared by all who wait: the busier, the more events a flush. There
is never more than one commit of ours in the database's writer, and none is waited for by a timer.

Leases are not stored: the data directory belongs to one process, so whatever is in the table when
it is opened is nobody's, and is taken up again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lambd.model.errors import UnavailableError
from lambd.model.events import QueuedEvent
from lambd.store.database import Connection, Database
from lambd.store.events import (
    Backlog,
    DueEvents,
    Writes,
    last_event_id,
    list_backlogs,
    list_due_events,
    write_events,
)

_log = structlog.get_logger(__name__)

# Of one transaction: it should not keep the writer from others for long.
_COMMIT_CHANGES = 4096
_COMMIT_BYTES = 32 * 1024 * 1024
# Of one read.
_READ_BYTES = 8 * 1024 * 1024
# Before changes that must not get lost are tried again, when the disk would not take them.
_RETRY_S = 1.0
# How long to wait for such a disk at the end.
_CLOSE_S = 10.0

# Called on the event loop once a change is durable, or with the error that kept it from being so.
CommittedCallback = Callable[[UnavailableError | None], None]


# Runs in the transaction that stores an event, for what has to happen if and only if that does. It
# may not raise but for a disk that does not take it: others' events are in the same transaction.
WithEvent = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class _Change:
    """One change: events added, and one event updated or removed; `committed` hears of it."""

    added: tuple[QueuedEvent, ...]
    updated: QueuedEvent | None
    removed: int | None
    committed: CommittedCallback
    with_event: WithEvent | None = None

    @property
    def is_new(self) -> bool:
        """Whether somebody waits for it who can be told that it failed."""
        return self.updated is None and self.removed is None

    @property
    def size(self) -> int:
        size = sum(len(event.payload) for event in self.added)
        if self.updated is not None and self.updated.answer is not None:
            size += len(self.updated.answer.payload)
        return size


class EventJournal:
    """See the module header; all methods on the event loop."""

    def __init__(self, database: Database, tasks: asyncio.TaskGroup) -> None:
        self._database = database
        self._tasks = tasks
        self._numbers = itertools.count(1)
        self._changes: list[_Change] = []
        self._committing: asyncio.Task[None] | None = None
        # Transactions and changes so far, for those who want to know how well they gather.
        self.commits = 0
        self.changes = 0

    async def open(self) -> list[Backlog]:
        """Find out what waits, by function; before anything else."""
        self._numbers = itertools.count(await self._database.read(last_event_id) + 1)
        return await self._database.read(list_backlogs)

    async def close(self) -> None:
        """Wait until every change that was handed in is durable, if the disk takes them soon."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                while self._committing is not None:
                    await asyncio.wait({self._committing})
        except TimeoutError:
            _log.error("events_not_stored", changes=len(self._changes), error="closing")
            if self._committing is not None:
                self._committing.cancel()

    def add(
        self,
        event: QueuedEvent,
        committed: CommittedCallback,
        with_event: WithEvent | None = None,
    ) -> None:
        """Store a new event and number it; `with_event` goes with it or not at all."""
        event.id = next(self._numbers)
        self._submit(_Change((event,), None, None, committed, with_event))

    def update(self, event: QueuedEvent, committed: CommittedCallback) -> None:
        """Store what an event has come to, and when it is due again."""
        self._submit(_Change((), event, None, committed))

    def remove(
        self,
        event: QueuedEvent,
        committed: CommittedCallback,
        followers: Iterable[QueuedEvent] = (),
    ) -> None:
        """Remove an event that is done with and, in the same transaction, add those it leads to."""
        added = tuple(followers)
        for follower in added:
            follower.id = next(self._numbers)
        self._submit(_Change(added, None, event.id, committed))

    async def due(
        self, function_name: str, *, now_us: int, without: Collection[int], limit: int
    ) -> DueEvents:
        """Some events of a function that are due, leaving out those in hand.

        Raises:
            UnavailableError: the disk would not give them.
        """
        try:
            return await self._database.read(
                list_due_events,
                function_name,
                now_us=now_us,
                without=without,
                limit=limit,
                limit_bytes=_READ_BYTES,
            )
        except SQLAlchemyError as error:
            raise UnavailableError(f"The events could not be read: {error}") from error

    def _submit(self, change: _Change) -> None:
        self._changes.append(change)
        if self._committing is None:
            self._committing = self._tasks.create_task(self._commit_all())

    async def _commit_all(self) -> None:
        try:
            while self._changes:
                await self._commit(self._take())
        finally:
            self._committing = None

    def _take(self) -> list[_Change]:
        """The next transaction's changes."""
        size = 0
        for count, change in enumerate(self._changes):
            size += change.size
            if count and (count >= _COMMIT_CHANGES or size > _COMMIT_BYTES):
                taken, self._changes = self._changes[:count], self._changes[count:]
                return taken
        taken, self._changes = self._changes, []
        return taken

    async def _commit(self, changes: list[_Change]) -> None:
        writes = Writes(
            added=[event for change in changes for event in change.added],
            updated=[change.updated for change in changes if change.updated is not None],
            removed=[change.removed for change in changes if change.removed is not None],
            hooks=[change.with_event for change in changes if change.with_event is not None],
        )
        try:
            await self._database.run(write_events, writes)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            _log.exception("events_not_stored", changes=len(changes), error=str(error))
            await self._refuse(changes)
            return
        self.commits += 1
        self.changes += len(changes)
        for change in changes:
            change.committed(None)

    async def _refuse(self, changes: list[_Change]) -> None:
        """Tell those who can be told; keep the rest, since what was done cannot be undone."""
        kept = [change for change in changes if not change.is_new]
        for change in changes:
            if change.is_new:
                change.committed(UnavailableError("The event could not be stored"))
        if kept:
            self._changes[:0] = kept
            await asyncio.sleep(_RETRY_S)
