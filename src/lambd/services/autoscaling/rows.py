"""Rows <-> model for scalable targets and their policies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update

from lambd.services.autoscaling.model import (
    ScalableTarget,
    ScalingPolicy,
    SuspendedState,
    TargetTracking,
)
from lambd.store.database import Connection, ScalingChanged, notify
from lambd.store.paging import Page, page_rows
from lambd.store.tables_autoscaling import scaling_policies as policies
from lambd.store.tables_autoscaling import scaling_targets as targets

# --- targets ----------------------------------------------------------------------------------


def get_target(connection: Connection, resource_id: str) -> ScalableTarget | None:
    """The target of a resource."""
    return _one_target(connection, targets.c.resource_id == resource_id)


def get_target_by_arn_id(connection: Connection, arn_id: str) -> ScalableTarget | None:
    """The target whose ARN ends so."""
    return _one_target(connection, targets.c.arn_id == arn_id)


def _one_target(connection: Connection, where: ColumnElement[bool]) -> ScalableTarget | None:
    row = connection.execute(select(targets).where(where)).mappings().one_or_none()
    return None if row is None else _to_target(row)


def put_target(connection: Connection, target: ScalableTarget) -> ScalableTarget:
    """Store a target, a new one (id 0) or another state of one; as it is stored."""
    values: dict[str, object] = {
        "resource_id": target.resource_id,
        "arn_id": target.arn_id,
        "min_capacity": target.min_capacity,
        "max_capacity": target.max_capacity,
        "scale_in_suspended": target.suspended.scale_in,
        "scale_out_suspended": target.suspended.scale_out,
        "scheduled_suspended": target.suspended.scheduled,
        "tags": json.dumps(dict(target.tags)),
        "created_at": target.created_at,
    }
    if target.id:
        connection.execute(update(targets).where(targets.c.id == target.id).values(values))
    else:
        connection.execute(insert(targets).values(values))
    notify(connection, ScalingChanged())
    stored = get_target(connection, target.resource_id)
    assert stored is not None  # noqa: S101 - just written
    return stored


def delete_target(connection: Connection, target: ScalableTarget) -> None:
    """Remove a target, its policies and its scheduled actions."""
    connection.execute(delete(targets).where(targets.c.id == target.id))
    notify(connection, ScalingChanged())


def list_targets(
    connection: Connection, resource_ids: Collection[str], *, marker: str | None, limit: int
) -> Page[ScalableTarget]:
    """The targets of some resources, of all if none are named."""
    query = select(targets)
    if resource_ids:
        query = query.where(targets.c.resource_id.in_(resource_ids))
    rows, marker = page_rows(connection, query, targets.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_target(row) for row in rows), next_marker=marker)


# --- policies ---------------------------------------------------------------------------------

_POLICIES = select(policies, targets.c.resource_id).join(targets)


def policies_of(connection: Connection, target: ScalableTarget) -> list[ScalingPolicy]:
    """All policies of a target."""
    query = _POLICIES.where(policies.c.target_id == target.id).order_by(policies.c.id)
    return [_to_policy(row) for row in connection.execute(query).mappings()]


def get_policy(connection: Connection, policy_id: int) -> ScalingPolicy | None:
    """A policy."""
    query = _POLICIES.where(policies.c.id == policy_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_policy(row)


def all_policies(connection: Connection) -> list[ScalingPolicy]:
    """Every policy of every target."""
    return [_to_policy(row) for row in connection.execute(_POLICIES).mappings()]


def put_policy(connection: Connection, policy: ScalingPolicy) -> None:
    """Store a policy, a new one (id 0) or another state of one."""
    tracking = policy.tracking
    values: Mapping[str, object] = {
        "target_id": policy.target_id,
        "uuid": policy.uuid,
        "name": policy.name,
        "target_value": tracking.target_value,
        "scale_out_cooldown_s": tracking.scale_out_cooldown_s,
        "scale_in_cooldown_s": tracking.scale_in_cooldown_s,
        "disable_scale_in": tracking.disable_scale_in,
        "high_alarm_id": policy.high_alarm_id,
        "low_alarm_id": policy.low_alarm_id,
        "created_at": policy.created_at,
        "scaled_out_at": policy.scaled_out_at,
        "scaled_out_from": policy.scaled_out_from,
        "scaled_in_at": policy.scaled_in_at,
    }
    if policy.id:
        connection.execute(update(policies).where(policies.c.id == policy.id).values(values))
    else:
        connection.execute(insert(policies).values(values))
    notify(connection, ScalingChanged())


def delete_policy(connection: Connection, policy: ScalingPolicy) -> None:
    """Remove a policy."""
    connection.execute(delete(policies).where(policies.c.id == policy.id))
    notify(connection, ScalingChanged())


def list_policies(
    connection: Connection,
    *,
    resource_id: str | None,
    names: Collection[str],
    marker: str | None,
    limit: int,
) -> Page[ScalingPolicy]:
    """Policies: of a resource or all, with some names or any."""
    query = _POLICIES
    if resource_id is not None:
        query = query.where(targets.c.resource_id == resource_id)
    if names:
        query = query.where(policies.c.name.in_(names))
    rows, marker = page_rows(connection, query, policies.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_policy(row) for row in rows), next_marker=marker)


# --- rows -------------------------------------------------------------------------------------


def _to_target(row: RowMapping) -> ScalableTarget:
    return ScalableTarget(
        id=row["id"],
        resource_id=row["resource_id"],
        arn_id=row["arn_id"],
        min_capacity=row["min_capacity"],
        max_capacity=row["max_capacity"],
        suspended=SuspendedState(
            scale_in=row["scale_in_suspended"],
            scale_out=row["scale_out_suspended"],
            scheduled=row["scheduled_suspended"],
        ),
        tags=json.loads(row["tags"]),
        created_at=row["created_at"],
    )


def _to_policy(row: RowMapping) -> ScalingPolicy:
    return ScalingPolicy(
        id=row["id"],
        target_id=row["target_id"],
        resource_id=row["resource_id"],
        uuid=row["uuid"],
        name=row["name"],
        tracking=TargetTracking(
            target_value=row["target_value"],
            scale_out_cooldown_s=row["scale_out_cooldown_s"],
            scale_in_cooldown_s=row["scale_in_cooldown_s"],
            disable_scale_in=row["disable_scale_in"],
        ),
        high_alarm_id=row["high_alarm_id"],
        low_alarm_id=row["low_alarm_id"],
        created_at=row["created_at"],
        scaled_out_at=row["scaled_out_at"],
        scaled_out_from=row["scaled_out_from"],
        scaled_in_at=row["scaled_in_at"],
    )
