"""Writing logs: batches into tables; out go the oldest events when there are too many, and old ones.

Blocking code for the log store's worker thread; one instance owns the file's write side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import sqlalchemy
from sqlalchemy import bindparam, delete, func, select, text, update
from sqlalchemy.dialects import sqlite

from lambd.services.logs import group_rows, put_rules, queries, removal, subscriptions
from lambd.services.logs.put_rules import DAY_MS, InputEvent
from lambd.services.logs.subscriptions import Delivery, Tap
from lambd.services.logs.tables import events, groups, streams

_T = TypeVar("_T")
# Takes what a subscriber gets; called on the writer's thread.
Deliver = Callable[[Delivery], None]

# What an event takes in the file beside its message: its row's and its index entries' columns.
EVENT_OVERHEAD_BYTES = 100
# Once over the limit, this part of it is freed, so that removing is rare.
_PRUNE_SHARE = 0.1
_STREAM_CACHE_ENTRIES = 10_000

_COLUMNS = [column.name for column in events.c if column.name != "id"]
# Rows of one statement. It runs to its end without the interpreter's lock, where rows one by one
# would take it from the event loop thousands of times a second; making ready more at a time would
# keep the event loop waiting for longer.
_ROWS_AT_ONCE = 100


def _insert_statement(rows: int) -> str:
    row = f"({', '.join('?' * len(_COLUMNS))})"
    return (
        f"INSERT INTO events ({', '.join(_COLUMNS)}) "  # noqa: S608 - names of our own columns
        f"VALUES {', '.join([row] * rows)}"
    )


# By number of rows, largest first.
_INSERTS = {rows: _insert_statement(rows) for rows in (_ROWS_AT_ONCE, 10, 1)}


# As _COLUMNS.
_Row = tuple[int, int, int, int, str, int]


class Batch(NamedTuple):
    """Records of one append, (timestamp in ms, message)."""

    group: str
    stream: str
    records: Sequence[tuple[int, str]]


class _Stream(NamedTuple):
    id: int
    group_id: int


class LogWriter:
    """See the module header."""

    def __init__(
        self, engine: sqlalchemy.Engine, limit_bytes: int, deliver: Deliver | None = None
    ) -> None:
        """Args:
        engine: the file's.
        limit_bytes: of events; `make_room` keeps to it.
        deliver: takes what subscribers get of stored events; None: nobody does.
        """
        self._engine = engine
        self._deliver = deliver
        # By group; None: to be read.
        self._taps: Mapping[str, Sequence[Tap]] | None = None
        self._limit_bytes = limit_bytes
        self._streams: dict[tuple[str, str], _Stream] = {}
        with engine.begin() as connection:
            total = select(func.coalesce(func.sum(streams.c.stored_bytes), 0))
            self._stored_bytes: int = connection.scalar(total) or 0

    def write(self, batches: Iterable[Batch], now_ms: int) -> None:
        """Store batches in one transaction, in order.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: nothing of the batches was stored.
        """
        batches = [batch for batch in batches if batch.records]
        try:
            with self._engine.begin() as connection:
                last_id = self._last_id(connection, batches)
                added = self._insert(connection, batches, now_ms)
        except sqlalchemy.exc.SQLAlchemyError:
            # What was made in the transaction is gone with it.
            self._streams.clear()
            raise
        self._stored_bytes += added
        if last_id is not None:
            self._tell_subscribers(batches, last_id)

    def _last_id(self, connection: sqlalchemy.Connection, batches: Sequence[Batch]) -> int | None:
        """The id before that of the next event; None if nobody has subscribed to any batch."""
        if self._deliver is None:
            return None
        if self._taps is None:
            self._taps = subscriptions.taps(connection)
        if not any(batch.group in self._taps for batch in batches):
            return None
        last_id = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'")
        return int(connection.execute(last_id).scalar_one())

    def _tell_subscribers(self, batches: Sequence[Batch], last_id: int) -> None:
        """Hand over what filters let pass of stored batches, whose events have ids in a row."""
        first_id = last_id + 1
        for group, stream, records in batches:
            for tap in (self._taps or {}).get(group, ()):
                delivery = tap.delivery(group, stream, first_id, records)
                if delivery is not None and self._deliver is not None:
                    self._deliver(delivery)
            first_id += len(records)

    def _insert(self, connection: sqlalchemy.Connection, batches: Sequence[Batch], now: int) -> int:
        rows: list[_Row] = []
        # Stream -> its first and last time, and how much it grew.
        touched: dict[int, list[int]] = {}
        for group, name, records in batches:
            stream = self._stream(connection, group, name, records, now)
            facts = touched.setdefault(stream.id, [records[0][0], records[0][0], 0])
            for time, message in records:
                size = _size(message)
                rows.append((stream.group_id, stream.id, time, now, message, size))
                if time < facts[0]:
                    facts[0] = time
                elif time > facts[1]:
                    facts[1] = time
                facts[2] += size
                if len(rows) == _ROWS_AT_ONCE:
                    _insert_rows(connection, rows)
                    rows = []
        if not touched:
            return 0
        _insert_rows(connection, rows)
        connection.execute(
            update(streams)
            .where(streams.c.id == bindparam("stream"))
            .values(
                first_ms=func.min(
                    func.coalesce(streams.c.first_ms, bindparam("first")), bindparam("first")
                ),
                last_ms=func.max(
                    func.coalesce(streams.c.last_ms, bindparam("last")), bindparam("last")
                ),
                ingested_ms=bindparam("now"),
                stored_bytes=streams.c.stored_bytes + bindparam("size"),
            ),
            [
                {"stream": stream, "first": first, "last": last, "now": now, "size": size}
                for stream, (first, last, size) in touched.items()
            ],
        )
        return sum(facts[2] for facts in touched.values())

    def _stream(
        self,
        connection: sqlalchemy.Connection,
        group: str,
        name: str,
        records: Sequence[tuple[int, str]],
        now: int,
    ) -> _Stream:
        """The stream by this name, made for these records if need be."""
        known = self._streams.get((group, name))
        if known is not None:
            return known
        first_ms = min(time for time, _ in records)
        make_group = sqlite.insert(groups).values(name=group, created_ms=now)
        connection.execute(make_group.on_conflict_do_nothing())
        group_id = connection.scalars(select(groups.c.id).where(groups.c.name == group)).one()
        make_stream = sqlite.insert(streams).values(
            group_id=group_id,
            name=name,
            created_ms=now,
            first_ms=first_ms,
            last_ms=first_ms,
            ingested_ms=now,
            stored_bytes=0,
        )
        connection.execute(make_stream.on_conflict_do_nothing())
        query = select(streams.c.id).where(streams.c.group_id == group_id, streams.c.name == name)
        found = _Stream(connection.scalars(query).one(), group_id)
        if len(self._streams) >= _STREAM_CACHE_ENTRIES:
            self._streams.clear()
        self._streams[group, name] = found
        return found

    def make_room(self) -> None:
        """If there is too much, remove what arrived first until a share of the limit is free.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it stays as large as it is for now.
        """
        if self._stored_bytes <= self._limit_bytes:
            return
        target = int(self._limit_bytes * (1 - _PRUNE_SHARE))
        while self._stored_bytes > target:
            with self._engine.begin() as connection:
                freed = removal.remove_oldest(connection, self._stored_bytes - target)
            if not freed:
                return
            self._forget(freed)

    def expire(self, now_ms: int) -> None:
        """Remove the events that are older than their group keeps them.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: some are still there.
        """
        query = select(groups.c.id, groups.c.retention_days)
        with self._engine.connect() as connection:
            kept = connection.execute(query.where(groups.c.retention_days.is_not(None))).all()
        for group_id, days in kept:
            self._remove(events.c.group_id == group_id, now_ms - days * DAY_MS)

    def change(self, work: Callable[[sqlalchemy.Connection], _T]) -> _T:
        """Do something to rows of groups or streams in a transaction that outlives a power cut."""
        self._taps = None
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.commit()
            try:
                with connection.begin():
                    return work(connection)
            finally:
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")

    def put(
        self, group: str, stream: str, batch: Sequence[InputEvent], now_ms: int
    ) -> put_rules.Accepted:
        """Store what is accepted of a batch that somebody sent; what that is.

        Raises:
            NotFoundError: there is no such group or stream.
        """
        with self._engine.connect() as connection:
            queries.stream_id(connection, group, stream)
            days = group_rows.retention_of(connection, group)
        accepted = put_rules.accept(batch, now_ms, days)
        self.write([Batch(group, stream, accepted.events)], now_ms)
        return accepted

    def delete_group(self, name: str) -> None:
        """Remove a group and everything in it.

        Raises:
            NotFoundError: there is no such group.
        """
        with self._engine.connect() as connection:
            group_id = queries.group_id(connection, name)
        # Events first: what is left when this does not come to its end can be deleted again.
        self._remove(events.c.group_id == group_id)
        self.change(lambda connection: removal.delete_group(connection, group_id))
        self._streams.clear()

    def delete_stream(self, group: str, name: str) -> None:
        """Remove a stream and its events.

        Raises:
            NotFoundError: there is no such group or stream.
        """
        with self._engine.connect() as connection:
            stream_id = queries.stream_id(connection, group, name)
        self._remove(events.c.stream_id == stream_id)
        self.change(
            lambda connection: connection.execute(delete(streams).where(streams.c.id == stream_id))
        )
        self._streams.clear()

    def _remove(
        self, condition: sqlalchemy.ColumnElement[bool], before_ms: int = removal.END_OF_TIME_MS
    ) -> None:
        """Remove events, a part in each transaction."""
        while True:
            with self._engine.begin() as connection:
                freed = removal.remove_before(connection, condition, before_ms)
            if not freed:
                return
            self._forget(freed)

    def _forget(self, freed_bytes: int) -> None:
        self._stored_bytes -= freed_bytes
        # Streams that have become empty are gone.
        self._streams.clear()


def _insert_rows(connection: sqlalchemy.Connection, rows: Sequence[_Row]) -> None:
    start = 0
    for number, statement in _INSERTS.items():
        while start + number <= len(rows):
            values = tuple(chain.from_iterable(rows[start : start + number]))
            connection.exec_driver_sql(statement, values)
            start += number


def _size(message: str) -> int:
    length = len(message) if message.isascii() else len(message.encode())
    return length + EVENT_OVERHEAD_BYTES
