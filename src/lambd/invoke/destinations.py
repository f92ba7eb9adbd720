"""What the destination of an asynchronous invocation is told. Source: invoke.md section 3.2."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from lambd.model.arns import LATEST, Scope
from lambd.model.invocations import InvocationRequest, InvocationResult


class Condition(StrEnum):
    """Why an event is done with."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """How an event ended; `result` is that of the last attempt that ran."""

    condition: Condition
    attempts: int
    result: InvocationResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """A record, and the id of the invocation that delivers it."""

    request_id: str
    payload: bytes


def result_record(event: InvocationRequest, outcome: EventOutcome, scope: Scope) -> ResultRecord:
    """The record of an event's outcome, in AWS's format and order."""
    now = datetime.now(UTC)  # noqa: TID251 - an edge
    result = outcome.result
    record: dict[str, object] = {
        "version": "1.0",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": scope.function_arn(event.function_name, event.qualifier or LATEST),
            "condition": outcome.condition.value,
            "approximateInvokeCount": outcome.attempts,
        },
        "requestPayload": _document(event.payload or b"{}"),
    }
    if result is not None:
        context: dict[str, object] = {
            "statusCode": 200,
            "executedVersion": result.executed_version,
        }
        if result.function_error is not None:
            context["functionError"] = result.function_error
        record["responseContext"] = context
        record["responsePayload"] = _document(result.payload)
    return ResultRecord(
        request_id=str(uuid.uuid4()),
        payload=json.dumps(record, separators=(",", ":")).encode(),
    )


def _document(payload: bytes) -> object:
    """The JSON in a payload; what is none stays text."""
    try:
        document: object = json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
    return document
