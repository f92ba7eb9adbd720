"""Scalable targets, their tags and policies: Application Auto Scaling's verbs on them.

Source: its API reference; texts are AWS's where they were found in public reports, and marked where
not. `capacity.py` changes provisioned concurrency, `scheduled_actions.py` has the schedules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import (
    InvalidParameterError,
    NotFoundError,
    ScalableResourceNotFoundError,
)
from lambd.model.provisioned import AllocationStatus
from lambd.model.tags import with_tags
from lambd.services.autoscaling import rows
from lambd.services.autoscaling.capacity import (
    current_capacity,
    keep_within_bounds,
    note_not_scaled,
    set_capacity,
)
from lambd.services.autoscaling.model import (
    DIMENSION,
    MAX_BELOW_MIN,
    NAMESPACE,
    NotScaledCode,
    ScalableTarget,
    ScalingPolicy,
    SuspendedState,
    TargetTracking,
    parse_resource_id,
)
from lambd.services.autoscaling.target_tracking import Alarm, scaled_in, scaled_out
from lambd.services.tagging import Tagging
from lambd.store.aliases import find_route
from lambd.store.database import Connection
from lambd.store.provisioned import get_config
from lambd.telemetry.ids import new_id


def target_arn(scope: Scope, target: ScalableTarget) -> str:
    """`arn:aws:application-autoscaling:<region>:<account>:scalable-target/<id>`."""
    service = f"arn:{scope.partition}:application-autoscaling:{scope.region}:{scope.account_id}"
    return f"{service}:scalable-target/{target.arn_id}"


def alarm_name(policy: ScalingPolicy, alarm: Alarm) -> str:
    """The name of an alarm of a policy, as CloudWatch would have it."""
    alarm_id = policy.high_alarm_id if alarm is Alarm.HIGH else policy.low_alarm_id
    return f"TargetTracking-{policy.resource_id}-{alarm}-{alarm_id}"


# --- targets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChanges:
    """What a caller said of a target; None: nothing."""

    min_capacity: int | None = None
    max_capacity: int | None = None
    scale_in_suspended: bool | None = None
    scale_out_suspended: bool | None = None
    scheduled_suspended: bool | None = None
    tags: Mapping[str, str] | None = None


def register_target(
    connection: Connection, context: ControlContext, resource_id: str, changes: TargetChanges
) -> ScalableTarget:
    """Create or change a target, and bring its capacity within its bounds.

    Raises:
        InvalidParameterError: no such version or alias, or bounds that cannot be.
    """
    reference = parse_resource_id(resource_id)
    if find_route(connection, reference.name, reference.qualifier or "") is None:
        # AWS's own text for Lambda is not known; other services' are of this form.
        raise InvalidParameterError(f"Lambda function doesn't exist: {resource_id}")
    target = rows.get_target(connection, resource_id)
    if target is None:
        target = _new_target(context, resource_id, changes)
    target = _changed(context, target, changes)
    check_bounds(target.min_capacity, target.max_capacity)
    stored = rows.put_target(connection, target)
    keep_within_bounds(connection, context, stored)
    return stored


def _new_target(
    context: ControlContext, resource_id: str, changes: TargetChanges
) -> ScalableTarget:
    if changes.min_capacity is None or changes.max_capacity is None:
        # AWS's own text is not known.
        raise InvalidParameterError(
            "Minimum capacity and maximum capacity must be specified when a scalable target is "
            "registered for the first time"
        )
    return ScalableTarget(
        id=0,
        resource_id=resource_id,
        arn_id=new_id(),
        min_capacity=changes.min_capacity,
        max_capacity=changes.max_capacity,
        created_at=context.now,
    )


def _changed(
    context: ControlContext, target: ScalableTarget, changes: TargetChanges
) -> ScalableTarget:
    old, now = target, changes
    suspended = SuspendedState(
        scale_in=_or(now.scale_in_suspended, old.suspended.scale_in),
        scale_out=_or(now.scale_out_suspended, old.suspended.scale_out),
        scheduled=_or(now.scheduled_suspended, old.suspended.scheduled),
    )
    return replace(
        target,
        min_capacity=old.min_capacity if now.min_capacity is None else now.min_capacity,
        max_capacity=old.max_capacity if now.max_capacity is None else now.max_capacity,
        suspended=suspended,
        tags=old.tags
        if now.tags is None
        else with_tags(old.tags, now.tags, context.limits.tags_per_resource),
    )


def _or(value: bool | None, old: bool) -> bool:
    return old if value is None else value


def check_bounds(min_capacity: int | None, max_capacity: int | None) -> None:
    """Raise InvalidParameterError unless a target may have these bounds."""
    for name, value in (("Minimum", min_capacity), ("Maximum", max_capacity)):
        if value is not None and value < 0:
            # AWS's own text is not known.
            raise InvalidParameterError(f"{name} capacity cannot be less than 0")
    if min_capacity is not None and max_capacity is not None and max_capacity < min_capacity:
        raise InvalidParameterError(MAX_BELOW_MIN)


def require_target(connection: Connection, resource_id: str) -> ScalableTarget:
    """The target that something is to be hung on.

    Raises:
        NotFoundError: there is none.
        InvalidParameterError: the resource is no version or alias of a function.
    """
    parse_resource_id(resource_id)
    target = rows.get_target(connection, resource_id)
    if target is None:
        raise NotFoundError(f"No scalable target registered for {_named(resource_id)}")
    return target


def deregister_target(connection: Connection, resource_id: str) -> None:
    """Remove a target, its policies and its scheduled actions; its capacity stays.

    Raises:
        NotFoundError: there is none.
        InvalidParameterError: the resource is no version or alias of a function.
    """
    parse_resource_id(resource_id)
    target = rows.get_target(connection, resource_id)
    if target is None:
        raise NotFoundError(f"No scalable target found for {_named(resource_id)}")
    rows.delete_target(connection, target)


def _named(resource_id: str) -> str:
    return (
        f"service namespace: {NAMESPACE}, resource ID: {resource_id}, "
        f"scalable dimension: {DIMENSION}"
    )


# --- tags -------------------------------------------------------------------------------------


def _target_of(connection: Connection, context: ControlContext, arn: str) -> ScalableTarget:
    target = rows.get_target_by_arn_id(connection, arn.rpartition("/")[2])
    if target is None or target_arn(context.scope, target) != arn:
        # AWS's own text is not known.
        raise ScalableResourceNotFoundError(f"No scalable target found for resource ARN: {arn}")
    return target


def _put_tags(
    connection: Connection, context: ControlContext, target: ScalableTarget, tags: Mapping[str, str]
) -> None:
    rows.put_target(connection, replace(target, tags=tags))


TAGGING = Tagging(_target_of, _put_tags)


# --- policies ---------------------------------------------------------------------------------


def put_policy(
    connection: Connection,
    context: ControlContext,
    resource_id: str,
    name: str,
    tracking: TargetTracking | None,
    *,
    may_create: bool = True,
) -> ScalingPolicy:
    """Create a target tracking policy or change one; None leaves one as it is.

    Raises:
        NotFoundError: no such target.
        InvalidParameterError: a new policy without a configuration, or a second one, or a new
            one although none may be created (its type was not said).
    """
    target = require_target(connection, resource_id)
    policies = rows.policies_of(connection, target)
    existing = next((policy for policy in policies if policy.name == name), None)
    if existing is None and (tracking is None or not may_create):
        # AWS's own text is not known.
        raise InvalidParameterError(
            "PolicyType and its configuration must be specified for a new scaling policy"
        )
    if tracking is None:
        assert existing is not None  # noqa: S101 - just checked
        return existing
    if existing is None:
        if policies:
            raise InvalidParameterError(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed."
            )
        existing = ScalingPolicy(
            id=0,
            target_id=target.id,
            resource_id=resource_id,
            uuid=new_id(),
            name=name,
            tracking=tracking,
            high_alarm_id=new_id(),
            low_alarm_id=new_id(),
            created_at=context.now,
        )
    policy = replace(existing, tracking=tracking)
    rows.put_policy(connection, policy)
    return policy


def delete_policy(connection: Connection, resource_id: str, name: str) -> None:
    """Remove a policy; the capacity stays as it is.

    Raises:
        NotFoundError: there is none of this name.
        InvalidParameterError: the resource is no version or alias of a function.
    """
    parse_resource_id(resource_id)
    target = rows.get_target(connection, resource_id)
    policies = [] if target is None else rows.policies_of(connection, target)
    for policy in policies:
        if policy.name == name:
            rows.delete_policy(connection, policy)
            return
    raise NotFoundError(f"No scaling policy found for {_named(resource_id)}, policy name: {name}")


def follow_alarm(
    connection: Connection, context: ControlContext, policy_id: int, alarm: Alarm, use: float
) -> None:
    """Scale as a policy's alarm asks for, unless it is suspended, cooling down or under way.

    Args:
        policy_id: of a policy that may be gone by now.
        alarm: the one that is on.
        use: the utilisation that counts for it, 0 to 1.
    """
    policy = rows.get_policy(connection, policy_id)
    target = None if policy is None else rows.get_target(connection, policy.resource_id)
    if policy is None or target is None:
        return
    reference = parse_resource_id(policy.resource_id)
    config = get_config(connection, reference.name, reference.qualifier or "")
    if config is None or config.status is AllocationStatus.IN_PROGRESS:
        return
    if alarm is Alarm.HIGH:
        _scale_out(connection, context, policy, target, use)
    else:
        _scale_in(connection, context, policy, target, use)


def _is_cooling(since: datetime | None, cooldown_s: int | None, now: datetime) -> bool:
    """Whether a cooldown holds; one that has yet to begin is of a clock that was ahead."""
    return since is not None and since <= now < since + timedelta(seconds=cooldown_s or 0)


def _scale_out(
    connection: Connection,
    context: ControlContext,
    policy: ScalingPolicy,
    target: ScalableTarget,
    use: float,
) -> None:
    if target.suspended.scale_out:
        return
    current = current_capacity(connection, policy.resource_id)
    tracking, base = policy.tracking, current
    if _is_cooling(policy.scaled_out_at, tracking.scale_out_cooldown_s, context.now):
        # What was added counts as part of what is to be added: only a larger step passes.
        base = policy.scaled_out_from or current
    wanted = min(scaled_out(base, use, tracking.target_value), target.max_capacity)
    cause = _cause(policy, Alarm.HIGH)
    if wanted <= current:
        if current >= target.max_capacity:
            note_not_scaled(connection, context, target, NotScaledCode.AT_MAX, cause)
        return
    if set_capacity(connection, context, policy.resource_id, wanted, cause):
        scaled = replace(policy, scaled_out_at=context.now, scaled_out_from=base)
        # A scale-out ends the cooldown of a scale-in.
        rows.put_policy(connection, replace(scaled, scaled_in_at=None))


def _scale_in(
    connection: Connection,
    context: ControlContext,
    policy: ScalingPolicy,
    target: ScalableTarget,
    use: float,
) -> None:
    tracking = policy.tracking
    if tracking.disable_scale_in or target.suspended.scale_in:
        return
    if _is_cooling(policy.scaled_in_at, tracking.scale_in_cooldown_s, context.now):
        return
    current = current_capacity(connection, policy.resource_id)
    wanted = max(scaled_in(current, use, tracking.target_value), target.min_capacity)
    cause = _cause(policy, Alarm.LOW)
    if wanted >= current:
        if current <= target.min_capacity:
            note_not_scaled(connection, context, target, NotScaledCode.AT_MIN, cause)
        return
    if set_capacity(connection, context, policy.resource_id, wanted, cause):
        rows.put_policy(connection, replace(policy, scaled_in_at=context.now))


def _cause(policy: ScalingPolicy, alarm: Alarm) -> str:
    return (
        f"monitor alarm {alarm_name(policy, alarm)} in state ALARM triggered policy {policy.name}"
    )
