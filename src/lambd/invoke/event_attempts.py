"""One attempt of an event, and what it comes to. Source: invoke.md section 3.

Nothing here touches the disk or another event: an event goes in, a verdict comes out. An attempt of
a function that is in memory takes no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from lambd.invoke.event_options import EventCounts, EventOptions, report
from lambd.invoke.event_rules import (
    after_fault,
    after_function_error,
    backoff_s,
    end_before_attempt,
    fault_of,
    is_passing,
)
from lambd.invoke.pipeline import InvokedCallback
from lambd.model.arns import LATEST
from lambd.model.errors import NotFoundError, PlatformError, RecursiveInvocationError
from lambd.model.events import Answer, EndReason, QueuedEvent
from lambd.model.function_controls import EventInvokeConfig, FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.store.controls_cache import ControlsCache

_log = structlog.get_logger(__name__)

_NO_CONFIG = EventInvokeConfig()
_US = 1_000_000

StartInvocation = Callable[[InvocationRequest, InvokedCallback], None]


@dataclass(frozen=True, slots=True)
class Done:
    """The event is done with, and nobody is to hear of it."""


@dataclass(frozen=True, slots=True)
class Again:
    """There is to be another attempt."""

    due_us: int
    # By a throttle or a fault: the function should be tried less often.
    was_refused: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The event is done with, and its config says who is to hear of it."""

    reason: EndReason
    config: EventInvokeConfig
    # Whether recursion detection ended it.
    is_loop: bool = False


Verdict = Done | Again | Ended
VerdictCallback = Callable[[Verdict], None]

_DONE = Done()


class EventAttempts:
    """See the module header; on the event loop."""

    def __init__(
        self,
        *,
        invoke: StartInvocation,
        controls: ControlsCache,
        options: EventOptions,
        counts: EventCounts,
        tasks: asyncio.TaskGroup,
        now_us: Callable[[], int],
    ) -> None:
        """Args:
        invoke: starts the function.
        controls: of functions.
        options: delays.
        counts: of events that are done with.
        tasks: where controls are waited for that are not in memory.
        now_us: the time, microseconds since 1970.
        """
        self._invoke = invoke
        self._controls = controls
        self._options = options
        self._counts = counts
        self._tasks = tasks
        self._now_us = now_us

    def start(self, event: QueuedEvent, judged: VerdictCallback) -> None:
        """Attempt an event; `judged` is called once, perhaps before this returns.

        The event holds the answer or the fault by then, and the number of attempts.
        """
        controls = self._controls.get_nowait(event.function_name)
        if controls is None:
            self._tasks.create_task(self._start_cold(event, judged))
        else:
            self._start(event, controls, judged)

    def crashed(self, event: QueuedEvent) -> Verdict:
        """What comes of a fault of ours, which is being handled: the event is not lost by it."""
        _log.exception("event_crashed", request_id=event.request_id)
        event.faults += 1
        delay_s = backoff_s(event.faults, self._options.first_backoff_s)
        return Again(self._now_us() + int(delay_s * _US), was_refused=True)

    async def _start_cold(self, event: QueuedEvent, judged: VerdictCallback) -> None:
        try:
            controls = await self._controls.get(event.function_name)
        except Exception:  # noqa: BLE001 - a task root
            judged(self.crashed(event))
        else:
            self._start(event, controls, judged)

    def _start(
        self, event: QueuedEvent, controls: FunctionControls, judged: VerdictCallback
    ) -> None:
        config = controls.event_invoke.get(event.qualifier or LATEST, _NO_CONFIG)
        reason = end_before_attempt(event, controls, config, self._now_us())
        if reason is not None:
            judged(Ended(reason, config))
            return
        request = InvocationRequest(
            request_id=event.request_id,
            function_name=event.function_name,
            qualifier=event.qualifier,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            payload=event.payload,
            trace_header=event.trace_header,
            after_report=True,
        )
        self._invoke(request, partial(self._answered, event, config, judged))

    def _answered(
        self,
        event: QueuedEvent,
        config: EventInvokeConfig,
        judged: VerdictCallback,
        result: InvocationResult | PlatformError | None,
    ) -> None:
        if isinstance(result, InvocationResult):
            judged(self._after_run(event, config, result))
        elif result is not None:
            judged(self._after_fault(event, config, result))

    def _after_run(
        self, event: QueuedEvent, config: EventInvokeConfig, result: InvocationResult
    ) -> Verdict:
        """The function has run."""
        event.attempts += 1
        event.faults, event.fault = 0, None
        if result.function_error is None and config.on_success is None:
            self._counts.succeeded += 1
            return _DONE
        event.answer = Answer(
            executed_version=result.executed_version,
            function_error=result.function_error,
            payload=result.payload,
        )
        if result.function_error is None:
            return Ended(EndReason.SUCCESS, config)
        step = after_function_error(event, config, self._now_us(), self._options.retry_delays_s)
        if isinstance(step, EndReason):
            return Ended(step, config)
        return Again(step, was_refused=False)

    def _after_fault(
        self, event: QueuedEvent, config: EventInvokeConfig, error: PlatformError
    ) -> Verdict:
        """It has not."""
        if isinstance(error, NotFoundError):
            # The function is gone, or what the qualifier named, and its controls with it.
            report("event_dropped", event, error.message)
            self._counts.dropped += 1
            return _DONE
        event.fault = fault_of(error)
        if not is_passing(error):
            is_loop = isinstance(error, RecursiveInvocationError)
            return Ended(EndReason.RETRIES_EXHAUSTED, config, is_loop=is_loop)
        event.faults += 1
        report("event_attempt_failed", event, error.message)
        step = after_fault(event, config, self._now_us(), self._options.first_backoff_s)
        if isinstance(step, EndReason):
            return Ended(step, config)
        return Again(step, was_refused=True)
