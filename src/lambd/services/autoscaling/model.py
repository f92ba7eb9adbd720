"""Application Auto Scaling of provisioned concurrency as values. Source: its API reference.

A scalable target is a version or an alias with bounds; a policy keeps its utilisation near a value
(`target_tracking.py`), scheduled actions change its bounds; activities tell what was done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lambd.model.arns import FunctionReference
from lambd.model.errors import InvalidParameterError
from lambd.model.schedule_expressions import At, next_time, parse_schedule, parse_zone

# The only ones there are here, of AWS's many.
NAMESPACE = "lambda"
DIMENSION = "lambda:function:ProvisionedConcurrency"
METRIC = "LambdaProvisionedConcurrencyUtilization"

# AWS's own texts.
UNSUPPORTED = "Unsupported service namespace, resource type or scalable dimension"
MAX_BELOW_MIN = "Maximum capacity cannot be less than minimum capacity"

_RESOURCE_ID = re.compile(
    r"function:(?P<name>[a-zA-Z0-9-_]{1,64}):(?P<qualifier>[a-zA-Z0-9-_]{1,128})"
)


def parse_resource_id(text: str) -> FunctionReference:
    """The version or alias in `function:NAME:QUALIFIER`.

    Raises:
        InvalidParameterError: it is none; `$LATEST` cannot be scaled.
    """
    match = _RESOURCE_ID.fullmatch(text)
    if match is None:
        raise InvalidParameterError(UNSUPPORTED)
    return FunctionReference(name=match["name"], qualifier=match["qualifier"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedState:
    """Which kinds of scaling do not happen for now."""

    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalableTarget:
    """A version or alias whose provisioned concurrency is kept within bounds."""

    id: int
    # `function:NAME:QUALIFIER`.
    resource_id: str
    # Last part of its ARN.
    arn_id: str
    min_capacity: int
    max_capacity: int
    suspended: SuspendedState = SuspendedState()
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTracking:
    """What a policy does; None: never said."""

    # Share of the provisioned concurrency that is in use.
    target_value: float
    scale_out_cooldown_s: int | None = None
    scale_in_cooldown_s: int | None = None
    disable_scale_in: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPolicy:
    """A target tracking policy of a target."""

    id: int
    target_id: int
    resource_id: str
    uuid: str
    name: str
    tracking: TargetTracking
    # The last parts of its alarms' names.
    high_alarm_id: str
    low_alarm_id: str
    created_at: datetime
    # The last time that it scaled, and the capacity that it scaled out from.
    scaled_out_at: datetime | None = None
    scaled_out_from: int | None = None
    scaled_in_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledAction:
    """New bounds for a target, when a schedule is due."""

    id: int
    target_id: int
    resource_id: str
    uuid: str
    name: str
    # The expression, and the zone of its clock, as they were given.
    schedule: str
    timezone: str | None
    start_at: datetime | None
    end_at: datetime | None
    # At least one of the two.
    min_capacity: int | None
    max_capacity: int | None
    created_at: datetime
    # Rates count from here, unless there is a start.
    anchor_at: datetime
    # None: never again.
    next_at: datetime | None = None

    def next_after(self, after: datetime) -> datetime | None:
        """When it is due next.

        A recurring schedule is also due at its start; after its end nothing is.

        Raises:
            ScheduleSyntaxError: its expression or its zone is none.
        """
        schedule = parse_schedule(self.schedule)
        zone = parse_zone(self.timezone or "UTC")
        start = self.start_at
        due: datetime | None
        if start is not None and start > after and not isinstance(schedule, At):
            due = start
        else:
            anchor = start or self.anchor_at
            due = next_time(schedule, after=after, anchor=anchor, zone=zone)
            if due is not None and start is not None and due < start:
                return None
        if due is not None and self.end_at is not None and due > self.end_at:
            return None
        return due


class ActivityStatus(StrEnum):
    """`StatusCode` of a scaling activity."""

    IN_PROGRESS = "InProgress"
    SUCCESSFUL = "Successful"
    OVERRIDDEN = "Overridden"
    UNFULFILLED = "Unfulfilled"
    FAILED = "Failed"


class NotScaledCode(StrEnum):
    """Why an alarm changed nothing."""

    AT_MAX = "AlreadyAtMaxCapacity"
    AT_MIN = "AlreadyAtMinCapacity"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingActivity:
    """Something that was done, tried or left, for a target."""

    id: int = 0
    uuid: str
    resource_id: str
    description: str
    cause: str
    started_at: datetime
    ended_at: datetime | None = None
    status: ActivityStatus
    status_message: str
    # Set when nothing was tried; then with the capacity of that time.
    not_scaled: NotScaledCode | None = None
    capacity: int
    # Of the allocation that it waits for.
    allocation_id: str | None = None
