"""The one thread that writes: transactions in the order they came, on one connection of its own.

SQLite has one writer anyway, and queueing for it in memory is fairer and quicker than its busy
polling. The thread costs a commit as little as it can: a queue in C, a connection that stays open,
BEGIN and COMMIT without SQLAlchemy around them, and one wake-up of the event loop for all there is
to tell after a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, cast

import sqlalchemy

# Called on the event loop after the commit, with what the work returned or the exception that
# undid it.
DoneCallback = Callable[[Any, BaseException | None], None]
# What came up in a transaction for others to hear of, in order, without repetition.
Outbox = dict[object, None]


@dataclass(slots=True)
class _Job:
    """One transaction, and who is to be told."""

    loop: asyncio.AbstractEventLoop
    work: Callable[[sqlalchemy.Connection], object]
    done: DoneCallback
    # Or, by itself, what cannot be in one.
    in_transaction: bool


class Writer:
    """See the module header; `submit` may be called from any thread, callbacks come on the loop."""

    def __init__(
        self, engine: sqlalchemy.Engine, deliver: Callable[[tuple[object, ...]], None]
    ) -> None:
        """Start the thread.

        Args:
            engine: where its connection comes from.
            deliver: takes what was in the outbox of a transaction, on the loop of its author and
                before that is told.
        """
        self._deliver = deliver
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.is_closed = False
        # A pool's connection may have been a reader's.
        self._connection = engine.connect().execution_options(writes=True)
        driver_connection(self._connection).execute("PRAGMA query_only=OFF").close()
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[sqlalchemy.Connection], object],
        done: DoneCallback,
        *,
        in_transaction: bool = True,
    ) -> None:
        """Run `work(connection)`, in one transaction or in none; call it on the event loop.

        Raises:
            RuntimeError: after `close`.
        """
        if self.is_closed:
            raise RuntimeError("the database is closed")
        self._jobs.put(_Job(asyncio.get_running_loop(), work, done, in_transaction))

    def close(self) -> None:
        """Finish what was submitted; blocks, idempotent."""
        if not self.is_closed:
            self.is_closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        outbox: Outbox = {}
        with self._connection as connection:
            connection.execution_options(outbox=outbox)
            while (job := self._jobs.get()) is not None:
                result: object = None
                error: BaseException | None = None
                try:
                    run = _transact if job.in_transaction else _run
                    result = run(connection, job.work)
                except BaseException as exc:  # noqa: BLE001 - it is its author's
                    error = exc
                    outbox.clear()
                notices = tuple(outbox)
                outbox.clear()
                # Unless the loop has ended: nobody is left to be told.
                with contextlib.suppress(RuntimeError):
                    job.loop.call_soon_threadsafe(self._tell, job.done, notices, result, error)
                # Nothing of it may live on while the thread waits.
                del job, result, error

    def _tell(
        self,
        done: DoneCallback,
        notices: tuple[object, ...],
        result: object,
        error: BaseException | None,
    ) -> None:
        try:
            if notices:
                self._deliver(notices)
        finally:
            done(result, error)


def driver_connection(connection: sqlalchemy.Connection) -> sqlite3.Connection:
    """SQLite's own connection, for statements that pass by the thousand."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _run(
    connection: sqlalchemy.Connection, work: Callable[[sqlalchemy.Connection], object]
) -> object:
    return work(connection)


def _transact(
    connection: sqlalchemy.Connection, work: Callable[[sqlalchemy.Connection], object]
) -> object:
    raw = driver_connection(connection)
    try:
        # The engine's own begin sees that one is open.
        raw.execute("BEGIN IMMEDIATE")
        result = work(connection)
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.rollback()
        raise
    finally:
        # What SQLAlchemy took for a transaction of its own has ended with ours.
        if connection.in_transaction():
            connection.rollback()
    return result
