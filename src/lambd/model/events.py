"""Events of asynchronous invocations, and what becomes of them, as values.

An event waits for attempts until it has an end; its end waits until the targets were told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EndReason(StrEnum):
    """Why an event is done with."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


class TargetKind(StrEnum):
    """What a target is told: the record of the end, or the event itself."""

    DESTINATION = "destination"
    DEAD_LETTER_QUEUE = "dead-letter queue"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is to be told of an event's end."""

    kind: TargetKind
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the last attempt that ran came to."""

    executed_version: str
    function_error: str | None
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why the last attempt did not run: the status that a synchronous caller would have got."""

    status: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEnd:
    """How an event ended, and who is still to be told."""

    reason: EndReason
    targets: tuple[Target, ...]
    # Deliveries to these targets that failed.
    failed_deliveries: int = 0


@dataclass(slots=True, kw_only=True)
class QueuedEvent:
    """An accepted event; times in microseconds since 1970. Not frozen: one is made for each."""

    # Given by the queue, in order of arrival.
    id: int = 0
    request_id: str
    function_name: str
    # As the caller gave it.
    qualifier: str | None
    payload: bytes
    trace_header: str
    accepted_us: int
    # When it is to be attempted, or its targets to be told.
    due_us: int
    # Attempts that ran.
    attempts: int = 0
    # Throttles and faults of the platform since the last attempt that ran.
    faults: int = 0
    answer: Answer | None = None
    fault: Fault | None = None
    end: EventEnd | None = None
