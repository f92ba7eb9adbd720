"""Events of scheduled rules, and their words in dead letters."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambd.model import errors
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError, ThrottledError
from lambd.model.policies import PrincipalKind
from lambd.services.dispatch.model import Dispatch
from lambd.services.eventbridge.source import RuleSource, scheduled_event

NOON = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
SCOPE = Scope(account_id="000000000000", region="us-east-1")
DISPATCH = Dispatch(
    source="rule",
    source_arn="arn:aws:events:r",
    target_arn="arn:f",
    function_name="f",
    qualifier=None,
    role_arn=None,
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
SOURCE = RuleSource()


def test_inputs_are_sent_as_they_are() -> None:
    """Rules have no keywords."""
    text = '"<aws.scheduler.schedule-arn>"'
    assert SOURCE.payload(replace(DISPATCH, input=text)) == text.encode()
    body, attributes = SOURCE.dead_letter(replace(DISPATCH, input=text))
    assert (body, attributes) == (text, {"RULE_ARN": "arn:aws:events:r"})


def test_a_rule_comes_as_the_service() -> None:
    """Which is of no account."""
    principal = SOURCE.principal(DISPATCH, SCOPE)
    assert (principal.kind, principal.name) == (PrincipalKind.SERVICE, "events.amazonaws.com")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(errors.NotFoundError("m"), "NO_RESOURCE", id="gone"),
        pytest.param(errors.AccessDeniedError("m"), "NO_PERMISSIONS", id="forbidden"),
        pytest.param(ThrottledError("r", message="m"), "THROTTLING", id="throttled"),
        pytest.param(errors.ConflictError("m"), "ERROR_FROM_TARGET", id="being created"),
        pytest.param(errors.QuotaExceededError("m"), "INVALID_PARAMETER", id="as its parent"),
        pytest.param(errors.UnavailableError("m"), "INTERNAL_ERROR", id="fault"),
    ],
)
def test_errors_have_names_of_eventbridges_own(error: PlatformError, code: str) -> None:
    """As its guide lists them."""
    assert SOURCE.error_code(error) == code


def test_the_event_of_an_occurrence() -> None:
    """As recorded from AWS."""
    event = json.loads(scheduled_event("arn:x", "id-1", NOON, SCOPE))
    assert event == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {},
    }
