"""A Logs Insights query in a process of its own: `python -m lambd.services.logs.query_process`.

A query reads as many events as it likes and may have any regular expression, which the server's
event loop could not stop. Standard input is a JSON object as `QueryTask` has it, standard output one
as `QueryAnswer` has it; a query that needs too much memory ends with MEMORY_STATUS.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import select

from lambd.services.logs import insights
from lambd.services.logs.insights import Counts
from lambd.services.logs.insights_fields import InsightsEvent
from lambd.services.logs.insights_syntax import parse_query
from lambd.services.logs.tables import events, groups, streams

MEMORY_STATUS = 3
_MEMORY_BYTES = 1024 * 1024 * 1024
# Characters of an answer; rows beyond it are left out.
_ANSWER_CHARACTERS = 8_000_000
# Behind the processes that serve invocations.
_NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTask:
    """What a query is asked; times are included, in ms since the epoch."""

    path: str
    account_id: str
    groups: list[str]
    start_ms: int
    end_ms: int
    query: str
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnswer:
    """Rows of names and values, and what was looked at."""

    rows: list[list[tuple[str, str]]] = field(default_factory=list)
    matched: int = 0
    scanned: int = 0
    scanned_bytes: int = 0


def answer(task: QueryTask) -> QueryAnswer:
    """Run a query to its end.

    Raises:
        MalformedQueryError: it cannot be understood.
        sqlalchemy.exc.SQLAlchemyError: the file cannot be read.
    """
    address = f"file:{quote(task.path)}?mode=ro"
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True)
    )
    counts, rows, size = Counts(), [], 0
    with engine.connect() as connection:
        found = _newest_first(connection, task)
        for row in insights.run(parse_query(task.query), found, task.limit, counts):
            size += sum(len(name) + len(value) for name, value in row)
            if size > _ANSWER_CHARACTERS:
                break
            rows.append(row)
    return QueryAnswer(
        rows=rows,
        matched=counts.matched,
        scanned=counts.scanned,
        scanned_bytes=counts.scanned_bytes,
    )


def _newest_first(connection: sqlalchemy.Connection, task: QueryTask) -> Iterator[InsightsEvent]:
    log = groups.c.name
    query = (
        select(
            events.c.id,
            log,
            streams.c.name,
            events.c.timestamp_ms,
            events.c.ingested_ms,
            events.c.message,
        )
        .join(streams, streams.c.id == events.c.stream_id)
        .join(groups, groups.c.id == events.c.group_id)
        .where(log.in_(task.groups))
        .where(events.c.timestamp_ms.between(task.start_ms, task.end_ms))
        .order_by(events.c.timestamp_ms.desc(), events.c.id.desc())
    )
    with connection.execution_options(yield_per=1000).execute(query) as result:
        for event_id, name, *rest in result:
            yield InsightsEvent(event_id, f"{task.account_id}:{name}", *rest)


def main() -> int:
    """Answer the question on standard input; the exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.nice(_NICENESS)
    try:
        found = answer(QueryTask(**json.load(sys.stdin)))
        json.dump(asdict(found), sys.stdout)
    except MemoryError:
        return MEMORY_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main())
