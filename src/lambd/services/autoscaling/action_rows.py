"""Rows <-> model for the scheduled actions of scalable targets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, insert, select, update

from lambd.services.autoscaling.model import ScalableTarget, ScheduledAction
from lambd.store.database import Connection, ScalingChanged, notify
from lambd.store.paging import Page, page_rows
from lambd.store.tables_autoscaling import scaling_targets as targets
from lambd.store.tables_autoscaling import scheduled_actions as table

_ACTIONS = select(table, targets.c.resource_id).join(targets)


def find_action(connection: Connection, resource_id: str, name: str) -> ScheduledAction | None:
    """The action of a resource with this name."""
    query = _ACTIONS.where(targets.c.resource_id == resource_id, table.c.name == name)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_action(row)


def count_actions(connection: Connection, target: ScalableTarget) -> int:
    """How many a target has."""
    query = select(func.count()).select_from(table).where(table.c.target_id == target.id)
    return int(connection.execute(query).scalar_one())


def put_action(connection: Connection, action: ScheduledAction) -> None:
    """Store an action, a new one (id 0) or another state of one."""
    values: dict[str, object] = {
        "target_id": action.target_id,
        "uuid": action.uuid,
        "name": action.name,
        "schedule": action.schedule,
        "timezone": action.timezone,
        "start_at": action.start_at,
        "end_at": action.end_at,
        "min_capacity": action.min_capacity,
        "max_capacity": action.max_capacity,
        "created_at": action.created_at,
        "anchor_at": action.anchor_at,
        "next_at": action.next_at,
    }
    if action.id:
        connection.execute(update(table).where(table.c.id == action.id).values(values))
    else:
        connection.execute(insert(table).values(values))
    notify(connection, ScalingChanged())


def delete_action(connection: Connection, action: ScheduledAction) -> None:
    """Remove an action."""
    connection.execute(delete(table).where(table.c.id == action.id))
    notify(connection, ScalingChanged())


def list_actions(
    connection: Connection,
    *,
    resource_id: str | None,
    names: Collection[str],
    marker: str | None,
    limit: int,
) -> Page[ScheduledAction]:
    """Actions: of a resource or all, with some names or any."""
    query = _ACTIONS
    if resource_id is not None:
        query = query.where(targets.c.resource_id == resource_id)
    if names:
        query = query.where(table.c.name.in_(names))
    rows, marker = page_rows(connection, query, table.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_action(row) for row in rows), next_marker=marker)


def due_actions(connection: Connection, now: datetime) -> list[ScheduledAction]:
    """The actions whose time has come, the longest due first."""
    query = _ACTIONS.where(table.c.next_at <= now).order_by(table.c.next_at, table.c.id)
    return [_to_action(row) for row in connection.execute(query).mappings()]


def planned_actions(connection: Connection, now: datetime) -> list[ScheduledAction]:
    """The actions whose time is yet to come."""
    query = _ACTIONS.where(table.c.next_at > now).order_by(table.c.id)
    return [_to_action(row) for row in connection.execute(query).mappings()]


def next_due(connection: Connection) -> datetime | None:
    """When the next action is due; None: never."""
    query = select(table.c.next_at).where(table.c.next_at.is_not(None))
    return connection.execute(query.order_by(table.c.next_at).limit(1)).scalar_one_or_none()


def _to_action(row: RowMapping) -> ScheduledAction:
    return ScheduledAction(
        id=row["id"],
        target_id=row["target_id"],
        resource_id=row["resource_id"],
        uuid=row["uuid"],
        name=row["name"],
        schedule=row["schedule"],
        timezone=row["timezone"],
        start_at=row["start_at"],
        end_at=row["end_at"],
        min_capacity=row["min_capacity"],
        max_capacity=row["max_capacity"],
        created_at=row["created_at"],
        anchor_at=row["anchor_at"],
        next_at=row["next_at"],
    )
