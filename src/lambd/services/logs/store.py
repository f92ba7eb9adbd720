"""Function logs kept by lambd: bounded, on disk, readable as soon as they are written.

`append` runs on the event loop's hot path and only puts records into a list; a writer loop stores
them every fraction of a second, or sooner when there are many, in one transaction on a worker
thread. Queries flush first, so they see what was appended before them. When writing cannot keep up
the oldest records that are not yet stored are dropped, and counted in the platform's log.
Logs are not acknowledged to anybody, and `kill -9` may cost the last moments of them, but for those
of asynchronous attempts, whose events wait for them (`when_durable`). What users do
to groups by the API is stored before they are told.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy
import structlog

from lambd.services.logs import group_rows, queries, subscriptions
from lambd.services.logs.put_rules import Accepted, InputEvent
from lambd.services.logs.queries import (
    EventPage,
    EventQuery,
    FilterQuery,
    LogEvent,
    LogGroup,
    LogPage,
    LogStream,
    StreamQuery,
)
from lambd.services.logs.subscriptions import Delivery, Subscription
from lambd.services.logs.tables import create_engine
from lambd.services.logs.writer import Batch, LogWriter

_log = structlog.get_logger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

FLUSH_INTERVAL_S = 0.2
# The same where somebody waits for it.
DURABLE_WITHIN_S = 0.02
# Waiting records that are written without waiting longer.
FLUSH_RECORDS = 1000
# Waiting records beyond which the oldest are dropped.
MAX_WAITING_RECORDS = 200_000
MAX_WAITING_CHARACTERS = 64 * 1024 * 1024
# How often events are removed that are older than their group keeps them.
EXPIRY_INTERVAL_S = 600.0
# Queries at a time; more wait their turn.
_READER_THREADS = 2


class LogStore:
    """See the module header. Methods are called from the event loop's thread."""

    def __init__(
        self, path: Path, limit_bytes: int, *, clock: Callable[[], int] | None = None
    ) -> None:
        """Args:
        path: the file.
        limit_bytes: of events; beyond it the oldest go.
        clock: milliseconds since the epoch; None: the machine's.
        """
        self._clock = _now_ms if clock is None else clock
        self._take: Callable[[Delivery], None] | None = None
        self.path = path
        self._limit_bytes = limit_bytes
        self._waiting: deque[Batch] = deque()
        self._waiting_records = 0
        self._waiting_characters = 0
        self._dropped_records = 0
        # Who is to be told once what was appended is on disk.
        self._durable: list[Callable[[], None]] = []
        self._has_records = asyncio.Event()
        self._is_full = asyncio.Event()
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="logs-write")
        self._reads = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="logs-read")
        self._engine: sqlalchemy.Engine | None = None
        self._writer: LogWriter | None = None

    def on_delivery(self, take: Callable[[Delivery], None]) -> None:
        """Have what subscribers get handed to this, on the event loop; before `open`."""
        self._take = take

    async def open(self) -> None:
        """Open the file; before it, records wait.

        Raises:
            UnavailableError: another release of lambd wrote the file.
        """

        take, loop = self._take, asyncio.get_running_loop()

        def deliver(delivery: Delivery) -> None:
            if take is not None:
                loop.call_soon_threadsafe(take, delivery)

        def work() -> tuple[sqlalchemy.Engine, LogWriter]:
            engine = create_engine(self.path)
            deliver_to = None if take is None else deliver
            return engine, LogWriter(engine, self._limit_bytes, deliver_to)

        self._engine, self._writer = await asyncio.get_running_loop().run_in_executor(
            self._writes, work
        )

    async def run(self) -> None:
        """Write what is appended and remove what is too old, until cancelled; then write the rest."""
        loop = asyncio.get_running_loop()
        expiry_at = loop.time()
        try:
            while True:
                if loop.time() >= expiry_at:
                    await self.expire()
                    expiry_at = loop.time() + EXPIRY_INTERVAL_S
                try:
                    async with asyncio.timeout_at(expiry_at):
                        await self._has_records.wait()
                except TimeoutError:
                    continue
                try:
                    async with asyncio.timeout(FLUSH_INTERVAL_S):
                        await self._is_full.wait()
                except TimeoutError:
                    pass
                await self.flush()
        finally:
            await self.flush()

    async def close(self) -> None:
        """Write what is left and close the file; idempotent, appends after it are lost."""
        engine = self._engine
        if engine is None:
            return
        await self.flush()
        self._engine = None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._reads.shutdown)
        await loop.run_in_executor(self._writes, engine.dispose)
        self._writes.shutdown()

    def append(self, group: str, stream: str, records: Sequence[tuple[int, str]]) -> None:
        """Keep records, each (timestamp in ms since the epoch, message); never blocks.

        The sequence belongs to the store afterwards. Group and stream come to be as needed.
        """
        self._waiting.append(Batch(group, stream, records))
        self._waiting_records += len(records)
        for _, message in records:
            self._waiting_characters += len(message)
        self._has_records.set()
        if self._waiting_records >= FLUSH_RECORDS:
            self._is_full.set()
            if (
                self._waiting_records > MAX_WAITING_RECORDS
                or self._waiting_characters > MAX_WAITING_CHARACTERS
            ):
                self._drop_oldest()
        elif self._waiting_characters > MAX_WAITING_CHARACTERS:
            self._drop_oldest()

    def when_durable(self, tell: Callable[[], None]) -> None:
        """Call back once everything appended so far is on disk, or lost and counted.

        It is on its own disk flush, which all who come within a moment share.
        """
        if not self._durable:
            asyncio.get_running_loop().call_later(DURABLE_WITHIN_S, self._is_full.set)
        self._durable.append(tell)
        self._has_records.set()

    async def flush(self) -> None:
        """Wait until everything appended so far is stored, or lost and counted."""
        writer = self._writer
        if writer is None or self._engine is None:
            return
        batches, self._waiting = self._waiting, deque()
        self._waiting_records = self._waiting_characters = 0
        dropped, self._dropped_records = self._dropped_records, 0
        self._has_records.clear()
        self._is_full.clear()
        if dropped:
            _log.warning("function_logs_dropped", action="drop", records=dropped)
        now_ms = self._clock()
        durable, self._durable = self._durable, []

        def work() -> None:
            try:
                writer.write(batches, now_ms)
            except sqlalchemy.exc.SQLAlchemyError as exc:
                lost = sum(len(batch.records) for batch in batches)
                _log.error("function_logs_lost", action="write", records=lost, error=str(exc))
            try:
                writer.make_room()
            except sqlalchemy.exc.SQLAlchemyError as exc:
                _log.error("function_logs_not_pruned", action="prune", error=str(exc))
            if durable:
                try:
                    _flush_log(self.path)
                except OSError as exc:
                    _log.error("function_logs_not_flushed", action="flush", error=str(exc))

        def tell_all(_: object) -> None:
            for tell in durable:
                tell()

        # Even with nothing to write: an earlier flush may still be at it. A caller's end must not
        # take a batch away that has not been begun.
        future = asyncio.get_running_loop().run_in_executor(self._writes, work)
        future.add_done_callback(tell_all)
        await asyncio.shield(future)

    async def expire(self) -> None:
        """Remove the events that are older than their group keeps them; not before `open`."""
        if self._engine is None:
            return
        try:
            await self._write(lambda writer: writer.expire(self._clock()))
        except sqlalchemy.exc.SQLAlchemyError as exc:
            _log.error("function_logs_not_expired", action="expire", error=str(exc))

    async def create_group(self, name: str, *, log_class: str, tags: Mapping[str, str]) -> None:
        """Make a group.

        Raises:
            ConflictError: there is one by this name.
        """
        await self._change(
            group_rows.create_group, name, log_class=log_class, tags=tags, now_ms=self._clock()
        )

    async def delete_group(self, name: str) -> None:
        """Remove a group and everything in it.

        Raises:
            NotFoundError: there is no such group.
        """
        await self._write(lambda writer: writer.delete_group(name))

    async def create_stream(self, group: str, name: str) -> None:
        """Make a stream, which stays when it is empty.

        Raises:
            NotFoundError: there is no such group.
            ConflictError: it has a stream by this name.
        """
        await self._change(group_rows.create_stream, group, name, self._clock())

    async def delete_stream(self, group: str, name: str) -> None:
        """Remove a stream and its events.

        Raises:
            NotFoundError: there is no such group or stream.
        """
        await self._write(lambda writer: writer.delete_stream(group, name))

    async def put_events(self, group: str, stream: str, batch: Sequence[InputEvent]) -> Accepted:
        """Store what is neither too old nor too new of a checked batch; what that is.

        Raises:
            NotFoundError: there is no such group or stream.
        """
        return await self._write(lambda writer: writer.put(group, stream, batch, self._clock()))

    async def set_retention(self, group: str, days: int | None) -> None:
        """Say how long a group keeps events, None for ever; older ones are gone with the answer.

        Raises:
            NotFoundError: there is no such group.
        """
        await self._change(group_rows.set_retention, group, days)
        await self.expire()

    async def subscribe(self, group: str, wanted: Subscription) -> None:
        """Have events go to a destination from now on; a filter of the same name is replaced.

        Raises:
            NotFoundError: there is no such group.
            QuotaExceededError: it has as many filters as it may.
        """
        await self._change(subscriptions.put, group, wanted)

    async def unsubscribe(self, group: str, name: str) -> None:
        """End a subscription.

        Raises:
            NotFoundError: there is no such group or filter.
        """
        await self._change(subscriptions.remove, group, name)

    async def subscriptions(self, group: str) -> list[Subscription]:
        """The subscription filters of a group by name.

        Raises:
            NotFoundError: there is no such group.
        """
        return await self._read(subscriptions.of_group, group)

    async def check_group(self, group: str) -> None:
        """Find out whether there is a group, with what was appended so far on disk.

        Raises:
            NotFoundError: there is none by this name.
        """
        await self._read(queries.group_id, group)

    async def tags_of(self, group: str) -> dict[str, str]:
        """The tags of a group.

        Raises:
            NotFoundError: there is no such group.
        """
        return await self._read(group_rows.tags_of, group)

    async def change_tags(
        self, group: str, *, added: Mapping[str, str], removed: Collection[str]
    ) -> None:
        """Set and remove tags of a group.

        Raises:
            NotFoundError: there is no such group.
            TooManyTagsError: it would have too many.
        """
        await self._change(group_rows.change_tags, group, added=added, removed=removed)

    async def describe_groups(
        self,
        *,
        prefix: str = "",
        infix: str = "",
        log_class: str | None = None,
        token: str | None = None,
        limit: int = 50,
    ) -> LogPage[LogGroup]:
        """Groups by name, those that begin with `prefix` and contain `infix`, of any or one class."""
        return await self._read(
            queries.describe_groups,
            prefix=prefix,
            infix=infix,
            log_class=log_class,
            token=token,
            limit=limit,
        )

    async def describe_streams(self, group: str, wanted: StreamQuery) -> LogPage[LogStream]:
        """Streams of a group.

        Raises:
            NotFoundError: there is no such group.
        """
        return await self._read(queries.describe_streams, group, wanted)

    async def get_events(self, group: str, stream: str, wanted: EventQuery) -> EventPage:
        """Events of one stream.

        Raises:
            NotFoundError: there is no such group or stream.
        """
        return await self._read(queries.get_events, group, stream, wanted)

    async def filter_events(self, group: str, wanted: FilterQuery) -> LogPage[LogEvent]:
        """Matching events of a group, by time.

        Raises:
            NotFoundError: there is no such group, or not one of the streams.
        """
        return await self._read(queries.filter_events, group, wanted)

    async def _read(
        self,
        query: Callable[Concatenate[sqlalchemy.Connection, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        await self.flush()
        engine = self._engine
        if engine is None:
            raise RuntimeError("the log store is not open")

        def work() -> _T:
            with engine.connect() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._reads, work)

    async def _change(
        self,
        change: Callable[Concatenate[sqlalchemy.Connection, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Do something to rows, behind what was appended so far."""
        return await self._write(
            lambda writer: writer.change(lambda connection: change(connection, *args, **kwargs))
        )

    async def _write(self, work: Callable[[LogWriter], _T]) -> _T:
        await self.flush()
        writer = self._writer
        if writer is None or self._engine is None:
            raise RuntimeError("the log store is not open")
        # Once begun it is carried through, whether or not the caller waits for it.
        future = asyncio.get_running_loop().run_in_executor(self._writes, work, writer)
        return await asyncio.shield(future)

    def _drop_oldest(self) -> None:
        while len(self._waiting) > 1 and (
            self._waiting_records > MAX_WAITING_RECORDS
            or self._waiting_characters > MAX_WAITING_CHARACTERS
        ):
            batch = self._waiting.popleft()
            self._waiting_records -= len(batch.records)
            self._waiting_characters -= sum(len(message) for _, message in batch.records)
            self._dropped_records += len(batch.records)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _flush_log(path: Path) -> None:
    """Have the file's write-ahead log on disk: SQLite itself does so at checkpoints only."""
    # SQLite takes no locks on this file, which closing it would drop.
    descriptor = os.open(f"{path}-wal", os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
