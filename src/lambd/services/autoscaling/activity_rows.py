"""Rows <-> model for scaling activities: the newest of each resource, for six weeks."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import RowMapping, delete, insert, select, update

from lambd.model.limits import SCALING_ACTIVITIES_PER_TARGET, SCALING_ACTIVITY_DAYS
from lambd.services.autoscaling.model import ActivityStatus, NotScaledCode, ScalingActivity
from lambd.store.database import Connection
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.tables_autoscaling import scaling_activities as table


def add_activity(connection: Connection, activity: ScalingActivity) -> None:
    """Store a new activity, and drop those that are no longer kept."""
    connection.execute(
        insert(table).values(
            uuid=activity.uuid,
            resource_id=activity.resource_id,
            description=activity.description,
            cause=activity.cause,
            started_at=activity.started_at,
            ended_at=activity.ended_at,
            status=activity.status.value,
            status_message=activity.status_message,
            not_scaled=None if activity.not_scaled is None else activity.not_scaled.value,
            capacity=activity.capacity,
            allocation_id=activity.allocation_id,
        )
    )
    too_old = activity.started_at - timedelta(days=SCALING_ACTIVITY_DAYS)
    connection.execute(delete(table).where(table.c.started_at < too_old))
    of_resource = table.c.resource_id == activity.resource_id
    newest = select(table.c.id).where(of_resource).order_by(table.c.id.desc())
    oldest_kept = newest.offset(SCALING_ACTIVITIES_PER_TARGET - 1).limit(1).scalar_subquery()
    connection.execute(delete(table).where(of_resource, table.c.id < oldest_kept))


def end_activity(
    connection: Connection,
    activity: ScalingActivity,
    status: ActivityStatus,
    message: str,
    now: datetime,
) -> None:
    """Write down how an activity has ended."""
    values = {"status": status.value, "status_message": message, "ended_at": now}
    connection.execute(update(table).where(table.c.id == activity.id).values(values))


def pending_activities(
    connection: Connection, resource_id: str | None = None
) -> list[ScalingActivity]:
    """The activities that wait for an allocation, of a resource or all."""
    query = select(table).where(table.c.status == ActivityStatus.IN_PROGRESS.value)
    if resource_id is not None:
        query = query.where(table.c.resource_id == resource_id)
    return [_to_activity(row) for row in connection.execute(query).mappings()]


def newest_activity(connection: Connection, resource_id: str) -> ScalingActivity | None:
    """The last activity of a resource."""
    query = select(table).where(table.c.resource_id == resource_id).order_by(table.c.id.desc())
    row = connection.execute(query.limit(1)).mappings().one_or_none()
    return None if row is None else _to_activity(row)


def list_activities(
    connection: Connection,
    *,
    resource_id: str | None,
    with_not_scaled: bool,
    marker: str | None,
    limit: int,
) -> Page[ScalingActivity]:
    """Activities of a resource or all, the newest first."""
    query = select(table)
    if resource_id is not None:
        query = query.where(table.c.resource_id == resource_id)
    if not with_not_scaled:
        query = query.where(table.c.not_scaled.is_(None))
    if marker is not None:
        query = query.where(table.c.id < decode_marker(marker)[1])
    rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit + 1)).mappings().all()
    items = tuple(_to_activity(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_marker=encode_marker(("", items[-1].id)) if more else None)


def _to_activity(row: RowMapping) -> ScalingActivity:
    not_scaled = row["not_scaled"]
    return ScalingActivity(
        id=row["id"],
        uuid=row["uuid"],
        resource_id=row["resource_id"],
        description=row["description"],
        cause=row["cause"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        status=ActivityStatus(row["status"]),
        status_message=row["status_message"],
        not_scaled=None if not_scaled is None else NotScaledCode(not_scaled),
        capacity=row["capacity"],
        allocation_id=row["allocation_id"],
    )
