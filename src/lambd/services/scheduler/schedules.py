"""EventBridge Scheduler's verbs on schedules: create, update, delete.

Source: its API reference and User Guide; texts are AWS's where they were found in public reports,
and marked where not. What is done when they are due is `source.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lambd.control.context import ControlContext
from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    QuotaExceededError,
)
from lambd.model.limits import SCHEDULES
from lambd.model.schedule_expressions import (
    At,
    ScheduleSyntaxError,
    parse_schedule,
    parse_zone,
)
from lambd.services.dispatch.occurrences import Draw, Occurrence, Timing, next_occurrence
from lambd.services.scheduler import rows
from lambd.services.scheduler.groups import require_group
from lambd.services.scheduler.model import Schedule, ScheduleGroup, ScheduleTarget
from lambd.services.scheduler.targets import check_schedule_target
from lambd.store.database import Connection

_INSTANT = timedelta(microseconds=1)
# AWS runs schedules to the minute: one for this very minute is not in the past.
_PRECISION = timedelta(minutes=1)
_START_LENIENCY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """All that a schedule is to be."""

    group_name: str
    name: str
    description: str | None
    expression: str
    timezone: str
    start_at: datetime | None
    end_at: datetime | None
    is_flexible: bool
    # None: not said.
    window_minutes: int | None
    is_enabled: bool
    target: ScheduleTarget
    deletes_itself: bool


def require_schedule(connection: Connection, group_name: str, name: str) -> Schedule:
    """The schedule of a group with this name.

    Raises:
        NotFoundError: there is no such schedule, or no such group.
    """
    require_group(connection, group_name)
    schedule = rows.get_schedule(connection, group_name, name)
    if schedule is None:
        raise NotFoundError(f"Schedule {name} does not exist.")
    return schedule


def create_schedule(
    connection: Connection, context: ControlContext, request: ScheduleRequest, draw: Draw
) -> None:
    """Create a schedule.

    Raises:
        NotFoundError: no such group.
        ConflictError: the group has a schedule with this name.
        InvalidParameterError: the times, the window or the target cannot be.
        QuotaExceededError: there are as many as there may be.
    """
    group = require_group(connection, request.group_name)
    if rows.get_schedule(connection, group.name, request.name) is not None:
        raise ConflictError(f"Schedule {request.name} already exists.")
    if rows.count_schedules(connection) >= SCHEDULES:
        # AWS's own text is not known.
        raise QuotaExceededError(f"There can be {SCHEDULES} schedules at most.")
    timing = _timing(request, context.now)
    _check(context, request, timing)
    planned = _first(timing, context.now, draw)
    if planned is None and _is_one_time(request):
        raise _invalid_expression(request)
    schedule = _schedule(group, request, timing, context.now)
    rows.put_schedule(connection, replace(schedule, next=planned if request.is_enabled else None))


def update_schedule(
    connection: Connection, context: ControlContext, request: ScheduleRequest, draw: Draw
) -> None:
    """Replace all that a schedule is; an occurrence that is planned stays if its times do.

    Raises:
        NotFoundError: no such schedule, or group.
        InvalidParameterError: the times, the window or the target cannot be.
    """
    old = require_schedule(connection, request.group_name, request.name)
    group = require_group(connection, request.group_name)
    timing = _timing(request, old.timing.anchor_at)
    is_new = replace(timing, window_minutes=0) != replace(old.timing, window_minutes=0)
    if is_new:
        timing = replace(timing, anchor_at=context.now)
    _check(context, request, timing)
    planned = old.next
    if is_new:
        planned = _first(timing, context.now, draw)
        if planned is None and _is_one_time(request):
            raise _invalid_expression(request)
    elif timing != old.timing or not old.is_enabled:
        planned = next_occurrence(timing, after=context.now, now=context.now, draw=draw)
    schedule = replace(
        _schedule(group, request, timing, context.now), id=old.id, created_at=old.created_at
    )
    rows.put_schedule(connection, replace(schedule, next=planned if request.is_enabled else None))


def delete_schedule(connection: Connection, group_name: str, name: str) -> None:
    """Remove a schedule; what is on its way to its target goes on.

    Raises:
        NotFoundError: no such schedule, or group.
    """
    rows.delete_schedule(connection, require_schedule(connection, group_name, name))


def _schedule(
    group: ScheduleGroup, request: ScheduleRequest, timing: Timing, now: datetime
) -> Schedule:
    return Schedule(
        group_id=group.id,
        group_name=group.name,
        name=request.name,
        description=request.description,
        timing=timing,
        is_enabled=request.is_enabled,
        target=request.target,
        deletes_itself=request.deletes_itself,
        created_at=now,
        modified_at=now,
    )


def _timing(request: ScheduleRequest, anchor_at: datetime) -> Timing:
    return Timing(
        expression=request.expression,
        timezone=request.timezone,
        start_at=request.start_at,
        end_at=request.end_at,
        anchor_at=anchor_at,
        begins_at_once=True,
        window_minutes=request.window_minutes or 0,
    )


def _first(timing: Timing, now: datetime, draw: Draw) -> Occurrence | None:
    """The first occurrence of a schedule whose times are new."""
    is_one_time = isinstance(parse_schedule(timing.expression), At)
    after = now - (_PRECISION if is_one_time else _INSTANT)
    return next_occurrence(timing, after=after, now=now, draw=draw)


# --- checks -----------------------------------------------------------------------------------


def _is_one_time(request: ScheduleRequest) -> bool:
    return isinstance(parse_schedule(request.expression), At)


def _invalid_expression(request: ScheduleRequest) -> InvalidParameterError:
    return InvalidParameterError(f"Invalid Schedule Expression {request.expression}.")


def _check(context: ControlContext, request: ScheduleRequest, timing: Timing) -> None:
    try:
        schedule = parse_schedule(request.expression)
    except ScheduleSyntaxError as error:
        raise _invalid_expression(request) from error
    try:
        parse_zone(request.timezone)
    except ScheduleSyntaxError as error:
        # AWS's own text is not known.
        raise InvalidParameterError(
            f"Invalid ScheduleExpressionTimezone {request.timezone}."
        ) from error
    if not isinstance(schedule, At):
        _check_bounds(timing, context.now)
    _check_window(request)
    check_schedule_target(request.target, context.scope)


def _check_bounds(timing: Timing, now: datetime) -> None:
    start, end = timing.start_at, timing.end_at
    if start is not None and start < now - _START_LENIENCY:
        raise InvalidParameterError(
            "The StartDate you specify cannot be earlier than 5 minutes ago."
        )
    if start is not None and end is not None and start >= end:
        raise InvalidParameterError("The StartDate you specify must come before the EndDate.")


def _check_window(request: ScheduleRequest) -> None:
    if request.is_flexible and request.window_minutes is None:
        raise InvalidParameterError(
            "MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE"
        )
    if not request.is_flexible and request.window_minutes is not None:
        raise InvalidParameterError(
            "MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF"
        )
