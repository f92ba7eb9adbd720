"""Schedules of EventBridge Scheduler, their groups and targets, as values.

The words `at`, `rate` and `cron` are `schedule_expressions.py`'s; these are the resources that have them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lambd.model.arns import Scope
from lambd.services.dispatch.model import RetryPolicy
from lambd.services.dispatch.occurrences import Occurrence, Timing

DEFAULT_GROUP = "default"
# The target that stands for Lambda's Invoke, whose request is the input.
INVOKE_TARGET = "arn:aws:scheduler:::aws-sdk:lambda:invoke"
_INVOKE_MEMBERS = frozenset({"FunctionName", "InvocationType", "Payload", "Qualifier"})


class InvokeInputError(ValueError):
    """The input of the universal target is not a request that is served; the message tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleGroup:
    """A group of schedules, which has the tags and goes with all that is in it."""

    id: int = 0
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTarget:
    """What a schedule invokes, and as whom."""

    arn: str
    role_arn: str
    input: str | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dead_letter_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule of EventBridge Scheduler."""

    id: int = 0
    group_id: int
    group_name: str
    name: str
    description: str | None
    timing: Timing
    is_enabled: bool
    target: ScheduleTarget
    deletes_itself: bool
    created_at: datetime
    modified_at: datetime
    # None: never again, or disabled.
    next: Occurrence | None = None


def group_arn(scope: Scope, name: str) -> str:
    """`arn:aws:scheduler:<region>:<account>:schedule-group/<name>`."""
    return f"{_service(scope)}:schedule-group/{name}"


def schedule_arn(scope: Scope, group_name: str, name: str) -> str:
    """`arn:aws:scheduler:<region>:<account>:schedule/<group>/<name>`."""
    return f"{_service(scope)}:schedule/{group_name}/{name}"


def _service(scope: Scope) -> str:
    return f"arn:{scope.partition}:scheduler:{scope.region}:{scope.account_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeInput:
    """A request of Lambda's Invoke, as an input of the universal target has it."""

    function_name: str
    qualifier: str | None
    payload: str


def parse_invoke_input(text: str) -> InvokeInput:
    """Read the input of the universal target.

    Raises:
        InvokeInputError: it is no request, or another than for an asynchronous invocation.
    """
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        raise InvokeInputError("JSON syntax error in input for the target") from None
    if not isinstance(request, dict):
        raise InvokeInputError("The input of lambda:invoke must be a JSON object")
    if unknown := request.keys() - _INVOKE_MEMBERS:
        raise InvokeInputError(f"{min(unknown)} is not supported for lambda:invoke by lambd")
    # AWS would wait for a synchronous invocation, and throw its answer away.
    if request.get("InvocationType") != "Event":
        raise InvokeInputError("InvocationType of lambda:invoke must be Event: lambd does not wait")
    name, qualifier = request.get("FunctionName"), request.get("Qualifier")
    if not isinstance(name, str) or not isinstance(qualifier, str | None):
        raise InvokeInputError("FunctionName of lambda:invoke must be specified")
    payload = request.get("Payload", "")
    if not isinstance(payload, str):
        raise InvokeInputError("Payload of lambda:invoke must be a string that holds JSON")
    return InvokeInput(function_name=name, qualifier=qualifier, payload=payload)
