"""Keywords of inputs, events of occurrences, delays, and requests of the universal target."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambd.model.arns import Scope
from lambd.services.dispatch.model import Dispatch, Source, filled_in, retry_delay, scheduled_event
from lambd.services.scheduler.model import InvokeInput, InvokeInputError, parse_invoke_input

NOON = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
SCOPE = Scope(account_id="000000000000", region="us-east-1")
DISPATCH = Dispatch(
    source=Source.SCHEDULE,
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


def test_keywords_are_replaced_wherever_they_stand() -> None:
    """The attempt is the next one; everything else stays as it was."""
    text = (
        '{"a": "<aws.scheduler.schedule-arn>/<aws.scheduler.execution-id>", '
        '"<aws.scheduler.attempt-number>": "<aws.scheduler.scheduled-time>", '
        '"x":  "<aws.scheduler.other>"}'
    )
    assert filled_in(replace(DISPATCH, input=text)) == (
        '{"a": "arn:s/e1", "3": "2026-11-24T12:00:00Z", "x":  "<aws.scheduler.other>"}'
    )


def test_inputs_of_rules_have_no_keywords() -> None:
    """They are sent as they are."""
    text = '"<aws.scheduler.schedule-arn>"'
    assert filled_in(replace(DISPATCH, source=Source.RULE, input=text)) == text


@pytest.mark.parametrize(
    ("source", "name", "detail"),
    [
        pytest.param(Source.RULE, "aws.events", {}, id="rule"),
        pytest.param(Source.SCHEDULE, "aws.scheduler", "{}", id="schedule"),
    ],
)
def test_the_event_of_an_occurrence(source: Source, name: str, detail: object) -> None:
    """As recorded from AWS; its detail is a text in the Scheduler's."""
    event = json.loads(scheduled_event(source, "arn:x", "id-1", NOON, SCOPE))
    assert event == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Scheduled Event",
        "source": name,
        "account": "000000000000",
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": detail,
    }


def test_delays_grow_and_are_spread() -> None:
    """Doubled each time up to ten minutes; drawn from the upper half."""
    assert [retry_delay(n, 0.0).total_seconds() for n in (1, 2, 3, 11, 185)] == [1, 2, 4, 600, 600]
    assert retry_delay(3, 0.5).total_seconds() == 3


def test_a_request_of_the_universal_target_is_read() -> None:
    """With a payload or without."""
    text = '{"FunctionName": "f", "Qualifier": "live", "InvocationType": "Event", "Payload": "[1]"}'
    assert parse_invoke_input(text) == InvokeInput(
        function_name="f", qualifier="live", payload="[1]"
    )
    assert parse_invoke_input('{"FunctionName": "f", "InvocationType": "Event"}').payload == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "JSON syntax error", id="no JSON"),
        pytest.param("[]", "must be a JSON object", id="no object"),
        pytest.param('{"FunctionName": "f"}', "InvocationType", id="synchronous"),
        pytest.param('{"InvocationType": "Event"}', "FunctionName", id="no function"),
        pytest.param(
            '{"FunctionName": "f", "InvocationType": "Event", "LogType": "Tail"}',
            "LogType is not supported",
            id="unknown",
        ),
        pytest.param(
            '{"FunctionName": "f", "InvocationType": "Event", "Payload": {}}',
            "Payload",
            id="payload",
        ),
    ],
)
def test_other_requests_are_refused(text: str, message: str) -> None:
    """What would be ignored is refused as well."""
    with pytest.raises(InvokeInputError, match=message):
        parse_invoke_input(text)
