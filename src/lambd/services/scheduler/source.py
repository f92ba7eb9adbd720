"""What the dispatcher is given of a schedule: its occurrences, its events, its words.

Sources: EventBridge Scheduler User Guide, "Context attributes" and "Configuring a dead-letter
queue"; the event of a schedule without an input is as recorded from AWS. Error codes are those of
the API that the Scheduler calls.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import datetime

from lambd.access import principals
from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidRequestContentError, PlatformError
from lambd.model.policies import Principal
from lambd.services.dispatch.model import Dispatch, written_time
from lambd.services.dispatch.occurrences import Draw, Occurrence, advance, brought_forward
from lambd.services.scheduler import rows
from lambd.services.scheduler.model import (
    INVOKE_TARGET,
    InvokeInputError,
    Schedule,
    parse_invoke_input,
    schedule_arn,
)
from lambd.services.scheduler.targets import schedule_function
from lambd.store.database import Connection
from lambd.telemetry.ids import new_id
from lambd.wire.errors import lambda_errors

# Schedules of one transaction: it should not keep the writer from others for long.
BATCH = 100


class ScheduleSource:
    """See the module header. Implements `DispatchSource`."""

    name = "schedule"

    def next_due(self, connection: Connection) -> datetime | None:
        """When the first of the schedules is due."""
        return rows.next_due(connection)

    def take_due(
        self, connection: Connection, context: ControlContext, draw: Draw
    ) -> list[Dispatch]:
        """A dispatch for each schedule that is due; one that has ended may delete itself."""
        dispatches = []
        for schedule in rows.due_schedules(connection, context.now, BATCH):
            assert schedule.next is not None  # noqa: S101 - it is due
            current, following = advance(schedule.timing, schedule.next, context.now, draw)
            dispatches.append(_dispatch(context, schedule, current))
            if following is None and schedule.deletes_itself:
                rows.delete_schedule(connection, schedule)
            else:
                rows.put_schedule(connection, replace(schedule, next=following))
        return dispatches

    def plan_anew(self, connection: Connection, context: ControlContext, draw: Draw) -> None:
        """Bring forward the schedules that were planned by a clock that was ahead."""
        for schedule in rows.planned_after(connection, context.now):
            assert schedule.next is not None  # noqa: S101 - it is planned
            sooner = brought_forward(schedule.timing, schedule.next, context.now, draw)
            if sooner is not None:
                timing, following = sooner
                rows.put_schedule(connection, replace(schedule, timing=timing, next=following))

    def principal(self, dispatch: Dispatch, scope: Scope) -> Principal:
        """The execution role."""
        return principals.role(dispatch.role_arn or "", scope)

    def payload(self, dispatch: Dispatch) -> bytes:
        """The input with its keywords replaced; of the universal target, the request's payload."""
        text = filled_in(dispatch)
        if dispatch.target_arn == INVOKE_TARGET:
            try:
                text = parse_invoke_input(text).payload
            except InvokeInputError as error:
                raise InvalidRequestContentError(str(error)) from error
        return text.encode()

    def error_code(self, error: PlatformError) -> str:
        """As Lambda tells of it."""
        return lambda_errors().shape(type(error)).name

    def dead_letter(self, dispatch: Dispatch) -> tuple[str, dict[str, str]]:
        """The input as it was last tried."""
        last = replace(dispatch, attempts=max(dispatch.attempts - 1, 0))
        return filled_in(last), {
            "SCHEDULE_ARN": dispatch.source_arn,
            "SCHEDULED_TIME": written_time(dispatch.scheduled_at),
            "EXECUTION_ID": dispatch.execution_id,
            "IS_PAYLOAD_TRUNCATED": "false",
        }


def filled_in(dispatch: Dispatch) -> str:
    """The input for the next attempt: the keywords replaced, wherever they stand."""
    text = dispatch.input
    for keyword, value in (
        ("schedule-arn", dispatch.source_arn),
        ("scheduled-time", written_time(dispatch.scheduled_at)),
        ("execution-id", dispatch.execution_id),
        ("attempt-number", str(dispatch.attempts + 1)),
    ):
        text = text.replace(f"<aws.scheduler.{keyword}>", value)
    return text


def scheduled_event(source_arn: str, event_id: str, at: datetime, scope: Scope) -> str:
    """The event of a schedule whose target has no input."""
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": scope.account_id,
        "time": written_time(at),
        "region": scope.region,
        "resources": [source_arn],
        # A text, as recorded.
        "detail": "{}",
    }
    return json.dumps(event, separators=(",", ":"))


def _dispatch(context: ControlContext, schedule: Schedule, current: Occurrence) -> Dispatch:
    scope, target = context.scope, schedule.target
    arn = schedule_arn(scope, schedule.group_name, schedule.name)
    function = schedule_function(target, scope)
    request_id = new_id()
    return Dispatch(
        source=ScheduleSource.name,
        source_arn=arn,
        target_arn=target.arn,
        function_name=function.name,
        qualifier=function.qualifier,
        role_arn=target.role_arn,
        request_id=request_id,
        execution_id=secrets.token_hex(8),
        input=target.input or scheduled_event(arn, request_id, current.at, scope),
        scheduled_at=current.at,
        expires_at=target.retry.expires_at(current.due_at),
        max_retries=target.retry.max_retries,
        dead_letter_arn=target.dead_letter_arn,
        due_at=context.now,
    )
