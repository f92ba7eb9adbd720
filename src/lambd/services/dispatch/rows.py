"""Rows <-> model for dispatches.

A dispatch that has become an event is removed with the event's insertion, in one transaction
(`events.py`): it is handed over once, whenever the platform is killed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update

from lambd.services.dispatch.model import Dispatch, DispatchFailure, Exhausted
from lambd.store.database import Connection, SchedulesChanged, notify
from lambd.store.tables_schedules import dispatches as table


def add_dispatch(connection: Connection, dispatch: Dispatch) -> None:
    """Store a new dispatch."""
    connection.execute(
        insert(table).values(
            source=dispatch.source,
            source_arn=dispatch.source_arn,
            target_arn=dispatch.target_arn,
            function_name=dispatch.function_name,
            qualifier=dispatch.qualifier,
            role_arn=dispatch.role_arn,
            request_id=dispatch.request_id,
            execution_id=dispatch.execution_id,
            input=dispatch.input,
            scheduled_at=dispatch.scheduled_at,
            expires_at=dispatch.expires_at,
            max_retries=dispatch.max_retries,
            dead_letter_arn=dispatch.dead_letter_arn,
            **_progress(dispatch),
        )
    )
    notify(connection, SchedulesChanged())


def update_dispatch(connection: Connection, dispatch: Dispatch) -> None:
    """Store what has come of a dispatch, and when it is due again."""
    query = update(table).where(table.c.id == dispatch.id).values(_progress(dispatch))
    connection.execute(query)
    notify(connection, SchedulesChanged())


def delete_dispatch(connection: Connection, dispatch: Dispatch) -> None:
    """Remove a dispatch that is done with."""
    connection.execute(delete(table).where(table.c.id == dispatch.id))


def hasten(connection: Connection, latest: datetime, now: datetime) -> None:
    """Have dispatches that are due later than they can be tried now."""
    query = update(table).where(table.c.due_at > latest).values(due_at=now)
    if connection.execute(query).rowcount:
        notify(connection, SchedulesChanged())


def due_dispatches(
    connection: Connection, now: datetime, *, without: Collection[int], limit: int
) -> list[Dispatch]:
    """Dispatches that are due, leaving out those in hand, the longest due first."""
    query = select(table).where(table.c.due_at <= now, table.c.id.not_in(list(without)))
    query = query.order_by(table.c.due_at, table.c.id).limit(limit)
    return [_to_dispatch(row) for row in connection.execute(query).mappings()]


def next_due(connection: Connection, without: Collection[int] = ()) -> datetime | None:
    """When a dispatch that is not in hand is due next; None: never."""
    query = select(table.c.due_at).where(table.c.id.not_in(list(without)))
    return connection.execute(query.order_by(table.c.due_at).limit(1)).scalar_one_or_none()


def _progress(dispatch: Dispatch) -> dict[str, object]:
    failure = dispatch.failure
    return {
        "due_at": dispatch.due_at,
        "attempts": dispatch.attempts,
        "failure": None if failure is None else json.dumps(asdict(failure)),
        "is_dead": dispatch.is_dead,
        "failed_deliveries": dispatch.failed_deliveries,
    }


def _to_dispatch(row: RowMapping) -> Dispatch:
    return Dispatch(
        id=row["id"],
        source=row["source"],
        source_arn=row["source_arn"],
        target_arn=row["target_arn"],
        function_name=row["function_name"],
        qualifier=row["qualifier"],
        role_arn=row["role_arn"],
        request_id=row["request_id"],
        execution_id=row["execution_id"],
        input=row["input"],
        scheduled_at=row["scheduled_at"],
        expires_at=row["expires_at"],
        max_retries=row["max_retries"],
        dead_letter_arn=row["dead_letter_arn"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        failure=None if row["failure"] is None else _to_failure(row["failure"]),
        is_dead=row["is_dead"],
        failed_deliveries=row["failed_deliveries"],
    )


def _to_failure(text: str) -> DispatchFailure:
    found = json.loads(text)
    exhausted = found.pop("exhausted")
    return DispatchFailure(**found, exhausted=None if exhausted is None else Exhausted(exhausted))
