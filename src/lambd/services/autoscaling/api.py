"""The Application Auto Scaling API, for provisioned concurrency of functions.

Takes decoded parameters and returns members as the service model spells them. `RoleARN` has no
effect: AWS, too, scales Lambda with its service-linked role, whatever is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError
from lambd.services.autoscaling import scheduled_actions
from lambd.services.autoscaling import targets as autoscaling
from lambd.services.autoscaling.action_rows import list_actions
from lambd.services.autoscaling.activity_rows import list_activities
from lambd.services.autoscaling.errors import error_table
from lambd.services.autoscaling.model import (
    DIMENSION,
    METRIC,
    NAMESPACE,
    UNSUPPORTED,
    TargetTracking,
    parse_resource_id,
)
from lambd.services.autoscaling.rows import list_policies, list_targets
from lambd.services.autoscaling.scheduled_actions import ActionChanges
from lambd.services.autoscaling.shapes import (
    Members,
    action_members,
    activity_members,
    alarm_members,
    policy_arn,
    policy_members,
    target_members,
)
from lambd.services.autoscaling.targets import TargetChanges, target_arn
from lambd.services.service import Contexts, Service
from lambd.services.tagging import tag_handlers
from lambd.store.database import Database

_TARGET_TRACKING = "TargetTrackingScaling"
# Target values that Lambda allows (Lambda Developer Guide).
_TARGET_MIN, _TARGET_MAX = 0.1, 0.9
# Results of a page at most, which is also without a number asked for.
_PAGE, _PAGE_OF_POLICIES = 50, 10

_Params = Mapping[str, Any]


class AutoscalingApi:
    """Answers Application Auto Scaling operations; safe for concurrent calls."""

    def __init__(self, database: Database, contexts: Contexts) -> None:
        self._database = database
        self._contexts = contexts

    def service(self) -> Service:
        """The operations that are answered."""
        return Service(
            errors=error_table(),
            contexts=self._contexts,
            handlers={
                "DeleteScalingPolicy": self._delete_scaling_policy,
                "DeleteScheduledAction": self._delete_scheduled_action,
                "DeregisterScalableTarget": self._deregister_scalable_target,
                "DescribeScalableTargets": self._describe_scalable_targets,
                "DescribeScalingActivities": self._describe_scaling_activities,
                "DescribeScalingPolicies": self._describe_scaling_policies,
                "DescribeScheduledActions": self._describe_scheduled_actions,
                "PutScalingPolicy": self._put_scaling_policy,
                "PutScheduledAction": self._put_scheduled_action,
                "RegisterScalableTarget": self._register_scalable_target,
                **tag_handlers(
                    autoscaling.TAGGING, self._database, arn_member="ResourceARN", is_list=False
                ),
            },
        )

    # -- targets

    async def _register_scalable_target(self, context: ControlContext, params: _Params) -> Members:
        suspended = params.get("SuspendedState", {})
        changes = TargetChanges(
            min_capacity=params.get("MinCapacity"),
            max_capacity=params.get("MaxCapacity"),
            scale_in_suspended=suspended.get("DynamicScalingInSuspended"),
            scale_out_suspended=suspended.get("DynamicScalingOutSuspended"),
            scheduled_suspended=suspended.get("ScheduledScalingSuspended"),
            tags=params.get("Tags"),
        )
        target = await self._database.run(
            autoscaling.register_target, context, _resource_of(params), changes
        )
        return {"ScalableTargetARN": target_arn(context.scope, target)}

    async def _deregister_scalable_target(
        self, context: ControlContext, params: _Params
    ) -> Members:
        await self._database.run(autoscaling.deregister_target, _resource_of(params))
        return {}

    async def _describe_scalable_targets(self, context: ControlContext, params: _Params) -> Members:
        _check_filter(params)
        page = await self._database.read(
            list_targets,
            params.get("ResourceIds", []),
            marker=params.get("NextToken"),
            limit=_page_size(params, _PAGE),
        )
        scope = context.scope
        targets = [target_members(target, scope) for target in page.items]
        return {"ScalableTargets": targets, "NextToken": page.next_marker}

    # -- policies

    async def _put_scaling_policy(self, context: ControlContext, params: _Params) -> Members:
        resource_id = _resource_of(params)
        policy = await self._database.run(
            autoscaling.put_policy,
            context,
            resource_id,
            params["PolicyName"],
            _tracking_of(params),
            may_create="PolicyType" in params,
        )
        return {
            "PolicyARN": policy_arn(policy, context.scope),
            "Alarms": alarm_members(policy, context.scope),
        }

    async def _delete_scaling_policy(self, context: ControlContext, params: _Params) -> Members:
        await self._database.run(
            autoscaling.delete_policy, _resource_of(params), params["PolicyName"]
        )
        return {}

    async def _describe_scaling_policies(self, context: ControlContext, params: _Params) -> Members:
        _check_filter(params)
        page = await self._database.read(
            list_policies,
            resource_id=params.get("ResourceId"),
            names=params.get("PolicyNames", []),
            marker=params.get("NextToken"),
            limit=_page_size(params, _PAGE_OF_POLICIES),
        )
        scope = context.scope
        policies = [policy_members(policy, scope) for policy in page.items]
        return {"ScalingPolicies": policies, "NextToken": page.next_marker}

    # -- scheduled actions

    async def _put_scheduled_action(self, context: ControlContext, params: _Params) -> Members:
        resource_id = _resource_of(params)
        bounds = params.get("ScalableTargetAction")
        changes = ActionChanges(
            schedule=params.get("Schedule"),
            timezone=params.get("Timezone"),
            start_at=params.get("StartTime"),
            end_at=params.get("EndTime"),
            bounds=bounds and (bounds.get("MinCapacity"), bounds.get("MaxCapacity")),
        )
        await self._database.run(
            scheduled_actions.put_action,
            context,
            resource_id,
            params["ScheduledActionName"],
            changes,
        )
        return {}

    async def _delete_scheduled_action(self, context: ControlContext, params: _Params) -> Members:
        await self._database.run(
            scheduled_actions.delete_action, _resource_of(params), params["ScheduledActionName"]
        )
        return {}

    async def _describe_scheduled_actions(
        self, context: ControlContext, params: _Params
    ) -> Members:
        _check_filter(params)
        page = await self._database.read(
            list_actions,
            resource_id=params.get("ResourceId"),
            names=params.get("ScheduledActionNames", []),
            marker=params.get("NextToken"),
            limit=_page_size(params, _PAGE),
        )
        scope = context.scope
        actions = [action_members(action, scope) for action in page.items]
        return {"ScheduledActions": actions, "NextToken": page.next_marker}

    # -- activities

    async def _describe_scaling_activities(
        self, context: ControlContext, params: _Params
    ) -> Members:
        _check_filter(params)
        page = await self._database.read(
            list_activities,
            resource_id=params.get("ResourceId"),
            with_not_scaled=params.get("IncludeNotScaledActivities", False),
            marker=params.get("NextToken"),
            limit=_page_size(params, _PAGE),
        )
        activities = [activity_members(activity) for activity in page.items]
        return {"ScalingActivities": activities, "NextToken": page.next_marker}


def _resource_of(params: _Params) -> str:
    """The resource that an operation is for.

    Raises:
        InvalidParameterError: it is no provisioned concurrency of a version or an alias.
    """
    kind = (params["ServiceNamespace"], params["ScalableDimension"])
    if kind != (NAMESPACE, DIMENSION):
        raise InvalidParameterError(UNSUPPORTED)
    resource_id: str = params["ResourceId"]
    parse_resource_id(resource_id)
    return resource_id


def _check_filter(params: _Params) -> None:
    """Raise InvalidParameterError unless a list can be of what is asked for."""
    dimension = params.get("ScalableDimension", DIMENSION)
    if (params["ServiceNamespace"], dimension) != (NAMESPACE, DIMENSION):
        raise InvalidParameterError(UNSUPPORTED)
    resource_ids = params.get("ResourceIds") or params.get("ResourceId")
    if "ScalableDimension" in params and not resource_ids:
        # The rule is AWS's, the text is not known.
        raise InvalidParameterError("A scalable dimension needs a resource ID beside it")


def _page_size(params: _Params, most: int) -> int:
    size: int = params.get("MaxResults", most)
    if not 1 <= size <= most:
        # AWS's own text is not known.
        raise InvalidParameterError(f"MaxResults must be between 1 and {most}")
    return size


def _tracking_of(params: _Params) -> TargetTracking | None:
    """The configuration of a policy; None: there is none in the request.

    Raises:
        InvalidParameterError: another type of policy, or of metric.
    """
    kind = params.get("PolicyType")
    for other in ("StepScaling", "PredictiveScaling"):
        # Neither is to be had for Lambda on AWS; its text is not known.
        if kind == other or f"{other}PolicyConfiguration" in params:
            raise InvalidParameterError(
                f"The policy type {other} is not supported for {DIMENSION}: use {_TARGET_TRACKING}"
            )
    config = params.get(f"{_TARGET_TRACKING}PolicyConfiguration")
    if config is None:
        return None
    _check_metric(config)
    return TargetTracking(
        target_value=config["TargetValue"],
        scale_out_cooldown_s=_cooldown(config, "ScaleOutCooldown"),
        scale_in_cooldown_s=_cooldown(config, "ScaleInCooldown"),
        disable_scale_in=config.get("DisableScaleIn"),
    )


def _check_metric(config: _Params) -> None:
    if "CustomizedMetricSpecification" in config:
        raise InvalidParameterError(
            f"CustomizedMetricSpecification is not supported by lambd: use the predefined metric "
            f"{METRIC}"
        )
    predefined = config.get("PredefinedMetricSpecification", {})
    if predefined.get("PredefinedMetricType") != METRIC:
        raise InvalidParameterError(f"The predefined metric for {DIMENSION} is {METRIC}")
    if "ResourceLabel" in predefined:
        raise InvalidParameterError(f"ResourceLabel is not valid for {METRIC}")
    if not _TARGET_MIN <= config["TargetValue"] <= _TARGET_MAX:
        raise InvalidParameterError(
            f"TargetValue must be between {_TARGET_MIN} and {_TARGET_MAX} for {METRIC}"
        )


def _cooldown(config: _Params, name: str) -> int | None:
    seconds: int | None = config.get(name)
    if seconds is not None and seconds < 0:
        raise InvalidParameterError(f"{name} must not be negative")
    return seconds
