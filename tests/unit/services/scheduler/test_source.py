"""Events of schedules, with their keywords, and their words in dead letters."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambd.model import errors
from lambd.model.arns import Scope
from lambd.model.errors import InvalidRequestContentError, PlatformError, ThrottledError
from lambd.model.policies import PrincipalKind
from lambd.services.dispatch.model import Dispatch
from lambd.services.scheduler.model import INVOKE_TARGET
from lambd.services.scheduler.source import ScheduleSource, scheduled_event

NOON = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
SCOPE = Scope(account_id="000000000000", region="us-east-1")
DISPATCH = Dispatch(
    source="schedule",
    source_arn="arn:s",
    target_arn="arn:f",
    function_name="f",
    qualifier=None,
    role_arn="arn:r",
    request_id="1",
    execution_id="e1",
    input="",
    scheduled_at=NOON,
    expires_at=NOON + timedelta(days=1),
    max_retries=185,
    dead_letter_arn=None,
    due_at=NOON,
    attempts=2,
)
SOURCE = ScheduleSource()


def test_keywords_are_replaced_wherever_they_stand() -> None:
    """The attempt is the next one; everything else stays as it was."""
    text = (
        '{"a": "<aws.scheduler.schedule-arn>/<aws.scheduler.execution-id>", '
        '"<aws.scheduler.attempt-number>": "<aws.scheduler.scheduled-time>", '
        '"x":  "<aws.scheduler.other>"}'
    )
    assert SOURCE.payload(replace(DISPATCH, input=text)) == (
        b'{"a": "arn:s/e1", "3": "2026-11-24T12:00:00Z", "x":  "<aws.scheduler.other>"}'
    )


def test_of_the_universal_target_the_requests_payload_is_sent() -> None:
    """Its keywords as well."""
    text = (
        '{"FunctionName": "f", "InvocationType": "Event", '
        '"Payload": "[<aws.scheduler.attempt-number>]"}'
    )
    universal = replace(DISPATCH, target_arn=INVOKE_TARGET, input=text)
    assert SOURCE.payload(universal) == b"[3]"
    with pytest.raises(InvalidRequestContentError, match="JSON syntax error"):
        SOURCE.payload(replace(universal, input="{"))


def test_a_dead_letter_has_the_input_as_it_was_last_tried() -> None:
    """With the times and the names of the Scheduler."""
    body, attributes = SOURCE.dead_letter(
        replace(DISPATCH, input='"<aws.scheduler.attempt-number>"')
    )
    assert body == '"2"'
    assert attributes == {
        "SCHEDULE_ARN": "arn:s",
        "SCHEDULED_TIME": "2026-11-24T12:00:00Z",
        "EXECUTION_ID": "e1",
        "IS_PAYLOAD_TRUNCATED": "false",
    }


def test_a_schedule_comes_as_its_role() -> None:
    """Of the account."""
    principal = SOURCE.principal(DISPATCH, SCOPE)
    assert (principal.kind, principal.name) == (PrincipalKind.ROLE, "arn:r")
    assert principal.account_id == "000000000000"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(errors.NotFoundError("m"), "ResourceNotFoundException", id="gone"),
        pytest.param(errors.AccessDeniedError("m"), "AccessDeniedException", id="forbidden"),
        pytest.param(ThrottledError("r", message="m"), "TooManyRequestsException", id="throttled"),
        pytest.param(errors.ConflictError("m"), "ResourceConflictException", id="being created"),
        pytest.param(errors.UnavailableError("m"), "ServiceException", id="fault"),
    ],
)
def test_errors_have_the_names_of_the_api_that_is_called(error: PlatformError, code: str) -> None:
    """Which is Lambda's."""
    assert SOURCE.error_code(error) == code


def test_the_event_of_an_occurrence() -> None:
    """As recorded from AWS; its detail is a text."""
    event = json.loads(scheduled_event("arn:x", "id-1", NOON, SCOPE))
    assert event == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": "{}",
    }
