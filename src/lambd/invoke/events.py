"""Asynchronous invocations: from acceptance to the end of their outcome. Source: invoke.md section 3.

An event is acknowledged once it is durable (`store/event_journal.py`), attempted when its
function's turn comes (`event_turns.py`), again as the rules say (`event_rules.py`), and removed once
its outcome has reached whom it was to reach (`outcomes.py`). Whatever happens
is on disk before the event leaves memory, so a platform that ends at any instant carries on where
it was: an attempt may be made twice, none is forgotten.

As for every invocation, the ordinary way takes no tasks: accept, begin, answered, removed are
callbacks. Tasks run where something has to be waited for: settings not in memory, deliveries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial

import structlog

from lambd.invoke.event_options import EventOptions
from lambd.invoke.event_rules import (
    after_fault,
    after_function_error,
    backoff_s,
    end_before_attempt,
    fault_of,
    is_passing,
    now_us,
)
from lambd.invoke.event_turns import EventTurns
from lambd.invoke.outcomes import Outcomes, needs_delivery, report
from lambd.invoke.pipeline import InvokedCallback
from lambd.model.arns import LATEST
from lambd.model.errors import (
    NotFoundError,
    PlatformError,
    RecursiveInvocationError,
    UnavailableError,
)
from lambd.model.events import Answer, Condition, Outcome, QueuedEvent
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.settings import EventInvokeConfig, FunctionSettings
from lambd.store.event_journal import EventJournal
from lambd.store.settings_cache import SettingsCache
from lambd.telemetry.ids import new_trace_header

_log = structlog.get_logger(__name__)

_NO_CONFIG = EventInvokeConfig()

StartInvocation = Callable[[InvocationRequest, InvokedCallback], None]


class EventQueue:
    """See the module header; all on the event loop."""

    def __init__(
        self,
        *,
        journal: EventJournal,
        invoke: StartInvocation,
        settings: SettingsCache,
        outcomes: Outcomes,
        options: EventOptions,
        tasks: asyncio.TaskGroup,
        now_us: Callable[[], int] = now_us,
    ) -> None:
        """Nothing runs before `open`.

        Args:
            journal: the queue on disk.
            invoke: starts one attempt.
            settings: of functions.
            outcomes: tells others of them.
            options: what an operator sets.
            tasks: where things run that wait.
            now_us: the time, microseconds since 1970.
        """
        self._journal = journal
        self._invoke = invoke
        self._settings = settings
        self._outcomes = outcomes
        self._options = options
        self._tasks = tasks
        self._now_us = now_us
        self._turns = EventTurns(
            read=journal.due,
            begin=self._begin,
            now_us=now_us,
            tasks=tasks,
            options=options,
        )
        # Events whose targets are being told.
        self._delivering = 0
        self._is_closed = False
        self._drained: asyncio.Event | None = None
        self.counts = outcomes.counts

    async def open(self) -> None:
        """Take up what is on disk."""
        for backlog in await self._journal.open():
            self.counts.resumed += backlog.events
            self._turns.stored(backlog.function_name, backlog.due_us)
        if self.counts.resumed:
            _log.info("events_resumed", events=self.counts.resumed)

    def accept(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        """Take an event, and say so once it is durable."""
        if self._is_closed:
            invoked(UnavailableError("The platform is stopping"))
            return
        moment_us = self._now_us()
        event = QueuedEvent(
            dispatch_id=request.dispatch_id,
            request_id=request.request_id,
            function_name=request.function_name,
            qualifier=request.qualifier,
            payload=request.payload,
            trace_header=request.trace_header or new_trace_header(),
            accepted_us=moment_us,
            due_us=moment_us,
        )
        self._journal.add(event, partial(self._accepted, event, invoked))

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more, and wait for what runs; what is left waits for the next start."""
        self._turns.close()
        self._outcomes.stop()
        self._drained = asyncio.Event()
        if self._is_busy:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._drained.wait()
            except TimeoutError:
                under_way = self._turns.running + self._delivering
                _log.warning("events_interrupted", events=under_way)

    async def close(self) -> None:
        """Take no notice of anything more, once what has happened is durable."""
        self._turns.close()
        self._is_closed = True
        await self._journal.close()
        await asyncio.to_thread(self._outcomes.close)
        _log.info("events_closed", **asdict(self.counts))

    def _accepted(
        self, event: QueuedEvent, invoked: InvokedCallback, error: UnavailableError | None
    ) -> None:
        invoked(error)
        if error is None:
            self.counts.accepted += 1
            self._turns.offer(event)

    # --- an attempt -----------------------------------------------------------------------------

    def _begin(self, event: QueuedEvent) -> None:
        """The event's turn has come: attempt it, or deliver its outcome again."""
        if event.outcome is not None:
            self._turns.ended(event, was_refused=False)
            self._start_delivery(event, event.outcome)
            return
        settings = self._settings.get_nowait(event.function_name)
        if settings is None:
            self._tasks.create_task(self._guard(event, self._begin_cold(event)))
        else:
            self._attempt(event, settings)

    async def _begin_cold(self, event: QueuedEvent) -> None:
        self._attempt(event, await self._settings.get(event.function_name))

    def _attempt(self, event: QueuedEvent, settings: FunctionSettings) -> None:
        config = settings.event_invoke.get(event.qualifier or LATEST, _NO_CONFIG)
        condition = end_before_attempt(event, settings, config, self._now_us())
        if condition is not None:
            self._end(event, condition, config)
            return
        request = InvocationRequest(
            request_id=event.request_id,
            function_name=event.function_name,
            qualifier=event.qualifier,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            payload=event.payload,
            trace_header=event.trace_header,
        )
        self._invoke(request, partial(self._answered, event, config))

    def _answered(
        self,
        event: QueuedEvent,
        config: EventInvokeConfig,
        result: InvocationResult | PlatformError | None,
    ) -> None:
        """An attempt has ended; after `close` it is the next start's to make it again."""
        if self._is_closed:
            return
        if isinstance(result, InvocationResult):
            self._ran(event, config, result)
        elif isinstance(result, NotFoundError):
            # The function is gone, or what the qualifier named, and its settings with it.
            report("event_dropped", event, result.message)
            self.counts.dropped += 1
            self._turns.ended(event, was_refused=False)
            self._journal.remove(event, partial(self._removed, event, ()))
        elif isinstance(result, PlatformError) and not is_passing(result):
            event.fault = fault_of(result)
            is_loop = isinstance(result, RecursiveInvocationError)
            self._end(event, Condition.RETRIES_EXHAUSTED, config, is_loop=is_loop)
        elif isinstance(result, PlatformError):
            event.faults += 1
            event.fault = fault_of(result)
            report("event_attempt_failed", event, result.message)
            step = after_fault(event, config, self._now_us(), self._options.first_backoff_s)
            if isinstance(step, Condition):
                self._end(event, step, config)
            else:
                self._postpone(event, step, was_refused=True)

    def _ran(self, event: QueuedEvent, config: EventInvokeConfig, result: InvocationResult) -> None:
        event.attempts += 1
        event.faults, event.fault = 0, None
        if result.function_error is None and config.on_success is None:
            self.counts.succeeded += 1
            self._turns.ended(event, was_refused=False)
            self._journal.remove(event, partial(self._removed, event, ()))
            return
        event.answer = Answer(
            executed_version=result.executed_version,
            function_error=result.function_error,
            payload=result.payload,
        )
        if result.function_error is None:
            self._end(event, Condition.SUCCESS, config)
            return
        step = after_function_error(event, config, self._now_us(), self._options.retry_delays_s)
        if isinstance(step, Condition):
            self._end(event, step, config)
        else:
            self._postpone(event, step, was_refused=False)

    def _postpone(self, event: QueuedEvent, due_us: int, *, was_refused: bool) -> None:
        event.due_us = due_us
        self._turns.ended(event, was_refused=was_refused)
        self._journal.update(event, partial(self._postponed, event))

    def _postponed(self, event: QueuedEvent, _error: UnavailableError | None) -> None:
        self._turns.release(event, event.due_us)
        self._note_end()

    def _removed(
        self,
        event: QueuedEvent,
        followers: tuple[QueuedEvent, ...],
        _error: UnavailableError | None,
    ) -> None:
        self._turns.release(event, None)
        for follower in followers:
            self._turns.offer(follower)
        self._note_end()

    @property
    def _is_busy(self) -> bool:
        return bool(self._turns.running or self._delivering)

    def _note_end(self) -> None:
        if self._drained is not None and not self._is_busy:
            self._drained.set()

    # --- its outcome ----------------------------------------------------------------------------

    def _end(
        self,
        event: QueuedEvent,
        condition: Condition,
        config: EventInvokeConfig,
        *,
        is_loop: bool = False,
    ) -> None:
        """The event is done with; its slot stays taken until that is on disk."""
        work = self._conclude(event, condition, config, is_loop=is_loop)
        self._tasks.create_task(self._guard(event, work))

    async def _conclude(
        self,
        event: QueuedEvent,
        condition: Condition,
        config: EventInvokeConfig,
        *,
        is_loop: bool,
    ) -> None:
        outcome = event.outcome = await self._outcomes.of(event, condition, config, is_loop=is_loop)
        if not needs_delivery(outcome):
            self._turns.ended(event, was_refused=False)
            self._remove_told(event, outcome)
            return
        # The attempts are over, whatever happens to the deliveries.
        event.due_us = self._now_us()
        self._journal.update(event, partial(self._concluded, event, outcome))

    def _concluded(
        self, event: QueuedEvent, outcome: Outcome, _error: UnavailableError | None
    ) -> None:
        self._turns.ended(event, was_refused=False)
        if not self._is_closed:
            self._start_delivery(event, outcome)

    def _start_delivery(self, event: QueuedEvent, outcome: Outcome) -> None:
        """Tell the targets, without a slot: a target that does not answer is no attempt."""
        self._delivering += 1
        self._tasks.create_task(self._guard_delivery(event, outcome))

    async def _guard_delivery(self, event: QueuedEvent, outcome: Outcome) -> None:
        delay_us: int | None = None
        try:
            left = await self._outcomes.deliver(event, outcome)
            if left is not None:
                event.outcome, delay_us = left.outcome, int(left.delay_s * 1_000_000)
        except Exception:  # noqa: BLE001 - a task root: a fault of ours must not lose the event
            _log.exception("event_crashed", request_id=event.request_id)
            event.faults += 1
            delay_us = self._backoff_us(event.faults)
        finally:
            self._delivering -= 1
        if self._is_closed:
            self._note_end()
        elif delay_us is None:
            self._remove_told(event, outcome)
        else:
            event.due_us = self._now_us() + delay_us
            self._journal.update(event, partial(self._postponed, event))

    def _remove_told(self, event: QueuedEvent, outcome: Outcome) -> None:
        """Remove an event in the transaction that adds those by which functions are told."""
        followers = self._outcomes.followers(event, outcome)
        self._journal.remove(event, partial(self._removed, event, followers), followers)

    # --- tasks ----------------------------------------------------------------------------------

    async def _guard(self, event: QueuedEvent, work: Awaitable[None]) -> None:
        """A fault of ours in one event's task must neither stop the platform nor lose the event."""
        try:
            await work
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("event_crashed", request_id=event.request_id)
            if not self._is_closed:
                event.faults += 1
                due_us = self._now_us() + self._backoff_us(event.faults)
                self._postpone(event, due_us, was_refused=True)

    def _backoff_us(self, failures: int) -> int:
        return int(backoff_s(failures, self._options.first_backoff_s) * 1_000_000)
