"""What targets are told, byte for byte; and the rules that say when an event is done with."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.unit.invoke.event_world import ARN, BUS, SCOPE

from lambd.invoke.destinations import (
    SNS_MESSAGE_BYTES,
    bus_event,
    dead_letter_attributes,
    object_key,
    result_record,
)
from lambd.invoke.event_rules import (
    after_fault,
    after_function_error,
    backoff_s,
    end_before_attempt,
)
from lambd.model.events import Answer, EndReason, EventEnd, Fault, QueuedEvent
from lambd.model.function_controls import EventInvokeConfig, FunctionControls

# 2026-11-24T01:02:03.004567Z
NOW_US = 1_795_482_123_004_567
NO_CONFIG = EventInvokeConfig()
ANSWER = Answer(executed_version="3", function_error=None, payload=b'{"a":1.0}')


def queued(**members: Any) -> QueuedEvent:
    """An event that has just succeeded, or what the members say."""
    return QueuedEvent(
        **{
            "request_id": "r",
            "function_name": "f",
            "qualifier": None,
            "payload": b'{ "n": 1e400, "n": "\xc3\xa4" }',
            "trace_header": "Root=1-0-0",
            "accepted_us": NOW_US,
            "due_us": NOW_US,
            "attempts": 1,
            "answer": ANSWER,
            "end": EventEnd(reason=EndReason.SUCCESS, targets=()),
            **members,
        }
    )


def test_a_record() -> None:
    """AWS's form and order; payloads as they came."""
    assert result_record(queued(qualifier="live"), SCOPE, NOW_US) == (
        '{"version":"1.0","timestamp":"2026-11-24T01:02:03.004Z","requestContext":{"requestId":"r",'
        f'"functionArn":"{ARN}f:live","condition":"Success","approximateInvokeCount":1}},'
        '"requestPayload":{ "n": 1e400, "n": "ä" },"responseContext":{"statusCode":200,'
        '"executedVersion":"3"},"responsePayload":{"a":1.0}}'
    )


def test_a_record_of_an_event_that_never_ran() -> None:
    """It has no response; an event without content is an empty object."""
    end = EventEnd(reason=EndReason.ZERO_RESERVED_CONCURRENCY, targets=())
    record = json.loads(
        result_record(queued(payload=b"", attempts=0, answer=None, end=end), SCOPE, NOW_US)
    )
    assert record["requestContext"] == {
        "requestId": "r",
        "functionArn": ARN + "f:$LATEST",
        "condition": "ZeroReservedConcurrency",
        "approximateInvokeCount": 0,
    }
    assert record["requestPayload"] == {}
    assert not {"responseContext", "responsePayload"} & set(record)


@pytest.mark.parametrize(
    ("request_bytes", "response_bytes", "present"),
    [
        (10, 10, {"requestPayload", "responsePayload"}),
        (10, SNS_MESSAGE_BYTES, {"requestPayload"}),
        (SNS_MESSAGE_BYTES, 10, {"responsePayload"}),
        (SNS_MESSAGE_BYTES, SNS_MESSAGE_BYTES, set()),
    ],
    ids=["fits", "large response", "large event", "both large"],
)
def test_a_record_for_sns_leaves_payloads_out(
    request_bytes: int, response_bytes: int, present: set[str]
) -> None:
    """Only as many as it must; the rest of the record stays."""
    event = queued(
        payload=b'"' + b"x" * request_bytes + b'"',
        answer=Answer(
            executed_version="1", function_error=None, payload=b'"' + b"x" * response_bytes + b'"'
        ),
    )
    text = result_record(event, SCOPE, NOW_US, limit_bytes=SNS_MESSAGE_BYTES)
    assert len(text) <= SNS_MESSAGE_BYTES
    record = json.loads(text)
    assert {"requestPayload", "responsePayload"} & set(record) == present
    assert record["responseContext"]["executedVersion"] == "1"


@pytest.mark.parametrize(
    ("reason", "word"),
    [(EndReason.SUCCESS, "Success"), (EndReason.EVENT_AGE_EXCEEDED, "Failure")],
    ids=str,
)
def test_an_event_of_a_bus(reason: EndReason, word: str) -> None:
    """Source, kind and resources as AWS has them."""
    event = queued(end=EventEnd(reason=reason, targets=()))
    told = bus_event(event, SCOPE, NOW_US, BUS)
    assert told.source == "lambda"
    assert told.detail_type == f"Lambda Function Invocation Result - {word}"
    assert told.resources == (BUS, ARN + "f:$LATEST")
    assert told.detail == result_record(event, SCOPE, NOW_US)


def test_the_name_of_an_object() -> None:
    """By function and time, and unique."""
    pattern = r"aws/lambda/async/f/2026/11/24/2026-11-24T01\.02\.03-[0-9a-f-]{36}"
    keys = {object_key(queued(), NOW_US) for _ in range(2)}
    assert len(keys) == 2
    assert all(re.fullmatch(pattern, key) for key in keys)


FAILED = Answer(
    executed_version="1",
    function_error="Unhandled",
    payload=json.dumps({"errorMessage": "ä" * 1000}).encode(),
)


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"answer": FAILED}, "200", "ä" * 512),
        ({"fault": Fault(status=429, message="Rate Exceeded.")}, "429", "Rate Exceeded."),
        ({"fault": Fault(status=500, message="no room")}, "500", "no room"),
        ({"answer": Answer(executed_version="1", function_error="U", payload=b"{")}, "200", "{"),
        ({"answer": Answer(executed_version="1", function_error="U", payload=b"[]")}, "200", None),
    ],
    ids=["error", "throttle", "fault", "no json", "no message"],
)
def test_attributes_of_dead_letters(
    members: dict[str, Any], code: str, message: str | None
) -> None:
    """The status that a synchronous caller would have got, and up to 1 KB of the message."""
    end = EventEnd(reason=EndReason.RETRIES_EXHAUSTED, targets=())
    expected = {"RequestID": ("String", "r"), "ErrorCode": ("Number", code)}
    if message is not None:
        expected["ErrorMessage"] = ("String", message)
    assert dead_letter_attributes(queued(end=end, **members)) == expected


@pytest.mark.parametrize(
    ("attempts", "step"),
    [(1, NOW_US + 60_000_000), (2, NOW_US + 120_000_000), (3, EndReason.RETRIES_EXHAUSTED)],
    ids=str,
)
def test_retries_after_one_and_two_minutes(attempts: int, step: EndReason | int) -> None:
    """AWS's defaults."""
    event = queued(attempts=attempts)
    assert after_function_error(event, NO_CONFIG, NOW_US, (60.0, 120.0)) == step


def test_delays_between_throttles() -> None:
    """From one second to five minutes, doubling."""
    assert [backoff_s(faults) for faults in range(1, 12)] == [
        *(1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300),
    ]
    assert backoff_s(10_000) == 300


def test_the_age_of_events() -> None:
    """Six hours if nothing else is said; looked at before attempts and ahead of delays."""
    old = queued(accepted_us=NOW_US - 21_600_000_000)
    settings = FunctionControls()
    assert end_before_attempt(old, settings, NO_CONFIG, NOW_US) is None
    too_late = end_before_attempt(old, settings, NO_CONFIG, NOW_US + 1)
    assert too_late is EndReason.EVENT_AGE_EXCEEDED
    old.faults = 1
    assert after_fault(old, NO_CONFIG, NOW_US, 1.0) is EndReason.EVENT_AGE_EXCEEDED
    short = EventInvokeConfig(maximum_event_age_s=60)
    assert after_fault(queued(faults=1), short, NOW_US, 60.0) == NOW_US + 60_000_000
    assert after_fault(queued(faults=1), short, NOW_US, 60.1) is EndReason.EVENT_AGE_EXCEEDED
    stopped = FunctionControls(reserved_concurrency=0)
    assert end_before_attempt(old, stopped, NO_CONFIG, NOW_US) is (
        EndReason.ZERO_RESERVED_CONCURRENCY
    )
