"""Removing events of the log store: the first that arrived, or those before a time.

Blocking functions that run in a write transaction and remove one transaction's worth at most. They
tell the bytes that are free afterwards, 0 when there is nothing to remove. Streams that become
empty go with their last event, but for those that somebody made to write to.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy
from sqlalchemy import ColumnElement, bindparam, delete, func, select, update

from lambd.services.logs.tables import events, groups, streams, subscriptions

# Events removed in one transaction; more where many have the same time.
_EVENTS_AT_ONCE = 10_000
END_OF_TIME_MS = 2**62


def remove_oldest(connection: sqlalchemy.Connection, wanted_bytes: int) -> int:
    """Remove events in order of arrival, until so much is free."""
    columns = (events.c.id, events.c.stream_id, events.c.stored_bytes)
    freed: dict[int, int] = {}
    last_id, total = 0, 0
    for row in connection.execute(select(*columns).order_by(events.c.id).limit(_EVENTS_AT_ONCE)):
        freed[row.stream_id] = freed.get(row.stream_id, 0) + row.stored_bytes
        last_id, total = row.id, total + row.stored_bytes
        if total >= wanted_bytes:
            break
    if not freed:
        return 0
    connection.execute(delete(events).where(events.c.id <= last_id))
    _shrink(connection, freed)
    return total


def remove_before(
    connection: sqlalchemy.Connection, condition: ColumnElement[bool], before_ms: int
) -> int:
    """Remove the oldest of the events that a condition is true for, up to a time."""
    due = condition & (events.c.timestamp_ms < before_ms)
    times = select(events.c.timestamp_ms).where(due).order_by(events.c.timestamp_ms)
    last_ms = connection.scalar(times.offset(_EVENTS_AT_ONCE - 1).limit(1))
    if last_ms is not None:
        due = condition & (events.c.timestamp_ms <= last_ms)
    sizes = select(events.c.stream_id, func.sum(events.c.stored_bytes)).where(due)
    freed = {row[0]: row[1] for row in connection.execute(sizes.group_by(events.c.stream_id))}
    if not freed:
        return 0
    connection.execute(delete(events).where(due))
    _shrink(connection, freed)
    return sum(freed.values())


def delete_group(connection: sqlalchemy.Connection, group_id: int) -> None:
    """Remove the rows of a group without events, and of what belongs to it."""
    connection.execute(delete(streams).where(streams.c.group_id == group_id))
    connection.execute(delete(subscriptions).where(subscriptions.c.group_id == group_id))
    connection.execute(delete(groups).where(groups.c.id == group_id))


def _shrink(connection: sqlalchemy.Connection, freed: Mapping[int, int]) -> None:
    """Bring streams into line with the bytes that they lost."""
    oldest_kept = (
        select(func.min(events.c.timestamp_ms))
        .where(events.c.stream_id == streams.c.id)
        .scalar_subquery()
    )
    connection.execute(
        update(streams)
        .where(streams.c.id == bindparam("stream"))
        .values(
            stored_bytes=streams.c.stored_bytes - bindparam("size"),
            first_ms=func.coalesce(oldest_kept, streams.c.last_ms),
        ),
        [{"stream": stream, "size": size} for stream, size in freed.items()],
    )
    emptied = (streams.c.stored_bytes <= 0) & streams.c.is_kept.is_(False)
    connection.execute(delete(streams).where(emptied))
