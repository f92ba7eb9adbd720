"""Application Auto Scaling's hand: sets provisioned concurrency, and writes down what it did.

By the way of PutProvisionedConcurrencyConfig and its rules; what they refuse is an activity that
failed, not an error. Within the caller's transaction, so a change and its activity are one. The
texts are AWS's, as DynamoDB's and ECS's activities have them.
"""

from __future__ import annotations

from lambd.control.context import ControlContext
from lambd.control.provisioned import delete_provisioned_concurrency, put_provisioned_concurrency
from lambd.model.errors import PlatformError
from lambd.model.provisioned import AllocationStatus
from lambd.services.autoscaling import activity_rows as rows
from lambd.services.autoscaling.model import (
    ActivityStatus,
    NotScaledCode,
    ScalableTarget,
    ScalingActivity,
    parse_resource_id,
)
from lambd.store.database import Connection
from lambd.store.provisioned import get_config
from lambd.telemetry.ids import new_id

_FULFILLED = "Change successfully fulfilled by lambda."


def current_capacity(connection: Connection, resource_id: str) -> int:
    """The provisioned concurrency that was last asked for; 0 without any."""
    reference = parse_resource_id(resource_id)
    config = get_config(connection, reference.name, reference.qualifier or "")
    return 0 if config is None else config.requested


def keep_within_bounds(
    connection: Connection, context: ControlContext, target: ScalableTarget
) -> None:
    """Bring a target's capacity to its nearest bound if it is outside of them."""
    capacity = current_capacity(connection, target.resource_id)
    if capacity < target.min_capacity:
        cause = f"minimum capacity was set to {target.min_capacity}"
        set_capacity(connection, context, target.resource_id, target.min_capacity, cause)
    elif capacity > target.max_capacity:
        cause = f"maximum capacity was set to {target.max_capacity}"
        set_capacity(connection, context, target.resource_id, target.max_capacity, cause)


def set_capacity(
    connection: Connection, context: ControlContext, resource_id: str, capacity: int, cause: str
) -> bool:
    """Ask for so much provisioned concurrency; False when that was refused."""
    what = f"provisioned concurrency to {capacity}"
    reference = parse_resource_id(resource_id)
    allocation_id = None
    try:
        if capacity:
            config = put_provisioned_concurrency(connection, context, reference, capacity)
            allocation_id = config.allocation_id
        else:
            delete_provisioned_concurrency(connection, context, reference)
    except PlatformError as error:
        status = ActivityStatus.FAILED
        message = f"Failed to set {what}. Reason: {error.message}"
    else:
        for activity in rows.pending_activities(connection, resource_id):
            _end(connection, context, activity, ActivityStatus.OVERRIDDEN)
        status = ActivityStatus.IN_PROGRESS if allocation_id else ActivityStatus.SUCCESSFUL
        waiting = "Waiting for change to be fulfilled by lambda."
        message = f"Successfully set {what}. {waiting if allocation_id else _FULFILLED}"
    activity = ScalingActivity(
        uuid=new_id(),
        resource_id=resource_id,
        description=f"Setting {what}.",
        cause=cause,
        started_at=context.now,
        ended_at=None if status is ActivityStatus.IN_PROGRESS else context.now,
        status=status,
        status_message=message,
        capacity=capacity,
        allocation_id=allocation_id,
    )
    rows.add_activity(connection, activity)
    return status is not ActivityStatus.FAILED


def note_not_scaled(
    connection: Connection,
    context: ControlContext,
    target: ScalableTarget,
    code: NotScaledCode,
    cause: str,
) -> None:
    """Write down that an alarm changed nothing, once while that goes on."""
    newest = rows.newest_activity(connection, target.resource_id)
    if newest is not None and (newest.not_scaled, newest.cause) == (code, cause):
        return
    activity = ScalingActivity(
        uuid=new_id(),
        resource_id=target.resource_id,
        description="Attempting to scale due to alarm triggered",
        cause=cause,
        started_at=context.now,
        ended_at=context.now,
        status=ActivityStatus.UNFULFILLED,
        status_message="",
        not_scaled=code,
        capacity=current_capacity(connection, target.resource_id),
    )
    rows.add_activity(connection, activity)


def settle_activities(connection: Connection, context: ControlContext) -> int:
    """End the activities whose allocation has; how many are still waiting."""
    waiting = 0
    for activity in rows.pending_activities(connection):
        reference = parse_resource_id(activity.resource_id)
        config = get_config(connection, reference.name, reference.qualifier or "")
        if config is None or config.allocation_id != activity.allocation_id:
            _end(connection, context, activity, ActivityStatus.OVERRIDDEN)
        elif config.status is AllocationStatus.READY:
            _end(connection, context, activity, ActivityStatus.SUCCESSFUL)
        elif config.status is AllocationStatus.FAILED:
            reason = config.status_reason
            _end(connection, context, activity, ActivityStatus.FAILED, reason)
        else:
            waiting += 1
    return waiting


def _end(
    connection: Connection,
    context: ControlContext,
    activity: ScalingActivity,
    status: ActivityStatus,
    reason: str | None = None,
) -> None:
    what = f"set provisioned concurrency to {activity.capacity}"
    message = {
        ActivityStatus.SUCCESSFUL: f"Successfully {what}. {_FULFILLED}",
        ActivityStatus.FAILED: f"Failed to {what}. Reason: {reason}",
        ActivityStatus.OVERRIDDEN: f"Successfully {what}. Change was overridden by another one.",
    }[status]
    rows.end_activity(connection, activity, status, message, context.now)
