"""EventBridge Scheduler's values in the shapes of its model."""

from __future__ import annotations

from typing import Any

from lambd.model.arns import Scope
from lambd.services.scheduler.model import Schedule, ScheduleGroup, group_arn, schedule_arn

Members = dict[str, Any]


def schedule_members(schedule: Schedule, scope: Scope) -> Members:
    """`GetScheduleOutput`."""
    timing, target = schedule.timing, schedule.target
    minutes = timing.window_minutes
    dead_letters = target.dead_letter_arn
    return {
        **_common_members(schedule, scope),
        "ScheduleExpression": timing.expression,
        "ScheduleExpressionTimezone": timing.timezone,
        "StartDate": timing.start_at,
        "EndDate": timing.end_at,
        "Description": schedule.description,
        "Target": {
            "Arn": target.arn,
            "RoleArn": target.role_arn,
            "Input": target.input,
            "RetryPolicy": {
                "MaximumEventAgeInSeconds": target.retry.max_age_s,
                "MaximumRetryAttempts": target.retry.max_retries,
            },
            "DeadLetterConfig": None if dead_letters is None else {"Arn": dead_letters},
        },
        "FlexibleTimeWindow": (
            {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes} if minutes else {"Mode": "OFF"}
        ),
        "ActionAfterCompletion": "DELETE" if schedule.deletes_itself else "NONE",
    }


def summary_members(schedule: Schedule, scope: Scope) -> Members:
    """`ScheduleSummary`."""
    return {**_common_members(schedule, scope), "Target": {"Arn": schedule.target.arn}}


def _common_members(schedule: Schedule, scope: Scope) -> Members:
    return {
        "Arn": schedule_arn(scope, schedule.group_name, schedule.name),
        "GroupName": schedule.group_name,
        "Name": schedule.name,
        "State": "ENABLED" if schedule.is_enabled else "DISABLED",
        "CreationDate": schedule.created_at,
        "LastModificationDate": schedule.modified_at,
    }


def group_members(group: ScheduleGroup, scope: Scope) -> Members:
    """`GetScheduleGroupOutput`, which `ScheduleGroupSummary` is as well."""
    return {
        "Arn": group_arn(scope, group.name),
        "Name": group.name,
        "State": "ACTIVE",
        "CreationDate": group.created_at,
        "LastModificationDate": group.modified_at,
    }
