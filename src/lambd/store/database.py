"""The engine, its transactions on worker threads, and change notices after commit.

SQLite is set up so that a commit returns only when it is on disk (WAL, synchronous=FULL). There is
one writer thread (`writer.py`); readers run beside it. A function that runs in a transaction calls `notify`
for what it changed; subscribers hear of it on the event loop, after the commit and before `run`
returns to its caller. Queries live in the modules beside this one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar, cast

import sqlalchemy
import structlog
from sqlalchemy import event

from lambd.store.directory import DirectoryLock
from lambd.store.disk_faults import telling_of_disk_faults
from lambd.store.free_space import checkpoint, give_back, prepare
from lambd.store.migrate import migrate
from lambd.store.writer import DoneCallback, Writer, driver_connection
from lambd.trees import flush_directory

_log = structlog.get_logger(__name__)

# What functions that run in a transaction take first.
Connection = sqlalchemy.Connection

READER_THREADS = 4
# Another process (a backup, a shell) may hold the file's lock for so long before we give up.
_BUSY_TIMEOUT_MS = 10_000
# What the write-ahead log is cut back to, once it has been taken into the file.
_JOURNAL_BYTES = 16 * 1024 * 1024

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionChanged:
    """Anything about a function, or the function itself, came, went or changed."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChanged:
    """A version of a layer came or went."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationsChanged:
    """Reserved or provisioned concurrency changed; `total` of the account's is spoken for."""

    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingChanged:
    """A scalable target, a policy or a scheduled action came, went or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesChanged:
    """A schedule, a rule or a dispatch came, went or changed."""


Change = FunctionChanged | LayerChanged | ReservationsChanged | ScalingChanged | SchedulesChanged
Subscriber = Callable[[Change], None]


def notify(connection: Connection, change: Change) -> None:
    """Have subscribers told of a change once this transaction has committed."""
    outbox = cast("dict[Change, None]", connection.get_execution_options()["outbox"])
    outbox[change] = None


class Database:
    """One open data directory; `run` and `read` are safe to call concurrently."""

    def __init__(self, engine: sqlalchemy.Engine, lock: DirectoryLock) -> None:
        self._engine = engine
        self._lock = lock
        self._writer = Writer(engine, self._deliver)
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="store-read")
        self._subscribers: list[Subscriber] = []
        self._is_giving_back = False

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Open `<data_dir>/lambd.sqlite3`, bringing its schema up to date.

        Raises:
            UnavailableError: another process has it open, a newer lambd has written it, or the
                disk does not let it be written.
        """
        with telling_of_disk_faults(data_dir):
            return cls._open(data_dir)

    @classmethod
    def _open(cls, data_dir: Path) -> Self:
        lock = DirectoryLock(data_dir)
        path = data_dir / "lambd.sqlite3"
        engine = create_sqlite_engine(path)
        try:
            _prepare(engine)
            with engine.execution_options(writes=True).begin() as connection:
                migrate(connection)
            flush_directory(data_dir)
        except BaseException:
            engine.dispose()
            lock.release()
            raise
        return cls(engine, lock)

    def close(self) -> None:
        """Finish what is running, refuse what comes after, release the directory; idempotent."""
        self._writer.close()
        self._readers.shutdown()
        self._engine.dispose()
        self._lock.release()

    def subscribe(self, callback: Subscriber) -> None:
        """Call back on the event loop after each commit that changed something."""
        self._subscribers.append(callback)

    async def run(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run `fn(connection, ...)` in one write transaction; it is durable when this returns.

        Nothing else writes meanwhile, so read-check-write is atomic. An exception rolls back and
        is passed on. A caller that is cancelled does not stop its transaction.
        """
        waiting: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self.submit(partial(_call, fn, args, kwargs), partial(_settle, waiting))
        return await waiting

    def submit(self, work: Callable[[Connection], object], done: DoneCallback) -> None:
        """The same without anybody who waits: `done(result, exception)` is called on the loop."""
        self._writer.submit(work, done)

    def give_back_space(self) -> None:
        """Begin to shorten the file by what is free in it, between the writes of others."""
        if not self._is_giving_back:
            self._is_giving_back = True
            self._writer.submit(give_back, self._gave_back)

    def _gave_back(self, has_more: bool | None, error: BaseException | None) -> None:
        if self._writer.is_closed:
            return
        if has_more:
            self._writer.submit(give_back, self._gave_back)
            return
        self._is_giving_back = False
        if error is not None:
            _log.warning("database_space_not_given_back", error=str(error))
        else:
            self._writer.submit(checkpoint, self._checkpointed, in_transaction=False)

    def _checkpointed(self, _result: object, error: BaseException | None) -> None:
        if error is not None:
            _log.warning("database_space_not_given_back", error=str(error))

    async def read(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run `fn(connection, ...)` on one consistent snapshot, beside the writer."""

        def work() -> _T:
            with self._engine.begin() as connection:
                return fn(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def _deliver(self, changes: tuple[object, ...]) -> None:
        for change in changes:
            for subscriber in self._subscribers:
                subscriber(cast("Change", change))


def _prepare(engine: sqlalchemy.Engine) -> None:
    """Make a database of an older release able to shrink, if there is room to write it anew."""
    with engine.connect() as connection:
        raw = driver_connection(connection)
        raw.execute("PRAGMA query_only=OFF").close()
        try:
            prepare(raw)
        except sqlite3.OperationalError as error:
            _log.warning("database_not_compacted", error=str(error))


def _call(
    fn: Callable[..., _T],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    connection: Connection,
) -> _T:
    return fn(connection, *args, **kwargs)


def _settle(waiting: asyncio.Future[_T], result: _T, error: BaseException | None) -> None:
    # Unless whoever waited has been cancelled.
    if waiting.done():
        return
    if error is None:
        waiting.set_result(result)
    else:
        waiting.set_exception(error)


def create_sqlite_engine(path: Path) -> sqlalchemy.Engine:
    """An engine whose commits are durable and whose transactions begin as their option says.

    With the execution option `writes` a transaction takes the write lock at once; without it the
    connection refuses to write.
    """
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", pool_size=READER_THREADS + 1)

    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        # We say BEGIN ourselves; the module's own ideas of when to do so come too late for DDL.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            f"journal_size_limit={_JOURNAL_BYTES}",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: Connection) -> None:
        if driver_connection(connection).in_transaction:
            return
        writes = bool(connection.get_execution_options().get("writes"))
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
    return engine
