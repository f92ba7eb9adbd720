"""Application Auto Scaling's values in the shapes of its model."""

from __future__ import annotations

from typing import Any

from lambd.model.arns import Scope
from lambd.services.autoscaling.model import (
    DIMENSION,
    METRIC,
    NAMESPACE,
    NotScaledCode,
    ScalableTarget,
    ScalingActivity,
    ScalingPolicy,
    ScheduledAction,
)
from lambd.services.autoscaling.target_tracking import Alarm
from lambd.services.autoscaling.targets import alarm_name, target_arn

Members = dict[str, Any]


def _resource(resource_id: str) -> Members:
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": resource_id,
        "ScalableDimension": DIMENSION,
    }


def target_members(target: ScalableTarget, scope: Scope) -> Members:
    """`ScalableTarget`; the role is always the service-linked one, as on AWS."""
    return {
        **_resource(target.resource_id),
        "MinCapacity": target.min_capacity,
        "MaxCapacity": target.max_capacity,
        "RoleARN": (
            f"arn:{scope.partition}:iam::{scope.account_id}:role/aws-service-role/"
            "lambda.application-autoscaling.amazonaws.com/"
            "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
        ),
        "CreationTime": target.created_at,
        "SuspendedState": {
            "DynamicScalingInSuspended": target.suspended.scale_in,
            "DynamicScalingOutSuspended": target.suspended.scale_out,
            "ScheduledScalingSuspended": target.suspended.scheduled,
        },
        "ScalableTargetARN": target_arn(scope, target),
    }


def policy_arn(policy: ScalingPolicy, scope: Scope) -> str:
    """The ARN of a policy."""
    return _arn(scope, "scalingPolicy", policy.uuid, policy.resource_id, "policyName", policy.name)


def _arn(scope: Scope, kind: str, uuid: str, resource_id: str, label: str, name: str) -> str:
    service = f"arn:{scope.partition}:autoscaling:{scope.region}:{scope.account_id}"
    return f"{service}:{kind}:{uuid}:resource/{NAMESPACE}/{resource_id}:{label}/{name}"


def alarm_members(policy: ScalingPolicy, scope: Scope) -> list[Members]:
    """`Alarms` of a policy."""
    names = [alarm_name(policy, alarm) for alarm in Alarm]
    service = f"arn:{scope.partition}:cloudwatch:{scope.region}:{scope.account_id}"
    return [{"AlarmName": name, "AlarmARN": f"{service}:alarm:{name}"} for name in names]


def policy_members(policy: ScalingPolicy, scope: Scope) -> Members:
    """`ScalingPolicy`."""
    tracking = policy.tracking
    return {
        "PolicyARN": policy_arn(policy, scope),
        "PolicyName": policy.name,
        **_resource(policy.resource_id),
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": tracking.target_value,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
            "ScaleOutCooldown": tracking.scale_out_cooldown_s,
            "ScaleInCooldown": tracking.scale_in_cooldown_s,
            "DisableScaleIn": tracking.disable_scale_in,
        },
        "Alarms": alarm_members(policy, scope),
        "CreationTime": policy.created_at,
    }


def action_members(action: ScheduledAction, scope: Scope) -> Members:
    """`ScheduledAction`."""
    arn = _arn(
        scope,
        "scheduledAction",
        action.uuid,
        action.resource_id,
        "scheduledActionName",
        action.name,
    )
    return {
        "ScheduledActionName": action.name,
        "ScheduledActionARN": arn,
        **_resource(action.resource_id),
        "Schedule": action.schedule,
        "Timezone": action.timezone,
        "StartTime": action.start_at,
        "EndTime": action.end_at,
        "ScalableTargetAction": {
            "MinCapacity": action.min_capacity,
            "MaxCapacity": action.max_capacity,
        },
        "CreationTime": action.created_at,
    }


def activity_members(activity: ScalingActivity) -> Members:
    """`ScalingActivity`."""
    reasons = None
    if activity.not_scaled is not None:
        bound = "MaxCapacity" if activity.not_scaled is NotScaledCode.AT_MAX else "MinCapacity"
        reasons = [{"Code": activity.not_scaled.value, bound: activity.capacity}]
    return {
        "ActivityId": activity.uuid,
        **_resource(activity.resource_id),
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started_at,
        "EndTime": activity.ended_at,
        "StatusCode": activity.status.value,
        "StatusMessage": activity.status_message or None,
        "NotScaledReasons": reasons,
    }
