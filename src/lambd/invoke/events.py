"""Asynchronous invocations, held in memory: attempts, retries, age, and what becomes of them.

Source: invoke.md section 3. Function errors are retried after the configured delays, throttles and
faults of ours with a growing delay that does not count as an attempt; the scope's event-invoke
config says how often and for how long. Where the outcome goes is `destinations.py`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from lambd.invoke.destinations import Condition, EventOutcome, result_record
from lambd.invoke.settings import SettingsCache
from lambd.model.arns import LATEST, Scope, parse_function_reference
from lambd.model.errors import (
    ConflictError,
    PlatformError,
    RecursiveInvocationError,
    SandboxError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.settings import EventInvokeConfig

_log = structlog.get_logger(__name__)

# Asynchronous invocations held in memory.
_MAX_EVENTS = 10_000
# Defaults of event-invoke configs.
_RETRY_ATTEMPTS = 2
_EVENT_AGE_S = 21_600.0
# Delay after a throttle or a fault, seconds: the first, and the longest.
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 300.0
_RETRIABLE = (ThrottledError, SandboxError, UnavailableError, ConflictError)
_NO_CONFIG = EventInvokeConfig()

Invoke = Callable[[InvocationRequest], Awaitable[InvocationResult | None]]


class EventRunner:
    """See the module header; accepted events run in the given task group."""

    def __init__(
        self,
        *,
        invoke: Invoke,
        settings: SettingsCache,
        scope: Scope,
        tasks: asyncio.TaskGroup,
        retry_delays_s: tuple[float, ...],
        first_backoff_s: float = _FIRST_BACKOFF_S,
    ) -> None:
        self._invoke = invoke
        self._settings = settings
        self._scope = scope
        self._tasks = tasks
        # Before the second attempt, the third, and so on; the last one stays.
        self._retry_delays_s = retry_delays_s
        self._first_backoff_s = first_backoff_s
        self._events: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Give up all that is waiting: events are in memory only."""
        for task in list(self._events):
            task.cancel()

    def accept(self, request: InvocationRequest) -> None:
        """Take an event; it is attempted at once.

        Raises:
            UnavailableError: too many are waiting.
        """
        if len(self._events) >= _MAX_EVENTS:
            raise UnavailableError("Too many asynchronous invocations are waiting")
        event = replace(
            request,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            client_context=None,
            wants_log_tail=False,
        )
        task = self._tasks.create_task(self._run(event))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def _run(self, event: InvocationRequest) -> None:
        """Attempt an event until it is done with, and deliver its outcome."""
        try:
            outcome, config = await self._attempt(event)
            await self._deliver(event, outcome, config)
        except PlatformError as error:
            # The function is gone, or its destination is.
            self._report("event_dropped", event, error)
        except Exception:  # noqa: BLE001 - a task root: one event must not stop the platform
            _log.exception("event_crashed", request_id=event.request_id)

    async def _attempt(self, event: InvocationRequest) -> tuple[EventOutcome, EventInvokeConfig]:
        accepted = time.monotonic()
        attempts = 0
        backoff_s = self._first_backoff_s
        result: InvocationResult | None = None
        while True:
            settings = await self._settings.get(event.function_name)
            config = settings.event_invoke.get(event.qualifier or LATEST, _NO_CONFIG)
            if settings.reserved_concurrency == 0:
                return EventOutcome(Condition.ZERO_RESERVED_CONCURRENCY, attempts, result), config
            try:
                result = await self._invoke(event)
            except RecursiveInvocationError as error:
                self._report("event_attempt_refused", event, error)
                return EventOutcome(Condition.RETRIES_EXHAUSTED, attempts, result), config
            except _RETRIABLE as error:
                self._report("event_attempt_failed", event, error)
                delay_s, backoff_s = backoff_s, min(backoff_s * 2, _LONGEST_BACKOFF_S)
            else:
                attempts += 1
                if result is None or result.function_error is None:
                    return EventOutcome(Condition.SUCCESS, attempts, result), config
                if attempts > _or_default(config.maximum_retry_attempts, _RETRY_ATTEMPTS):
                    return EventOutcome(Condition.RETRIES_EXHAUSTED, attempts, result), config
                delay_s = self._retry_delays_s[min(attempts, len(self._retry_delays_s)) - 1]
            age_s = time.monotonic() - accepted
            if age_s + delay_s > _or_default(config.maximum_event_age_s, _EVENT_AGE_S):
                return EventOutcome(Condition.EVENT_AGE_EXCEEDED, attempts, result), config
            await asyncio.sleep(delay_s)

    async def _deliver(
        self, event: InvocationRequest, outcome: EventOutcome, config: EventInvokeConfig
    ) -> None:
        """Invoke the function that is the destination of this outcome, if there is one."""
        succeeded = outcome.condition is Condition.SUCCESS
        if not succeeded:
            _log.warning(
                "event_failed",
                function=event.function_name,
                request_id=event.request_id,
                condition=outcome.condition.value,
            )
        arn = config.on_success if succeeded else config.on_failure
        if arn is None:
            return
        target = parse_function_reference(arn, self._scope)
        record = result_record(event, outcome, self._scope)
        await self._invoke(
            InvocationRequest(
                request_id=record.request_id,
                function_name=target.name,
                qualifier=target.qualifier,
                invocation_type=InvocationType.EVENT,
                payload=record.payload,
                trace_header=event.trace_header,
            )
        )

    def _report(self, action: str, event: InvocationRequest, error: PlatformError) -> None:
        _log.warning(
            action,
            function=event.function_name,
            request_id=event.request_id,
            error=error.message,
        )


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value
