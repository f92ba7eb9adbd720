"""When an event is attempted again and when it is done with: pure rules, and their clock. Source: invoke.md section 3.

Function errors are retried after the configured delays, throttles and faults of the platform with a
growing one that does not count as an attempt; the scope's event-invoke config says how often and
for how long.
"""

from __future__ import annotations

import json
import time

from lambd.model.errors import (
    ConflictError,
    PlatformError,
    SandboxError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.events import EndReason, Fault, QueuedEvent
from lambd.model.function_controls import EventInvokeConfig, FunctionControls

# Defaults of event-invoke configs.
RETRY_ATTEMPTS = 2
EVENT_AGE_S = 21_600
# Delay after a throttle or a fault, seconds: the first, and the longest.
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 300.0
# ErrorMessage of a dead-letter message, bytes.
_ERROR_MESSAGE_BYTES = 1024
_US = 1_000_000


def now_us() -> int:
    """The time, microseconds since 1970: what everything about events is measured by."""
    return time.time_ns() // 1000


def end_before_attempt(
    event: QueuedEvent, controls: FunctionControls, config: EventInvokeConfig, now_us: int
) -> EndReason | None:
    """Why there is to be no attempt any more; None when there is."""
    if controls.reserved_concurrency == 0:
        return EndReason.ZERO_RESERVED_CONCURRENCY
    if now_us > _last_us(event, config):
        return EndReason.EVENT_AGE_EXCEEDED
    return None


def after_function_error(
    event: QueuedEvent, config: EventInvokeConfig, now_us: int, delays_s: tuple[float, ...]
) -> EndReason | int:
    """Why the event is done with, or when its next attempt is due.

    Args:
        event: `attempts` counts the one that has just failed.
        config: of the scope that was invoked.
        now_us: the time, microseconds since 1970.
        delays_s: before the second attempt, the third, and so on; the last one stays.
    """
    retries = config.maximum_retry_attempts
    if event.attempts > (RETRY_ATTEMPTS if retries is None else retries):
        return EndReason.RETRIES_EXHAUSTED
    delay_s = delays_s[min(event.attempts, len(delays_s)) - 1]
    return _due(event, config, now_us, delay_s)


def after_fault(
    event: QueuedEvent, config: EventInvokeConfig, now_us: int, first_backoff_s: float
) -> EndReason | int:
    """The same when the attempt was throttled or met a fault; `faults` counts it."""
    return _due(event, config, now_us, backoff_s(event.faults, first_backoff_s))


def backoff_s(faults: int, first_s: float = FIRST_BACKOFF_S) -> float:
    """The delay after so many faults in a row."""
    return min(first_s * 2.0 ** min(faults - 1, 30), LONGEST_BACKOFF_S)


def is_passing(error: PlatformError) -> bool:
    """Whether an attempt that failed by it may succeed later: throttles, faults of ours, and

    functions that are not ready. The others are the same the next time.
    """
    return isinstance(error, ThrottledError | UnavailableError | SandboxError | ConflictError)


def fault_of(error: PlatformError) -> Fault:
    """Why an attempt did not run, as a synchronous caller would have read it."""
    return Fault(status=429 if isinstance(error, ThrottledError) else 500, message=error.message)


def error_code_and_message(event: QueuedEvent) -> tuple[int, str]:
    """ErrorCode and ErrorMessage of an event that failed; the message may be empty."""
    if event.end is not None and event.end.reason is (EndReason.ZERO_RESERVED_CONCURRENCY):
        code, message = 429, "Rate Exceeded."
    elif event.fault is not None:
        code, message = event.fault.status, event.fault.message
    elif event.answer is not None:
        code, message = 200, _error_message(event.answer.payload)
    else:
        code, message = 500, ""
    return code, message.encode()[:_ERROR_MESSAGE_BYTES].decode(errors="ignore")


def _error_message(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
    message = document.get("errorMessage") if isinstance(document, dict) else None
    return message if isinstance(message, str) else ""


def _due(
    event: QueuedEvent, config: EventInvokeConfig, now_us: int, delay_s: float
) -> EndReason | int:
    """Nobody waits for an attempt that will not be made."""
    due_us = now_us + int(delay_s * _US)
    return EndReason.EVENT_AGE_EXCEEDED if due_us > _last_us(event, config) else due_us


def _last_us(event: QueuedEvent, config: EventInvokeConfig) -> int:
    age_s = EVENT_AGE_S if config.maximum_event_age_s is None else config.maximum_event_age_s
    return event.accepted_us + age_s * _US
