"""What the dispatcher is given of a rule: its occurrences, an event for each target, its words.

Sources: EventBridge User Guide, "Using dead-letter queues", for the error codes; the event is as
recorded from AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from lambd.access import principals
from lambd.control.context import ControlContext
from lambd.model import errors
from lambd.model.arns import Scope, parse_function_reference
from lambd.model.errors import PlatformError
from lambd.model.policies import Principal
from lambd.services.dispatch.model import Dispatch, written_time
from lambd.services.dispatch.occurrences import Draw, Occurrence, advance, brought_forward
from lambd.services.eventbridge import rows
from lambd.services.eventbridge.model import Rule, RuleTarget, rule_arn
from lambd.services.eventbridge.targets import target_input
from lambd.store.database import Connection
from lambd.telemetry.ids import new_id

# Rules of one transaction: it should not keep the writer from others for long.
BATCH = 100

_SERVICE = principals.service("events.amazonaws.com")
_CODES: Mapping[type[PlatformError], str] = {
    # What all others fall back on.
    PlatformError: "INTERNAL_ERROR",
    errors.AccessDeniedError: "NO_PERMISSIONS",
    # The function is being created, or could not be.
    errors.ConflictError: "ERROR_FROM_TARGET",
    errors.InvalidParameterError: "INVALID_PARAMETER",
    errors.InvalidRequestContentError: "INVALID_JSON",
    errors.NotFoundError: "NO_RESOURCE",
    errors.RequestTooLargeError: "INVALID_PARAMETER",
    errors.ThrottledError: "THROTTLING",
}


class RuleSource:
    """See the module header. Implements `DispatchSource`."""

    name = "rule"

    def next_due(self, connection: Connection) -> datetime | None:
        """When the first of the rules is due."""
        return rows.next_due(connection)

    def take_due(
        self, connection: Connection, context: ControlContext, draw: Draw
    ) -> list[Dispatch]:
        """A dispatch for each target of the rules that are due."""
        dispatches = []
        for rule in rows.due_rules(connection, context.now, BATCH):
            assert rule.next_at is not None  # noqa: S101 - it is due
            planned = Occurrence(rule.next_at, rule.next_at)
            current, following = advance(rule.timing, planned, context.now, draw)
            event_id = new_id()
            event = scheduled_event(
                rule_arn(context.scope, rule.name), event_id, current.at, context.scope
            )
            for target in rows.targets_of(connection, rule):
                text = target_input(rule, target, event, context.scope, context.now)
                dispatches.append(_dispatch(context, rule, target, event_id, current.at, text))
            rows.put_rule(connection, replace(rule, next_at=following.at if following else None))
        return dispatches

    def plan_anew(self, connection: Connection, context: ControlContext, draw: Draw) -> None:
        """Bring forward the rules that were planned by a clock that was ahead."""
        for rule in rows.planned_after(connection, context.now):
            assert rule.next_at is not None  # noqa: S101 - it is planned
            planned = Occurrence(rule.next_at, rule.next_at)
            sooner = brought_forward(rule.timing, planned, context.now, draw)
            if sooner is not None:
                timing, following = sooner
                stored = replace(rule, anchor_at=timing.anchor_at, next_at=following.at)
                rows.put_rule(connection, stored)

    def principal(self, dispatch: Dispatch, scope: Scope) -> Principal:
        """The service, which only the function's resource policy can allow."""
        return _SERVICE

    def payload(self, dispatch: Dispatch) -> bytes:
        """The input as it is."""
        return dispatch.input.encode()

    def error_code(self, error: PlatformError) -> str:
        """One of EventBridge's own."""
        return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)

    def dead_letter(self, dispatch: Dispatch) -> tuple[str, dict[str, str]]:
        """The event, and whose it is."""
        return dispatch.input, {"RULE_ARN": dispatch.source_arn}


def scheduled_event(source_arn: str, event_id: str, at: datetime, scope: Scope) -> str:
    """The event of an occurrence."""
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": scope.account_id,
        "time": written_time(at),
        "region": scope.region,
        "resources": [source_arn],
        "detail": {},
    }
    return json.dumps(event, separators=(",", ":"))


def _dispatch(
    context: ControlContext, rule: Rule, target: RuleTarget, event_id: str, at: datetime, text: str
) -> Dispatch:
    function = parse_function_reference(target.arn, context.scope)
    return Dispatch(
        source=RuleSource.name,
        source_arn=rule_arn(context.scope, rule.name),
        target_arn=target.arn,
        function_name=function.name,
        qualifier=function.qualifier,
        role_arn=None,
        request_id=new_id(),
        execution_id=event_id,
        input=text,
        scheduled_at=at,
        expires_at=target.retry.expires_at(at),
        max_retries=target.retry.max_retries,
        dead_letter_arn=target.dead_letter_arn,
        due_at=context.now,
    )
