"""EventBridge's verbs on scheduled rules, and on their tags.

Source: its API reference; texts are AWS's where they were found in public reports, and marked where
not. `targets.py` has the targets, `dispatching.py` what is done when a rule is due.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from lambd.control.context import ControlContext
from lambd.model.errors import (
    InvalidParameterError,
    NotFoundError,
    QuotaExceededError,
)
from lambd.model.limits import RULES
from lambd.model.schedule_expressions import At, ScheduleSyntaxError, parse_schedule
from lambd.model.tags import check_tags
from lambd.services.dispatch.occurrences import time_after
from lambd.services.eventbridge import rows
from lambd.services.eventbridge.model import DEFAULT_BUS, Rule, rule_arn
from lambd.services.tagging import Tagging
from lambd.store.database import Connection

TOO_MANY = "The requested resource exceeds the maximum number allowed."
# Rules, unlike the Scheduler, want the unit's number to agree: `1 minute`, `2 minutes`.
_RATE = re.compile(r"rate\((1 (minute|hour|day)|(?!1 )\d+ (minutes|hours|days))\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRequest:
    """All that a rule is to be; the tags count for a new one only."""

    name: str
    description: str | None
    expression: str
    is_enabled: bool
    tags: Mapping[str, str]


def require_rule(connection: Connection, name: str) -> Rule:
    """The rule with this name.

    Raises:
        NotFoundError: there is none.
    """
    rule = rows.get_rule(connection, name)
    if rule is None:
        raise NotFoundError(f"Rule {name} does not exist on EventBus {DEFAULT_BUS}.")
    return rule


def put_rule(connection: Connection, context: ControlContext, request: RuleRequest) -> None:
    """Create a rule, or replace all that one is but its tags and targets.

    Raises:
        InvalidParameterError: the expression is none of a rule's, or the tags are not allowed.
        QuotaExceededError: there are as many as there may be.
    """
    _check_expression(request.expression)
    old = rows.get_rule(connection, request.name)
    if old is None:
        if rows.count_rules(connection) >= RULES:
            raise QuotaExceededError(TOO_MANY)
        check_tags(request.tags, context.limits.tags_per_resource)
    is_same = old is not None and old.expression == request.expression
    rule = Rule(
        id=old.id if old else 0,
        name=request.name,
        description=request.description,
        expression=request.expression,
        is_enabled=request.is_enabled,
        tags=old.tags if old else request.tags,
        anchor_at=old.anchor_at if old and is_same else context.now,
        next_at=old.next_at if old and is_same else None,
    )
    rows.put_rule(connection, replace(rule, next_at=_next(rule, context.now)))


def enable_rule(
    connection: Connection, context: ControlContext, name: str, *, is_enabled: bool
) -> None:
    """Enable a rule or disable it; raises NotFoundError."""
    rule = replace(require_rule(connection, name), is_enabled=is_enabled)
    rows.put_rule(connection, replace(rule, next_at=_next(rule, context.now)))


def delete_rule(connection: Connection, name: str) -> None:
    """Remove a rule; one that is not there is removed already, as on AWS.

    Raises:
        InvalidParameterError: it has targets.
    """
    rule = rows.get_rule(connection, name)
    if rule is None:
        return
    if rows.targets_of(connection, rule):
        raise InvalidParameterError("Rule can't be deleted since it has targets.")
    rows.delete_rule(connection, rule)


def _check_expression(expression: str) -> None:
    try:
        schedule = parse_schedule(expression)
    except ScheduleSyntaxError as error:
        raise InvalidParameterError("Parameter ScheduleExpression is not valid.") from error
    is_rate = expression.startswith("rate")
    if isinstance(schedule, At) or (is_rate and _RATE.fullmatch(expression) is None):
        raise InvalidParameterError("Parameter ScheduleExpression is not valid.")


def _next(rule: Rule, now: datetime) -> datetime | None:
    if not rule.is_enabled:
        return None
    return rule.next_at or time_after(rule.timing, now)


# --- tags -------------------------------------------------------------------------------------


def _rule_of(connection: Connection, context: ControlContext, arn: str) -> Rule:
    # A rule may also be named with its bus.
    name = arn.rpartition("/")[2]
    plain = rule_arn(context.scope, name)
    if arn not in (plain, rule_arn(context.scope, f"{DEFAULT_BUS}/{name}")):
        # AWS's own text is not known.
        raise NotFoundError(f"Rule {arn} does not exist.")
    return require_rule(connection, name)


def _put_tags(
    connection: Connection, context: ControlContext, rule: Rule, tags: Mapping[str, str]
) -> None:
    rows.put_rule(connection, replace(rule, tags=tags))


TAGGING = Tagging(_rule_of, _put_tags)
