"""Scheduled actions of scalable targets: put, delete, and run when due.

Source: Application Auto Scaling's API reference, and its User Guide on scheduled scaling. What came
due while nobody was there is not made up for, as on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError, NotFoundError, QuotaExceededError
from lambd.model.limits import SCHEDULED_ACTIONS_PER_TARGET
from lambd.model.schedule_expressions import ScheduleSyntaxError
from lambd.services.autoscaling import action_rows as rows
from lambd.services.autoscaling import activity_rows as activities
from lambd.services.autoscaling import rows as targets
from lambd.services.autoscaling.capacity import keep_within_bounds
from lambd.services.autoscaling.model import (
    DIMENSION,
    MAX_BELOW_MIN,
    NAMESPACE,
    ActivityStatus,
    ScalableTarget,
    ScalingActivity,
    ScheduledAction,
    parse_resource_id,
)
from lambd.services.autoscaling.targets import check_bounds, require_target
from lambd.store.database import Connection
from lambd.telemetry.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionChanges:
    """What a caller said of a scheduled action; None: nothing."""

    schedule: str | None = None
    timezone: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    # Minimum and maximum; None: neither was mentioned.
    bounds: tuple[int | None, int | None] | None = None


def put_action(
    connection: Connection,
    context: ControlContext,
    resource_id: str,
    name: str,
    changes: ActionChanges,
) -> None:
    """Create an action or change one; start and end are those given, or none.

    Raises:
        NotFoundError: no such target.
        InvalidParameterError: the schedule, the zone, the times or the bounds cannot be.
        QuotaExceededError: the target has as many actions as it may.
    """
    target = require_target(connection, resource_id)
    action = rows.find_action(connection, resource_id, name)
    if action is None:
        action = _new_action(connection, context, target, name)
    bounds = changes.bounds or (action.min_capacity, action.max_capacity)
    action = replace(
        action,
        schedule=changes.schedule or action.schedule,
        timezone=changes.timezone or action.timezone,
        start_at=changes.start_at,
        end_at=changes.end_at,
        min_capacity=bounds[0],
        max_capacity=bounds[1],
        anchor_at=context.now,
    )
    _check(action)
    try:
        next_at = action.next_after(context.now)
    except ScheduleSyntaxError as error:
        # AWS's own text is not known.
        raise InvalidParameterError(f"Invalid schedule: {error}") from error
    rows.put_action(connection, replace(action, next_at=next_at))


def _new_action(
    connection: Connection, context: ControlContext, target: ScalableTarget, name: str
) -> ScheduledAction:
    if rows.count_actions(connection, target) >= SCHEDULED_ACTIONS_PER_TARGET:
        # AWS's own text is not known.
        raise QuotaExceededError(
            f"A scalable target can have {SCHEDULED_ACTIONS_PER_TARGET} scheduled actions at most"
        )
    return ScheduledAction(
        id=0,
        target_id=target.id,
        resource_id=target.resource_id,
        uuid=new_id(),
        name=name,
        schedule="",
        timezone=None,
        start_at=None,
        end_at=None,
        min_capacity=None,
        max_capacity=None,
        created_at=context.now,
        anchor_at=context.now,
    )


def _check(action: ScheduledAction) -> None:
    if not action.schedule:
        # AWS's own text is not known, nor is the one on times.
        raise InvalidParameterError("Schedule must be specified for a new scheduled action")
    if action.min_capacity is None and action.max_capacity is None:
        raise InvalidParameterError(
            "At least one of minimum capacity and maximum capacity should be provided"
        )
    check_bounds(action.min_capacity, action.max_capacity)
    start, end = action.start_at, action.end_at
    if start is not None and end is not None and end <= start:
        raise InvalidParameterError("End time must be after start time")


def delete_action(connection: Connection, resource_id: str, name: str) -> None:
    """Remove an action.

    Raises:
        NotFoundError: there is none of this name.
        InvalidParameterError: the resource is no version or alias of a function.
    """
    parse_resource_id(resource_id)
    action = rows.find_action(connection, resource_id, name)
    if action is None:
        raise NotFoundError(
            f"No scheduled action found for service namespace: {NAMESPACE}, resource ID: "
            f"{resource_id}, scalable dimension: {DIMENSION}, scheduled action name: {name}"
        )
    rows.delete_action(connection, action)


# --- when they are due ------------------------------------------------------------------------


def skip_missed(connection: Connection, context: ControlContext) -> None:
    """Leave out what came due while the platform was not running."""
    for action in rows.due_actions(connection, context.now):
        _put_off(connection, context, action)


def plan_anew(connection: Connection, context: ControlContext) -> None:
    """Bring forward what was planned by a clock that was ahead."""
    for planned in rows.planned_actions(connection, context.now):
        # A rate that such a clock let begin counts from now.
        action = replace(planned, anchor_at=min(planned.anchor_at, context.now))
        try:
            next_at = action.next_after(context.now)
        except ScheduleSyntaxError:
            # It is told when it is due.
            continue
        if next_at is not None and action.next_at is not None and next_at < action.next_at:
            rows.put_action(connection, replace(action, next_at=next_at))


def run_due(connection: Connection, context: ControlContext) -> None:
    """Run every action that is due, once, however long it has been due."""
    for action in rows.due_actions(connection, context.now):
        _put_off(connection, context, action)
        target = targets.get_target(connection, action.resource_id)
        if target is not None and not target.suspended.scheduled:
            _run(connection, context, action, target)


def _put_off(connection: Connection, context: ControlContext, action: ScheduledAction) -> None:
    """Have an action due at its next time."""
    try:
        next_at = action.next_after(context.now)
    except ScheduleSyntaxError as error:
        # Zones are renamed now and then; one that is gone must not keep others from their time.
        next_at = None
        activity = ScalingActivity(
            uuid=new_id(),
            resource_id=action.resource_id,
            description=f"Scheduling {action.name}",
            cause=f"scheduled action name {action.name} was triggered",
            started_at=context.now,
            status=ActivityStatus.FAILED,
            status_message=f"It will not be triggered again. Reason: {error}",
            capacity=0,
        )
        activities.add_activity(connection, activity)
    rows.put_action(connection, replace(action, next_at=next_at))


def _run(
    connection: Connection,
    context: ControlContext,
    action: ScheduledAction,
    target: ScalableTarget,
) -> None:
    least = target.min_capacity if action.min_capacity is None else action.min_capacity
    most = target.max_capacity if action.max_capacity is None else action.max_capacity
    what = " and ".join(
        f"{name} capacity to {value}"
        for name, value in (("min", action.min_capacity), ("max", action.max_capacity))
        if value is not None
    )
    is_possible = least <= most
    status = ActivityStatus.SUCCESSFUL if is_possible else ActivityStatus.FAILED
    failure = f"Failed to set {what}. Reason: {MAX_BELOW_MIN}"
    activity = ScalingActivity(
        uuid=new_id(),
        resource_id=target.resource_id,
        description=f"Setting {what}",
        cause=f"scheduled action name {action.name} was triggered",
        started_at=context.now,
        status=status,
        status_message=f"Successfully set {what}" if is_possible else failure,
        capacity=least,
    )
    activities.add_activity(connection, activity)
    if is_possible:
        changed = replace(target, min_capacity=least, max_capacity=most)
        keep_within_bounds(connection, context, targets.put_target(connection, changed))
