"""What is done when a schedule or a rule is due: one dispatch for each target, and the next time.

Both in one transaction, so an occurrence is neither lost nor dispatched twice, whenever the
platform is killed. What came due while nobody was there is made up for as far as AWS would still
have delivered it: the latest occurrence that was missed is dispatched once, and given up at once if
it is older than the retry policy's event age.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from lambd.control.context import ControlContext
from lambd.model.arns import parse_function_reference
from lambd.model.schedules import ScheduleSyntaxError
from lambd.services.dispatch.function_targets import schedule_function
from lambd.services.dispatch.model import Dispatch, RetryPolicy, Source, scheduled_event
from lambd.services.dispatch.occurrences import (
    Draw,
    Occurrence,
    Timing,
    latest_missed,
    next_occurrence,
)
from lambd.services.dispatch.rows import add_dispatch
from lambd.services.eventbridge import rows as rules
from lambd.services.eventbridge.model import Rule, rule_arn
from lambd.services.eventbridge.targets import target_input
from lambd.services.scheduler import rows as named_schedules
from lambd.services.scheduler.model import NamedSchedule, schedule_arn
from lambd.store.database import Connection
from lambd.store.functions import new_id

# Schedules, and rules, of one transaction: it should not keep the writer from others for long.
BATCH = 100


def dispatch_due(connection: Connection, context: ControlContext, draw: Draw) -> None:
    """Dispatch what is due, a batch at a time, and plan what is next."""
    for schedule in named_schedules.due_schedules(connection, context.now, BATCH):
        _dispatch_schedule(connection, context, schedule, draw)
    for rule in rules.due_rules(connection, context.now, BATCH):
        _dispatch_rule(connection, context, rule, draw)


def _dispatch_schedule(
    connection: Connection, context: ControlContext, schedule: NamedSchedule, draw: Draw
) -> None:
    assert schedule.next is not None  # noqa: S101 - it is due
    current, following = _advance(schedule.timing, schedule.next, context.now, draw)
    add_dispatch(connection, _schedule_dispatch(context, schedule, current))
    if following is None and schedule.deletes_itself:
        named_schedules.delete_schedule(connection, schedule)
    else:
        named_schedules.put_schedule(connection, replace(schedule, next=following))


def _dispatch_rule(connection: Connection, context: ControlContext, rule: Rule, draw: Draw) -> None:
    assert rule.next_at is not None  # noqa: S101 - it is due
    planned = Occurrence(rule.next_at, rule.next_at)
    current, following = _advance(rule.timing, planned, context.now, draw)
    for dispatch in _rule_dispatches(connection, context, rule, current.at):
        add_dispatch(connection, dispatch)
    rules.put_rule(connection, replace(rule, next_at=following.at if following else None))


def _advance(
    timing: Timing, planned: Occurrence, now: datetime, draw: Draw
) -> tuple[Occurrence, Occurrence | None]:
    """The occurrence to dispatch, and the one that follows."""
    try:
        latest = latest_missed(timing, planned.at, now)
        following = next_occurrence(timing, after=latest, now=now, draw=draw)
    except ScheduleSyntaxError:
        # Zones are renamed now and then; one that is gone must not keep others from their time.
        return planned, None
    current = planned if latest == planned.at else Occurrence(latest, latest + timing.window)
    return current, following


def _schedule_dispatch(
    context: ControlContext, schedule: NamedSchedule, current: Occurrence
) -> Dispatch:
    scope, target = context.scope, schedule.target
    arn = schedule_arn(scope, schedule.group_name, schedule.name)
    function = schedule_function(target, scope)
    request_id = new_id()
    event = target.input or scheduled_event(Source.SCHEDULE, arn, request_id, current.at, scope)
    return Dispatch(
        source=Source.SCHEDULE,
        source_arn=arn,
        target_arn=target.arn,
        function_name=function.name,
        qualifier=function.qualifier,
        role_arn=target.role_arn,
        request_id=request_id,
        execution_id=secrets.token_hex(8),
        input=event,
        scheduled_at=current.at,
        expires_at=_expiry(current.due_at, target.retry),
        max_retries=target.retry.max_retries,
        dead_letter_arn=target.dead_letter_arn,
        due_at=context.now,
    )


def _rule_dispatches(
    connection: Connection, context: ControlContext, rule: Rule, at: datetime
) -> list[Dispatch]:
    scope = context.scope
    arn = rule_arn(scope, rule.name)
    event_id = new_id()
    event = scheduled_event(Source.RULE, arn, event_id, at, scope)
    dispatches = []
    for target in rules.targets_of(connection, rule):
        function = parse_function_reference(target.arn, scope)
        dispatch = Dispatch(
            source=Source.RULE,
            source_arn=arn,
            target_arn=target.arn,
            function_name=function.name,
            qualifier=function.qualifier,
            role_arn=None,
            request_id=new_id(),
            execution_id=event_id,
            input=target_input(rule, target, event, scope, context.now),
            scheduled_at=at,
            expires_at=_expiry(at, target.retry),
            max_retries=target.retry.max_retries,
            dead_letter_arn=target.dead_letter_arn,
            due_at=context.now,
        )
        dispatches.append(dispatch)
    return dispatches


def _expiry(since: datetime, retry: RetryPolicy) -> datetime:
    return since + timedelta(seconds=retry.max_age_s)
