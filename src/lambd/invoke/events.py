"""Asynchronous invocations: the steps of an event, in order. Source: invoke.md section 3.

    accept     take it, and store it                       store/event_journal.py
    stored     its sender hears of it                      here
    turn       it waits for its function's turn            event_turns.py
    attempt    the function runs, or not                   event_attempts.py
    logged     what the function wrote is on disk          services/logs
    end        who is to hear of it, stored as well        event_ends.py
    delivery   services are told                           deliveries.py
    removed    in one transaction with the events that     store/event_journal.py
               tell functions

An attempt that is to be made again goes back to `turn`, and so does a delivery. Each step is a
module that knows none of the others; what follows on what stands here and nowhere else.

Whatever happens is on disk before the event leaves memory, so a platform that ends at any instant
carries on where it was: an attempt may be made twice, none is forgotten.

As for every invocation, the ordinary way takes no tasks: the steps are callbacks. Tasks run where
something has to be waited for: controls not in memory, deliveries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import structlog

from lambd.invoke.deliveries import Deliveries
from lambd.invoke.delivery_calls import DeliveryCalls
from lambd.invoke.event_attempts import Again, Done, Ended, EventAttempts, StartInvocation, Verdict
from lambd.invoke.event_ends import DeadLetterReader, EventEnds, needs_delivery
from lambd.invoke.event_options import EventCounts, EventOptions
from lambd.invoke.event_room import EventRoom
from lambd.invoke.event_rules import now_us
from lambd.invoke.event_turns import EventTurns
from lambd.invoke.pipeline import InvokedCallback
from lambd.model.errors import ThrottledError, UnavailableError
from lambd.model.events import EventEnd, QueuedEvent
from lambd.model.invocations import InvocationRequest
from lambd.store.controls_cache import ControlsCache
from lambd.store.event_journal import EventJournal, WithEvent
from lambd.telemetry.ids import new_trace_header

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSurroundings:
    """What events meet outside of this folder."""

    # Starts one attempt.
    invoke: StartInvocation
    # Of functions.
    controls: ControlsCache
    # Finds the dead-letter queue of a function.
    dead_letter: DeadLetterReader
    # Tells other services.
    calls: DeliveryCalls
    # Calls back once what functions have written to their logs so far is on disk.
    logs_durable: Callable[[Callable[[], None]], None]


class EventQueue:
    """See the module header; all on the event loop."""

    def __init__(
        self,
        *,
        journal: EventJournal,
        around: EventSurroundings,
        options: EventOptions,
        tasks: asyncio.TaskGroup,
        now_us: Callable[[], int] = now_us,
    ) -> None:
        """Nothing runs before `open`.

        Args:
            journal: the queue on disk.
            around: who takes part in it.
            options: what an operator sets.
            tasks: where things run that wait.
            now_us: the time, microseconds since 1970.
        """
        self.counts = counts = EventCounts()
        self._tasks = tasks
        self._now_us = now_us
        self._journal = journal
        self._logs_durable = around.logs_durable
        self._turns = EventTurns(
            read=journal.due, begin=self._begin, now_us=now_us, tasks=tasks, options=options
        )
        self._attempts = EventAttempts(
            invoke=around.invoke,
            controls=around.controls,
            options=options,
            counts=counts,
            tasks=tasks,
            now_us=now_us,
        )
        self._ends = EventEnds(
            dead_letter=around.dead_letter,
            controls=around.controls,
            options=options,
            counts=counts,
            now_us=now_us,
        )
        self._deliveries = Deliveries(
            calls=around.calls, options=options, counts=counts, now_us=now_us
        )
        self._room = EventRoom(options.limits.queued_event_bytes)
        # Events whose targets are being told.
        self._delivering = 0
        # Events whose function's logs are not on disk yet.
        self._unlogged = 0
        self._is_closed = False
        self._drained: asyncio.Event | None = None

    # --- its life -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what is on disk."""
        for backlog in await self._journal.open():
            self.counts.resumed += backlog.events
            self._room.load(backlog.function_name, backlog.events, backlog.payload_bytes)
            self._turns.stored(backlog.function_name, backlog.due_us)
        if self.counts.resumed:
            _log.info("events_resumed", events=self.counts.resumed)

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more, and wait for what runs; what is left waits for the next start."""
        self._turns.close()
        self._deliveries.stop()
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
        await asyncio.to_thread(self._deliveries.close)
        _log.info("events_closed", **asdict(self.counts))

    @property
    def _is_busy(self) -> bool:
        return bool(self._turns.running or self._delivering or self._unlogged)

    def _note_end(self) -> None:
        if self._drained is not None and not self._is_busy:
            self._drained.set()

    # --- accept, stored, turn -------------------------------------------------------------------

    def accept(
        self,
        request: InvocationRequest,
        invoked: InvokedCallback,
        with_event: WithEvent | None = None,
    ) -> None:
        """Take an event, and say so once it is durable, with what `with_event` did."""
        if self._is_closed:
            invoked(UnavailableError("The platform is stopping"))
            return
        moment_us = self._now_us()
        event = QueuedEvent(
            request_id=request.request_id,
            function_name=request.function_name,
            qualifier=request.qualifier,
            payload=request.payload,
            trace_header=request.trace_header or new_trace_header(),
            accepted_us=moment_us,
            due_us=moment_us,
        )
        try:
            self._room.check(event)
        except ThrottledError as error:
            invoked(error)
            return
        self._room.take(event)
        self._journal.add(event, partial(self._stored, event, invoked), with_event)

    def _stored(
        self, event: QueuedEvent, invoked: InvokedCallback, error: UnavailableError | None
    ) -> None:
        invoked(error)
        if error is None:
            self.counts.accepted += 1
            self._turns.offer(event)
        else:
            self._room.leave(event)

    def _begin(self, event: QueuedEvent) -> None:
        """Its turn has come: attempt it, or tell its targets again, which takes no slot."""
        if event.end is None:
            self._attempts.start(event, partial(self._attempted, event))
        else:
            self._turns.ended(event, was_refused=False)
            self._deliver(event, event.end)

    # --- attempt, end ---------------------------------------------------------------------------

    def _attempted(self, event: QueuedEvent, verdict: Verdict) -> None:
        """An attempt has ended; after `close` it is the next start's to make it again."""
        if self._is_closed:
            return
        if isinstance(verdict, Done):
            self._turns.ended(event, was_refused=False)
            self._remove_logged(event)
        elif isinstance(verdict, Again):
            event.due_us = verdict.due_us
            self._turns.ended(event, was_refused=verdict.was_refused)
            self._journal.update(event, partial(self._waits, event))
        else:
            # Its slot stays taken until its end is on disk.
            self._tasks.create_task(self._conclude(event, verdict))

    async def _conclude(self, event: QueuedEvent, ended: Ended) -> None:
        try:
            end = event.end = await self._ends.of(event, ended)
        except Exception:  # noqa: BLE001 - a task root
            self._attempted(event, self._attempts.crashed(event))
            return
        if needs_delivery(end):
            # The attempts are over, whatever happens to the deliveries.
            event.due_us = self._now_us()
            self._journal.update(event, partial(self._concluded, event, end))
        else:
            self._turns.ended(event, was_refused=False)
            self._remove_logged(event)

    def _concluded(
        self, event: QueuedEvent, end: EventEnd, _error: UnavailableError | None
    ) -> None:
        self._turns.ended(event, was_refused=False)
        if not self._is_closed:
            self._deliver(event, end)

    # --- delivery -------------------------------------------------------------------------------

    def _deliver(self, event: QueuedEvent, end: EventEnd) -> None:
        """Tell the targets, without a slot: a target that does not answer is no attempt."""
        self._delivering += 1
        self._tasks.create_task(self._deliver_all(event, end))

    async def _deliver_all(self, event: QueuedEvent, end: EventEnd) -> None:
        try:
            left = await self._deliveries.deliver(event, end)
        finally:
            self._delivering -= 1
        if self._is_closed:
            self._note_end()
        elif left is None:
            self._remove_logged(event)
        else:
            event.end, event.due_us = left.end, self._now_us() + int(left.delay_s * 1_000_000)
            self._journal.update(event, partial(self._waits, event))

    # --- waiting again, removed -----------------------------------------------------------------

    def _waits(self, event: QueuedEvent, _error: UnavailableError | None) -> None:
        """That it is due again is on disk."""
        self._turns.release(event, event.due_us)
        self._note_end()

    def _remove_logged(self, event: QueuedEvent) -> None:
        """Remove an event, if it was attempted, once what its function wrote is on disk."""
        if event.attempts:
            self._unlogged += 1
            self._logs_durable(partial(self._logged, event))
        else:
            self._remove(event)

    def _logged(self, event: QueuedEvent) -> None:
        self._unlogged -= 1
        if self._is_closed:
            self._note_end()
        else:
            self._remove(event)

    def _remove(self, event: QueuedEvent) -> None:
        """Remove an event in the transaction that adds those by which functions are told."""
        successors = () if event.end is None else self._ends.successors(event, event.end)
        self._journal.remove(event, partial(self._removed, event, successors), successors)

    def _removed(
        self,
        event: QueuedEvent,
        successors: tuple[QueuedEvent, ...],
        _error: UnavailableError | None,
    ) -> None:
        self._turns.release(event, None)
        self._room.leave(event)
        for successor in successors:
            self._room.take(successor)
            self._turns.offer(successor)
        self._note_end()
