"""Reading function logs: groups, streams and events, a page at a time.

Blocking functions that run in a read transaction. Page tokens hold the sort key of the last item,
not a position, so what comes or goes between two calls neither repeats nor hides other items.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy
from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from lambd.model.errors import InvalidParameterError, NotFoundError
from lambd.services.logs.pattern_values import Matcher
from lambd.services.logs.tables import events, groups, streams

_T = TypeVar("_T")

# Message bytes of one page of events, as on AWS.
PAGE_BYTES = 1_048_576
# Events looked at for one page of a filter; a page may be short and still have a successor.
_SCANNED_EVENTS = 50_000
# Streams without events come before all others.
_LAST_EVENT = func.coalesce(streams.c.last_ms, 0)
# Behind every text that begins with a prefix.
_LAST_CHARACTER = "\U0010ffff"

GROUP_NOT_FOUND = "The specified log group does not exist."
STREAM_NOT_FOUND = "The specified log stream does not exist."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage(Generic[_T]):
    """Some items in order; `next_token` is None at the end."""

    items: tuple[_T, ...]
    next_token: str | None


class LogGroup(NamedTuple):
    """One log group."""

    name: str
    created_ms: int
    retention_days: int | None
    log_class: str
    stored_bytes: int


class LogStream(NamedTuple):
    """One log stream; times of events that are still kept, None before the first."""

    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None
    stored_bytes: int


class LogEvent(NamedTuple):
    """One stored event; `id` orders by arrival and is never reused."""

    id: int
    stream: str
    timestamp_ms: int
    ingested_ms: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events of one stream, oldest first, with the tokens to go on in both directions."""

    events: tuple[LogEvent, ...]
    forward_token: str
    backward_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamQuery:
    """What DescribeLogStreams asks for."""

    prefix: str = ""
    by_last_event: bool = False
    is_descending: bool = False
    token: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What GetLogEvents asks for: `start_ms` is included, `end_ms` is not."""

    start_ms: int | None = None
    end_ms: int | None = None
    from_head: bool = False
    token: str | None = None
    limit: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterQuery:
    """What FilterLogEvents asks for: `start_ms` and `end_ms` are both included."""

    matcher: Matcher
    # No names and no prefix: all streams.
    streams: tuple[str, ...] = ()
    stream_prefix: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    token: str | None = None
    limit: int = 10_000


def describe_groups(
    connection: sqlalchemy.Connection,
    *,
    prefix: str = "",
    infix: str = "",
    log_class: str | None = None,
    token: str | None = None,
    limit: int = 50,
) -> LogPage[LogGroup]:
    """Groups by name, those that begin with `prefix` and contain `infix`, of any or one class."""
    stored = (
        select(func.coalesce(func.sum(streams.c.stored_bytes), 0))
        .where(streams.c.group_id == groups.c.id)
        .scalar_subquery()
    )
    query = select(
        groups.c.name, groups.c.created_ms, groups.c.retention_days, groups.c.log_class, stored
    ).order_by(groups.c.name)
    if log_class is not None:
        query = query.where(groups.c.log_class == log_class)
    query = query.where(_begins(groups.c.name, prefix))
    if infix:
        query = query.where(func.instr(groups.c.name, infix) > 0)
    if token is not None:
        (last,) = _decode(token, str)
        query = query.where(groups.c.name > last)
    rows = connection.execute(query.limit(limit + 1)).all()
    return _page([LogGroup(*row) for row in rows], limit, lambda group: [group.name])


def describe_streams(
    connection: sqlalchemy.Connection, group: str, wanted: StreamQuery
) -> LogPage[LogStream]:
    """Streams of a group by name or by their last event.

    Raises:
        NotFoundError: there is no such group.
    """
    query = select(
        streams.c.name,
        streams.c.created_ms,
        streams.c.first_ms,
        streams.c.last_ms,
        streams.c.ingested_ms,
        streams.c.stored_bytes,
    ).where(streams.c.group_id == group_id(connection, group))
    query = query.where(_begins(streams.c.name, wanted.prefix))
    key: list[ColumnElement[Any]] = [streams.c.name]
    if wanted.by_last_event:
        key.insert(0, _LAST_EVENT)
    if wanted.token is not None:
        last = _decode(wanted.token, *((int, str) if wanted.by_last_event else (str,)))
        query = query.where(_beyond(key, last, is_descending=wanted.is_descending))
    query = query.order_by(*(part.desc() if wanted.is_descending else part for part in key))
    rows = connection.execute(query.limit(wanted.limit + 1)).all()
    return _page(
        [LogStream(*row) for row in rows],
        wanted.limit,
        lambda stream: (
            [stream.last_ms or 0, stream.name] if wanted.by_last_event else [stream.name]
        ),
    )


def get_events(
    connection: sqlalchemy.Connection, group: str, stream: str, wanted: EventQuery
) -> EventPage:
    """Events of one stream.

    Without a token the newest, or with `from_head` the oldest. A forward token that leads to
    nothing new comes back unchanged, as on AWS.

    Raises:
        NotFoundError: there is no such group or stream.
    """
    query = _events().where(events.c.stream_id == stream_id(connection, group, stream))
    if wanted.start_ms is not None:
        query = query.where(events.c.timestamp_ms >= wanted.start_ms)
    if wanted.end_ms is not None:
        query = query.where(events.c.timestamp_ms < wanted.end_ms)
    is_forward, position = wanted.from_head, (-1, 0)
    if wanted.token is not None:
        direction, *given = _decode(wanted.token, str, int, int)
        if direction not in ("f", "b"):
            raise _bad_token()
        is_forward, position = direction == "f", (given[0], given[1])
        query = query.where(_beyond(_EVENT_KEY, position, is_descending=not is_forward))
    query = query.order_by(*(part if is_forward else part.desc() for part in _EVENT_KEY))
    found = _until_full(connection, query.limit(wanted.limit))
    if not is_forward:
        found.reverse()
    if found:
        first, last = found[0], found[-1]
        backward, forward = (first.timestamp_ms, first.id), (last.timestamp_ms, last.id)
    elif is_forward:
        backward, forward = (position[0], position[1] + 1), position
    else:
        backward, forward = position, (position[0], position[1] - 1)
    return EventPage(
        events=tuple(found),
        forward_token=_encode(["f", *forward]),
        backward_token=_encode(["b", *backward]),
    )


def filter_events(
    connection: sqlalchemy.Connection, group: str, wanted: FilterQuery
) -> LogPage[LogEvent]:
    """Matching events of a group by time, whatever their stream.

    Raises:
        NotFoundError: there is no such group, or not one of the streams.
    """
    within = group_id(connection, group)
    query = _events().where(events.c.group_id == within)
    if wanted.streams:
        names = _stream_ids(connection, within, wanted.streams)
        query = query.where(events.c.stream_id.in_(names))
    if wanted.stream_prefix:
        query = query.where(_begins(streams.c.name, wanted.stream_prefix))
    if wanted.start_ms is not None:
        query = query.where(events.c.timestamp_ms >= wanted.start_ms)
    if wanted.end_ms is not None:
        query = query.where(events.c.timestamp_ms <= wanted.end_ms)
    if wanted.token is not None:
        last = _decode(wanted.token, int, int)
        query = query.where(_beyond(_EVENT_KEY, last, is_descending=False))
    query = query.order_by(*_EVENT_KEY)
    found: list[LogEvent] = []
    size = 0
    for scanned, event in enumerate(_stream_rows(connection, query), start=1):
        if wanted.matcher(event.message):
            found.append(event)
            size += len(event.message)
        if len(found) >= wanted.limit or size >= PAGE_BYTES or scanned >= _SCANNED_EVENTS:
            return LogPage(items=tuple(found), next_token=_encode([event.timestamp_ms, event.id]))
    return LogPage(items=tuple(found), next_token=None)


_EVENT_KEY: tuple[ColumnElement[int], ...] = (events.c.timestamp_ms, events.c.id)


def _events() -> Select[Any]:
    return select(
        events.c.id, streams.c.name, events.c.timestamp_ms, events.c.ingested_ms, events.c.message
    ).join(streams, streams.c.id == events.c.stream_id)


def _stream_rows(connection: sqlalchemy.Connection, query: Select[Any]) -> Iterator[LogEvent]:
    with connection.execution_options(yield_per=1000).execute(query) as result:
        for row in result:
            yield LogEvent(*row)


def _until_full(connection: sqlalchemy.Connection, query: Select[Any]) -> list[LogEvent]:
    """Events up to a page's bytes, at least one."""
    found: list[LogEvent] = []
    size = 0
    for event in _stream_rows(connection, query):
        size += len(event.message)
        if found and size > PAGE_BYTES:
            break
        found.append(event)
    return found


def group_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of a group.

    Raises:
        NotFoundError: there is none by this name.
    """
    found: int | None = connection.scalar(select(groups.c.id).where(groups.c.name == name))
    if found is None:
        raise NotFoundError(GROUP_NOT_FOUND)
    return found


def stream_id(connection: sqlalchemy.Connection, group: str, name: str) -> int:
    """The id of a stream.

    Raises:
        NotFoundError: there is no such group, or it has none by this name.
    """
    return _stream_ids(connection, group_id(connection, group), (name,))[0]


def _stream_ids(
    connection: sqlalchemy.Connection, within: int, names: Sequence[str]
) -> Sequence[int]:
    query = select(streams.c.id).where(streams.c.group_id == within, streams.c.name.in_(names))
    found = connection.scalars(query).all()
    if len(found) < len(set(names)):
        raise NotFoundError(STREAM_NOT_FOUND)
    return found


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    return and_(column >= prefix, column < prefix + _LAST_CHARACTER)


def _beyond(
    key: Sequence[ColumnElement[Any]], last: Sequence[Any], *, is_descending: bool
) -> ColumnElement[bool]:
    """The rows behind the one with this key, in the order of the key's one or two columns."""
    parts: list[ColumnElement[bool]] = [
        (column < value) if is_descending else (column > value)
        for column, value in zip(key, last, strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return or_(parts[0], and_(key[0] == last[0], parts[1]))


def _page(items: list[_T], limit: int, key: Callable[[_T], list[str | int]]) -> LogPage[_T]:
    """A page of up to `limit` items out of one more, so as to know whether more follow."""
    kept = tuple(items[:limit])
    return LogPage(items=kept, next_token=_encode(key(kept[-1])) if len(items) > limit else None)


def _encode(key: Sequence[str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode()


def _decode(token: str, *types: type) -> tuple[Any, ...]:
    try:
        key: object = json.loads(base64.b64decode(token.encode("ascii"), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise _bad_token() from exc
    if not isinstance(key, list) or [type(part) for part in key] != list(types):
        raise _bad_token()
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in key):
        raise _bad_token()
    return tuple(key)


def _bad_token() -> InvalidParameterError:
    return InvalidParameterError("The specified nextToken is invalid.")
