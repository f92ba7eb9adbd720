"""Rows <-> model for the schedules of EventBridge Scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, insert, select, update

from lambd.services.dispatch.model import RetryPolicy
from lambd.services.dispatch.occurrences import Occurrence, Timing
from lambd.services.scheduler.model import Schedule, ScheduleTarget
from lambd.store.database import Connection, SchedulesChanged, notify
from lambd.store.paging import Page, page_rows
from lambd.store.tables_schedules import schedule_groups as groups
from lambd.store.tables_schedules import schedules as table

_SCHEDULES = select(table, groups.c.name.label("group_name")).join(groups)


def get_schedule(connection: Connection, group_name: str, name: str) -> Schedule | None:
    """The schedule of a group with this name."""
    query = _SCHEDULES.where(groups.c.name == group_name, table.c.name == name)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_schedule(row)


def count_schedules(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def put_schedule(connection: Connection, schedule: Schedule) -> None:
    """Store a schedule, a new one (id 0) or another state of one."""
    timing, target, planned = schedule.timing, schedule.target, schedule.next
    values: Mapping[str, object] = {
        "group_id": schedule.group_id,
        "name": schedule.name,
        "description": schedule.description,
        "expression": timing.expression,
        "timezone": timing.timezone or "UTC",
        "start_at": timing.start_at,
        "end_at": timing.end_at,
        "window_minutes": timing.window_minutes,
        "is_enabled": schedule.is_enabled,
        "target_arn": target.arn,
        "role_arn": target.role_arn,
        "input": target.input,
        "max_retries": target.retry.max_retries,
        "max_age_s": target.retry.max_age_s,
        "dead_letter_arn": target.dead_letter_arn,
        "deletes_itself": schedule.deletes_itself,
        "anchor_at": timing.anchor_at,
        "created_at": schedule.created_at,
        "modified_at": schedule.modified_at,
        "next_at": None if planned is None else planned.at,
        "due_at": None if planned is None else planned.due_at,
    }
    if schedule.id:
        connection.execute(update(table).where(table.c.id == schedule.id).values(values))
    else:
        connection.execute(insert(table).values(values))
    notify(connection, SchedulesChanged())


def delete_schedule(connection: Connection, schedule: Schedule) -> None:
    """Remove a schedule."""
    connection.execute(delete(table).where(table.c.id == schedule.id))
    notify(connection, SchedulesChanged())


def list_schedules(
    connection: Connection,
    *,
    group_name: str | None,
    prefix: str | None,
    is_enabled: bool | None,
    marker: str | None,
    limit: int,
) -> Page[Schedule]:
    """The schedules: of a group or all, with names that begin so or any, in a state or any."""
    query = _SCHEDULES
    if group_name is not None:
        query = query.where(groups.c.name == group_name)
    if prefix is not None:
        query = query.where(func.substr(table.c.name, 1, len(prefix)) == prefix)
    if is_enabled is not None:
        query = query.where(table.c.is_enabled.is_(is_enabled))
    rows, marker = page_rows(connection, query, table.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_schedule(row) for row in rows), next_marker=marker)


def due_schedules(connection: Connection, now: datetime, limit: int) -> list[Schedule]:
    """Schedules whose moment has come, the longest due first."""
    query = _SCHEDULES.where(table.c.due_at <= now).order_by(table.c.due_at, table.c.id)
    return [_to_schedule(row) for row in connection.execute(query.limit(limit)).mappings()]


def planned_after(connection: Connection, now: datetime) -> list[Schedule]:
    """Schedules with an occurrence that is yet to come."""
    query = _SCHEDULES.where(table.c.next_at > now).order_by(table.c.id)
    return [_to_schedule(row) for row in connection.execute(query).mappings()]


def next_due(connection: Connection) -> datetime | None:
    """When the first of them is due; None: none is."""
    query = select(table.c.due_at).where(table.c.due_at.is_not(None)).order_by(table.c.due_at)
    return connection.execute(query.limit(1)).scalar_one_or_none()


def _to_schedule(row: RowMapping) -> Schedule:
    return Schedule(
        id=row["id"],
        group_id=row["group_id"],
        group_name=row["group_name"],
        name=row["name"],
        description=row["description"],
        timing=Timing(
            expression=row["expression"],
            timezone=row["timezone"],
            start_at=row["start_at"],
            end_at=row["end_at"],
            anchor_at=row["anchor_at"],
            begins_at_once=True,
            window_minutes=row["window_minutes"],
        ),
        is_enabled=row["is_enabled"],
        target=ScheduleTarget(
            arn=row["target_arn"],
            role_arn=row["role_arn"],
            input=row["input"],
            retry=RetryPolicy(max_retries=row["max_retries"], max_age_s=row["max_age_s"]),
            dead_letter_arn=row["dead_letter_arn"],
        ),
        deletes_itself=row["deletes_itself"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        next=None if row["next_at"] is None else Occurrence(row["next_at"], row["due_at"]),
    )
