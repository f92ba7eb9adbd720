"""Rows of the event queue: written many in a transaction, read a function's at a time.

Times are microseconds since 1970, as the rows have them; the SQL that writes is SQLite's own and
executed with plain tuples, because thousands of these pass in a second. How changes gather for one commit, and
who is told after it, is `event_journal.py`'s.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, func, select, type_coerce

from lambd.model.events import Answer, EndReason, EventEnd, Fault, QueuedEvent, Target, TargetKind
from lambd.store.database import Connection
from lambd.store.tables_events import events as table
from lambd.store.writer import driver_connection

_COLUMN_NAMES = ", ".join(table.c.keys())
_MARKS = f"({', '.join('?' * len(table.c))})"
# By number of rows, most first; names of our own columns.
_INSERTS = {
    rows: f"INSERT INTO events ({_COLUMN_NAMES}) VALUES {', '.join([_MARKS] * rows)}"  # noqa: S608
    for rows in (64, 16, 4, 2, 1)
}
_UPDATE = "UPDATE events SET due_at=?, attempts=?, faults=?, progress=?, response=? WHERE id=?"
# The numbers as one JSON array, so that it is one statement however many they are.
_DELETE = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))"
# Events to leave out come as one JSON array, so that the statement is the same however many.
_DUE = (
    f"SELECT {_COLUMN_NAMES} FROM events "  # noqa: S608 - names of our own columns
    "WHERE function_name=? AND id NOT IN (SELECT value FROM json_each(?)) "
    "ORDER BY due_at, id LIMIT ?"
)


class _Row(NamedTuple):
    """A row of the table, in its order."""

    id: int
    request_id: str
    function_name: str
    qualifier: str | None
    payload: bytes
    trace_header: str
    accepted_at: int
    due_at: int
    attempts: int
    faults: int
    progress: str | None
    response: bytes | None


class Backlog(NamedTuple):
    """What waits for one function: how many, when the first is due, bytes of all payloads."""

    function_name: str
    events: int
    due_us: int
    payload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEvents:
    """Some events of a function that are due, and when the first of its others is, if any."""

    events: tuple[QueuedEvent, ...]
    next_due_us: int | None


class Writes(NamedTuple):
    """The changes of one transaction; no event is in two of them."""

    added: Sequence[QueuedEvent]
    updated: Sequence[QueuedEvent]
    removed: Sequence[int]
    # Run in the same transaction; none may raise but for what keeps the whole of it from the disk.
    hooks: Sequence[Callable[[Connection], object]] = ()


def write_events(connection: Connection, writes: Writes) -> None:
    """Make all these changes.

    By few statements of many rows: each runs to its end without the interpreter's lock, where rows
    one by one would take it from the event loop thousands of times a second.
    """
    for hook in writes.hooks:
        hook(connection)
    raw = driver_connection(connection)
    if writes.added:
        _insert(raw, [_row(event) for event in writes.added])
    if writes.updated:
        raw.executemany(
            _UPDATE,
            [
                (
                    *(event.due_us, event.attempts, event.faults, _progress(event)),
                    *(event.answer.payload if event.answer else None, event.id),
                )
                for event in writes.updated
            ],
        ).close()
    if writes.removed:
        raw.execute(_DELETE, (_numbers(writes.removed),)).close()


def _insert(raw: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    start = 0
    for number, statement in _INSERTS.items():
        while start + number <= len(rows):
            raw.execute(statement, tuple(chain.from_iterable(rows[start : start + number]))).close()
            start += number


def last_event_id(connection: Connection) -> int:
    """The highest number in use; 0 when the queue is empty."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())


def list_backlogs(connection: Connection) -> list[Backlog]:
    """What waits, by function."""
    due = func.min(type_coerce(table.c.due_at, BigInteger))
    size = func.sum(func.length(table.c.payload))
    query = select(table.c.function_name, func.count(), due, size).group_by(table.c.function_name)
    return [Backlog(*row) for row in connection.execute(query)]


def list_due_events(
    connection: Connection,
    function_name: str,
    *,
    now_us: int,
    without: Collection[int],
    limit: int,
    limit_bytes: int,
) -> DueEvents:
    """The first events of a function that are due; at least one, if one is.

    Args:
        connection: an open transaction.
        function_name: whose.
        now_us: what is due then or earlier.
        without: numbers of events to leave out.
        limit: at most so many.
        limit_bytes: not more payload than that together, save that the first one always comes.
    """
    found: list[QueuedEvent] = []
    size = 0
    parameters = (function_name, _numbers(without), limit + 1)
    rows = driver_connection(connection).execute(_DUE, parameters)
    for row in map(_Row._make, rows):
        size += len(row.payload) + len(row.response or b"")
        is_full = len(found) >= limit or (bool(found) and size > limit_bytes)
        if is_full or row.due_at > now_us:
            return DueEvents(events=tuple(found), next_due_us=row.due_at)
        found.append(_event(row))
    return DueEvents(events=tuple(found), next_due_us=None)


def _numbers(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def _row(event: QueuedEvent) -> tuple[object, ...]:
    return (
        *(event.id, event.request_id, event.function_name, event.qualifier, event.payload),
        *(event.trace_header, event.accepted_us, event.due_us, event.attempts, event.faults),
        *(_progress(event), event.answer.payload if event.answer else None),
    )


def _progress(event: QueuedEvent) -> str | None:
    """What an event has come to; documents only ever gain members."""
    document: dict[str, object] = {}
    if event.answer is not None:
        document["version"] = event.answer.executed_version
        document["function_error"] = event.answer.function_error
    if event.fault is not None:
        document["fault"] = asdict(event.fault)
    if event.end is not None:
        document["outcome"] = {
            "condition": event.end.reason.value,
            "targets": [asdict(target) for target in event.end.targets],
            "failed_deliveries": event.end.failed_deliveries,
        }
    return json.dumps(document) if document else None


def _event(row: _Row) -> QueuedEvent:
    document: dict[str, Any] = json.loads(row.progress) if row.progress else {}
    end = document.get("outcome")
    return QueuedEvent(
        id=row.id,
        request_id=row.request_id,
        function_name=row.function_name,
        qualifier=row.qualifier,
        payload=row.payload,
        trace_header=row.trace_header,
        accepted_us=row.accepted_at,
        due_us=row.due_at,
        attempts=row.attempts,
        faults=row.faults,
        answer=None
        if "version" not in document
        else Answer(
            executed_version=document["version"],
            function_error=document["function_error"],
            payload=row.response or b"",
        ),
        fault=Fault(**document["fault"]) if "fault" in document else None,
        end=None
        if end is None
        else EventEnd(
            reason=EndReason(end["condition"]),
            targets=_targets(end["targets"]),
            failed_deliveries=end["failed_deliveries"],
        ),
    )


def _targets(documents: Iterable[dict[str, str]]) -> tuple[Target, ...]:
    return tuple(Target(TargetKind(item["kind"]), item["arn"]) for item in documents)
