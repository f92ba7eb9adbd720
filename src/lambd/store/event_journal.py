"""The event queue on disk: group commit, and what comes after it.

Changes that arrive while a commit is under way gather and go together in the next one, so that the
disk's pace (one flush each) is shared by all who wait: the busier, the more events a flush. There
is never more than one commit of ours in the database's writer. Whoever waits for an answer waits for
no timer; removals, which nobody waits for, wait a moment for a commit to go with.

Leases are not stored: the data directory belongs to one process, so whatever is in the table when
it is opened is nobody's, and is taken up again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

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
from lambd.store.free_space import KEPT_BYTES

_log = structlog.get_logger(__name__)

# Of one transaction: it should not keep the writer from others for long.
_COMMIT_CHANGES = 4096
_COMMIT_BYTES = 32 * 1024 * 1024
# Of one read.
_READ_BYTES = 8 * 1024 * 1024
# How long removals may wait for company: an event that is still there after a kill runs once more.
_LINGER_S = 0.005
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
    removed: QueuedEvent | None
    committed: CommittedCallback
    with_event: WithEvent | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether something waits for it: for anything but a removal that leads to nothing."""
        return bool(self.added) or self.updated is not None

    @property
    def is_new(self) -> bool:
        """Whether somebody waits for it who can be told that it failed."""
        return self.updated is None and self.removed is None

    @property
    def freed(self) -> int:
        """Bytes that the file has no more use for."""
        return 0 if self.removed is None else len(self.removed.payload)

    @property
    def size(self) -> int:
        size = sum(len(event.payload) for event in self.added)
        if self.updated is not None and self.updated.answer is not None:
            size += len(self.updated.answer.payload)
        return size


class EventJournal:
    """See the module header; all methods on the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = itertools.count(1)
        self._changes: list[_Change] = []
        # Whether a commit of ours is in the database's writer.
        self._is_committing = False
        # Until the next commit, while nobody is in a hurry or the disk would not take the last.
        self._pause: asyncio.TimerHandle | None = None
        # Of `close`.
        self._settled: asyncio.Event | None = None
        # Removed since space was last given back.
        self._freed_bytes = 0
        # Transactions and changes so far, for those who want to know how well they gather.
        self.commits = 0
        self.changes = 0

    async def open(self) -> list[Backlog]:
        """Find out what waits, by function; before anything else."""
        self._numbers = itertools.count(await self._database.read(last_event_id) + 1)
        self._database.give_back_space()
        return await self._database.read(list_backlogs)

    async def close(self) -> None:
        """Wait until every change that was handed in is durable, if the disk takes them soon."""
        self._settled = asyncio.Event()
        self._go_on()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._settled.wait()
        except TimeoutError:
            _log.error("events_not_stored", changes=len(self._changes), error="closing")
            self._resume()
            self._changes.clear()

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
        successors: Iterable[QueuedEvent] = (),
    ) -> None:
        """Remove an event that is done with and, in the same transaction, add those it leads to.

        Without any it may take a moment, since nobody waits for it.
        """
        added = tuple(successors)
        for successor in added:
            successor.id = next(self._numbers)
        self._submit(_Change(added, None, event, committed))

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
        if self._is_committing:
            return
        if change.is_urgent:
            self._commit()
        elif self._pause is None:
            self._wait(_LINGER_S)

    def _wait(self, seconds: float) -> None:
        self._pause = asyncio.get_running_loop().call_later(seconds, self._commit)

    def _resume(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _go_on(self) -> None:
        """Begin the next commit, or have it begin in a moment, or be at rest."""
        if self._is_committing:
            return
        if any(change.is_urgent for change in self._changes) or (
            self._changes and self._settled is not None
        ):
            self._commit()
        elif self._changes:
            self._resume()
            self._wait(_LINGER_S)
        elif self._settled is not None:
            self._settled.set()

    def _commit(self) -> None:
        self._resume()
        changes = self._take()
        if not changes:
            return
        writes = Writes(
            added=[event for change in changes for event in change.added],
            updated=[change.updated for change in changes if change.updated is not None],
            removed=[change.removed.id for change in changes if change.removed is not None],
            hooks=[change.with_event for change in changes if change.with_event is not None],
        )
        self._is_committing = True
        self._database.submit(partial(_write, writes), partial(self._committed, changes))

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

    def _committed(
        self, changes: list[_Change], _result: object, error: BaseException | None
    ) -> None:
        self._is_committing = False
        if error is not None:
            _log.error("events_not_stored", changes=len(changes), error=str(error))
            self._refuse(changes)
            return
        self.commits += 1
        self.changes += len(changes)
        self._freed_bytes += sum(change.freed for change in changes)
        if self._freed_bytes > KEPT_BYTES:
            self._freed_bytes = 0
            self._database.give_back_space()
        # The disk goes on while those who waited are told.
        self._go_on()
        for change in changes:
            _tell(change, None)

    def _refuse(self, changes: list[_Change]) -> None:
        """Tell those who can be told; keep the rest, since what was done cannot be undone."""
        kept = [change for change in changes if not change.is_new]
        self._changes[:0] = kept
        if kept:
            self._wait(_RETRY_S)
        else:
            self._go_on()
        for change in changes:
            if change.is_new:
                _tell(change, UnavailableError("The event could not be stored"))


def _write(writes: Writes, connection: Connection) -> None:
    write_events(connection, writes)


def _tell(change: _Change, error: UnavailableError | None) -> None:
    try:
        change.committed(error)
    except Exception:  # noqa: BLE001 - others wait to be told, too
        _log.exception("events_crashed")
