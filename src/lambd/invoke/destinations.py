"""What targets of an event's end are told, byte for byte. Source: invoke.md sections 3.1 and 3.2.

Payloads go into records as they came, not parsed and written again, so that a number keeps its
digits and an object the order of its members.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lambd.invoke.event_rules import error_code_and_message
from lambd.model.arns import LATEST, Scope
from lambd.model.events import EndReason, QueuedEvent

# Largest messages of SNS and SQS, attributes and all.
SNS_MESSAGE_BYTES = 256 * 1024
SQS_MESSAGE_BYTES = 1024 * 1024
# Largest detail in an entry of EventBridge, whose limit of 256 KiB counts the rest of it, too.
BUS_ENTRY_BYTES = 255 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusEvent:
    """An event's end as EventBridge gets it."""

    source: str
    detail_type: str
    resources: tuple[str, str]
    detail: str


def result_record(
    event: QueuedEvent, scope: Scope, now_us: int, *, limit_bytes: int | None = None
) -> str:
    """The record of an event's end, in AWS's format and order.

    Where there is a limit that it does not fit, it is told without the response's payload, else
    without the event, and if need be without both.
    """
    record = ""
    for with_request, with_response in ((True, True), (True, False), (False, True), (False, False)):
        record = _record(
            event, scope, now_us, with_request=with_request, with_response=with_response
        )
        if limit_bytes is None or len(record.encode()) <= limit_bytes:
            break
    return record


def bus_event(event: QueuedEvent, scope: Scope, now_us: int, bus_arn: str) -> BusEvent:
    """The record as an event of a bus."""
    succeeded = event.end is not None and event.end.reason is EndReason.SUCCESS
    return BusEvent(
        source="lambda",
        detail_type=(
            f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}"
        ),
        resources=(bus_arn, _function_arn(event, scope)),
        detail=result_record(event, scope, now_us, limit_bytes=BUS_ENTRY_BYTES),
    )


def object_key(event: QueuedEvent, now_us: int) -> str:
    """Under which name S3 keeps the record."""
    now = _time(now_us)
    return (
        f"aws/lambda/async/{event.function_name}/{now:%Y/%m/%d}/"
        f"{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    )


def dead_letter_attributes(event: QueuedEvent) -> dict[str, tuple[str, str]]:
    """Attributes of a dead-letter message: name -> type and value."""
    code, message = error_code_and_message(event)
    attributes = {
        "RequestID": ("String", event.request_id),
        "ErrorCode": ("Number", str(code)),
        "ErrorMessage": ("String", message),
    }
    # The services refuse an attribute without a value.
    return {name: item for name, item in attributes.items() if item[1]}


def event_text(event: QueuedEvent) -> str:
    """The event as its sender wrote it."""
    return (event.payload or b"{}").decode(errors="replace")


def _record(
    event: QueuedEvent, scope: Scope, now_us: int, *, with_request: bool, with_response: bool
) -> str:
    now = _time(now_us)
    condition = "" if event.end is None else event.end.reason.value
    members = {
        "version": '"1.0"',
        "timestamp": f'"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"',
        "requestContext": _written(
            {
                "requestId": event.request_id,
                "functionArn": _function_arn(event, scope),
                "condition": condition,
                "approximateInvokeCount": event.attempts,
            }
        ),
    }
    if with_request:
        members["requestPayload"] = event_text(event)
    if event.answer is not None:
        context: dict[str, object] = {
            "statusCode": 200,
            "executedVersion": event.answer.executed_version,
        }
        if event.answer.function_error is not None:
            context["functionError"] = event.answer.function_error
        members["responseContext"] = _written(context)
        if with_response:
            members["responsePayload"] = _json_text(event.answer.payload)
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def _function_arn(event: QueuedEvent, scope: Scope) -> str:
    return scope.function_arn(event.function_name, event.qualifier or LATEST)


def _json_text(payload: bytes) -> str:
    """The JSON in a payload; what is none becomes a string."""
    try:
        json.loads(payload)
        return payload.decode()
    except (ValueError, RecursionError):
        return json.dumps(payload.decode(errors="replace"))


def _written(document: dict[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _time(now_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=now_us)
