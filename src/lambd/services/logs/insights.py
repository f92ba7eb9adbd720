"""Logs Insights: the commands of a query run over events; pure.

Events come newest first, which is the order of results unless the query sorts. Values that look
like numbers are compared as numbers. Source: as `insights_syntax.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from lambd.services.logs import insights_functions
from lambd.services.logs.insights_fields import InsightsEvent, Time, Value, fields_of
from lambd.services.logs.insights_syntax import (
    Column,
    Command,
    Dedup,
    Fields,
    Filter,
    Limit,
    Parse,
    Sort,
    Stats,
)

DEFAULT_ROWS = 10_000
_DEFAULT_FIELDS = ("@timestamp", "@message")

Row = dict[str, Value]


@dataclass(slots=True)
class Counts:
    """What a query has looked at."""

    matched: int = 0
    scanned: int = 0
    scanned_bytes: int = 0


def run(
    commands: Sequence[Command], events: Iterable[InsightsEvent], limit: int | None, counts: Counts
) -> Iterator[list[tuple[str, str]]]:
    """The rows of a query, each the names and values that it shows.

    Args:
        commands: what to do.
        events: newest first.
        limit: StartQuery's own; None: as many as there may be.
        counts: is brought up to date.
    """
    has_filter = any(isinstance(command, Filter) for command in commands)
    rows = _rows(events, counts, count_all=not has_filter)
    last_filter = max(
        (index for index, command in enumerate(commands) if isinstance(command, Filter)),
        default=-1,
    )
    shown: list[str] = []
    for index, command in enumerate(commands):
        rows = _apply(command, rows)
        shown = _shown(command, shown)
        if index == last_filter:
            rows = _counted(rows, counts)
    has_stats = any(isinstance(command, Stats) for command in commands)
    names = shown or list(_DEFAULT_FIELDS)
    if not has_stats:
        names.append("@ptr")
    for row in islice(rows, DEFAULT_ROWS if limit is None else limit):
        yield [(name, text(value)) for name in names if (value := row.get(name)) is not None]


def check(commands: Sequence[Command]) -> None:
    """Find out whether every function in a query is known, without any event.

    Raises:
        MalformedQueryError: it has one that is not, or gives it what it cannot take.
    """
    for command in commands:
        _apply(command, iter(()))


def text(value: Value) -> str:
    """How results show a value."""
    if isinstance(value, Time):
        moment = datetime.fromtimestamp(value / 1000, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{value % 1000:03d}"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def _rows(events: Iterable[InsightsEvent], counts: Counts, *, count_all: bool) -> Iterator[Row]:
    for event in events:
        counts.scanned += 1
        counts.scanned_bytes += len(event.message)
        counts.matched += count_all
        yield fields_of(event)


def _counted(rows: Iterator[Row], counts: Counts) -> Iterator[Row]:
    for row in rows:
        counts.matched += 1
        yield row


def _shown(command: Command, shown: list[str]) -> list[str]:
    """The names that results show after a command."""
    if isinstance(command, Fields):
        names = [column.name for column in command.columns]
        return names if command.is_display else [*shown, *names]
    if isinstance(command, Stats):
        return [column.name for column in (*command.by, *command.aggregates)]
    if isinstance(command, Parse) and shown:
        return [*shown, *command.names]
    return shown


def _apply(command: Command, rows: Iterator[Row]) -> Iterator[Row]:
    match command:
        case Fields():
            return _with_columns(command.columns, rows)
        case Filter():
            condition = insights_functions.compile_expression(command.condition)
            return (row for row in rows if insights_functions.is_true(condition(row)))
        case Limit():
            return islice(rows, command.rows)
        case Parse():
            return _parsed(command, rows)
        case _:
            return _compared(command, rows)


def _compared(command: Sort | Stats | Dedup, rows: Iterator[Row]) -> Iterator[Row]:
    """The commands that look at rows together."""
    match command:
        case Sort():
            return _sorted(command, rows)
        case Stats():
            return _aggregated(command, rows)
        case Dedup():
            return _deduplicated(command, rows)


def _with_columns(columns: Sequence[Column], rows: Iterator[Row]) -> Iterator[Row]:
    getters = [
        (column.name, insights_functions.compile_expression(column.expression))
        for column in columns
    ]
    return ({**row, **{name: getter(row) for name, getter in getters}} for row in rows)


def _sorted(command: Sort, rows: Iterator[Row]) -> Iterator[Row]:
    keys = [
        (insights_functions.compile_expression(expression), is_descending)
        for expression, is_descending in command.keys
    ]
    return _later(lambda: _sort(list(rows), keys))


def _sort(rows: list[Row], keys: Sequence[tuple[Callable[[Row], Value], bool]]) -> list[Row]:
    # By the last key first: sorting keeps the order of what is equal.
    for getter, is_descending in reversed(keys):
        rows.sort(
            key=lambda row, getter=getter: insights_functions.rank(getter(row)),  # type: ignore[misc]  # a default argument binds the loop's value
            reverse=is_descending,
        )
    return rows


def _parsed(command: Parse, rows: Iterator[Row]) -> Iterator[Row]:
    source = insights_functions.compile_expression(command.source)
    pattern = re.compile(command.pattern.source)

    def parse(row: Row) -> Row:
        value = source(row)
        match = None if value is None else pattern.search(text(value))
        if match is None:
            return row
        return {**row, **dict(zip(command.names, match.groups(), strict=True))}

    return (parse(row) for row in rows)


def _aggregated(command: Stats, rows: Iterator[Row]) -> Iterator[Row]:
    by = [
        (column.name, insights_functions.compile_expression(column.expression))
        for column in command.by
    ]
    aggregates = [
        (column.name, insights_functions.compile_aggregate(column.expression))
        for column in command.aggregates
    ]

    def work() -> list[Row]:
        groups: dict[tuple[Value, ...], list[Row]] = {} if by else {(): []}
        for row in rows:
            groups.setdefault(tuple(getter(row) for _, getter in by), []).append(row)
        return [
            {
                **{name: value for (name, _), value in zip(by, key, strict=True)},
                **{name: aggregate(members) for name, aggregate in aggregates},
            }
            for key, members in groups.items()
        ]

    return _later(work)


def _deduplicated(command: Dedup, rows: Iterator[Row]) -> Iterator[Row]:
    getters = [
        insights_functions.compile_expression(column.expression) for column in command.columns
    ]

    def work() -> Iterator[Row]:
        seen: set[tuple[Value, ...]] = set()
        for row in rows:
            key = tuple(getter(row) for getter in getters)
            if key not in seen:
                seen.add(key)
                yield row

    return work()


def _later(work: Callable[[], list[Row]]) -> Iterator[Row]:
    """The rows that come once all are known, when the first is asked for."""
    yield from work()
