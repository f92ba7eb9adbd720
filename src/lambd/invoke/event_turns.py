"""Whose event is attempted next: functions take turns, and each has so many slots.

A function's backlog stays on disk; of each function a few events are in memory (`ready`), read in
advance when it has slots for them. Every slot that becomes free goes to the next function in the
round, so the backlog of one delays the fresh event of another by the invocations that run, not by
those that wait.

Slots: a function starts with a few, which is plenty for invocations that keep the processors busy.
Where none becomes free for a moment they double, up to the most a function may have, so functions
that mostly wait are not held up. A throttle or a fault of the platform cuts them down to those that
run, and where none runs the function pauses, longer each time; so a backlog in front of a function
that cannot run costs a try now and then (AWS, too, "reduces the rate at which it reads events").
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from lambd.invoke.event_options import EventOptions
from lambd.model.errors import UnavailableError
from lambd.model.events import QueuedEvent
from lambd.store.events import DueEvents

_log = structlog.get_logger(__name__)

FIRST_SLOTS = 16
# Read at a time at least, if there are as many: a read costs more than its events.
_READ_EVENTS = 64
# Before events that could not be read are tried again, seconds.
_READ_AGAIN_S = 5.0
# Payload in memory, all functions together; a new event is read when there is less.
HELD_BYTES = 256 * 1024 * 1024
_US = 1_000_000


class ReadDue(Protocol):
    """Reads events of a function that are due (`EventJournal.due`)."""

    def __call__(
        self, function_name: str, *, now_us: int, without: set[int], limit: int
    ) -> Awaitable[DueEvents]:
        """See `EventJournal.due`."""


class FunctionTurns:
    """The events of one function: those in memory, and what is known of those on disk."""

    __slots__ = (
        "answered",
        "arrived_us",
        "due_us",
        "first_pause_s",
        "growth",
        "held",
        "is_reading",
        "longest_pause_s",
        "name",
        "pause_s",
        "paused_until_us",
        "ready",
        "released",
        "running",
        "slots",
        "timer",
    )

    def __init__(self, name: str, slots: int, first_pause_s: float, longest_pause_s: float) -> None:
        self.name = name
        self.first_pause_s = first_pause_s
        self.longest_pause_s = longest_pause_s
        self.slots: float = slots
        self.running = 0
        self.ready: deque[QueuedEvent] = deque()
        # Numbers of events in memory: ready, running, or with a change under way.
        self.held: set[int] = set()
        # When the first event on disk that is not held is due.
        self.due_us: float = math.inf
        # While a read is under way: the same for events stored meanwhile, and numbers released.
        self.is_reading = False
        self.arrived_us: float = math.inf
        self.released: set[int] = set()
        self.paused_until_us = 0
        self.pause_s = first_pause_s
        self.timer: asyncio.TimerHandle | None = None
        self.growth: asyncio.TimerHandle | None = None
        # Attempts that have ended, to tell whether any did.
        self.answered = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to know."""
        return not (self.held or self.is_reading) and self.due_us == math.inf

    def stored(self, due_us: int) -> None:
        """An event is on disk, and not in memory."""
        if self.is_reading:
            self.arrived_us = min(self.arrived_us, due_us)
        self.due_us = min(self.due_us, due_us)

    def ran(self, first_slots: int) -> None:
        """An attempt has run: what a throttle took away comes back by and by."""
        self.answered += 1
        self.pause_s = self.first_pause_s
        if self.slots < first_slots:
            self.slots = min(first_slots, self.slots + 1 / self.slots)

    def was_refused(self, now_us: int) -> None:
        """An attempt was throttled, or met a fault; it is no longer counted as running."""
        self.answered += 1
        self.slots = max(1, self.running)
        if not self.running:
            self.paused_until_us = now_us + int(self.pause_s * _US)
            self.pause_s = min(self.pause_s * 2, self.longest_pause_s)


class EventTurns:
    """See the module header; all on the event loop."""

    def __init__(
        self,
        *,
        read: ReadDue,
        begin: Callable[[QueuedEvent], None],
        now_us: Callable[[], int],
        tasks: asyncio.TaskGroup,
        options: EventOptions,
    ) -> None:
        """Nothing runs until there are events.

        Args:
            read: finds events on disk.
            begin: starts on an event; `ended` and `release` are called for it later.
            now_us: the time, microseconds since 1970.
            tasks: where reads run.
            options: slots of one function and of all together, pauses.
        """
        self._read = read
        self._begin = begin
        self._now_us = now_us
        self._tasks = tasks
        self._options = options
        self._max_slots = options.max_per_function
        self._first_slots = min(FIRST_SLOTS, self._max_slots)
        self._max_running = options.limits.concurrent_executions
        self._functions: dict[str, FunctionTurns] = {}
        # Functions that may have an event to begin, in the order of their turns.
        self._round: OrderedDict[str, FunctionTurns] = OrderedDict()
        # Those that had no turn for want of memory.
        self._starved: dict[str, FunctionTurns] = {}
        self._held_bytes = 0
        self._is_going_round = False
        self._is_called = False
        self._is_closed = False
        self.running = 0

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closed = True
        for turns in self._functions.values():
            for timer in (turns.timer, turns.growth):
                if timer is not None:
                    timer.cancel()

    def stored(self, function_name: str, due_us: int) -> None:
        """An event is on disk and not in memory."""
        turns = self._turns(function_name)
        turns.stored(due_us)
        self._queue(turns)

    def offer(self, event: QueuedEvent) -> None:
        """Take a stored event that is due and still in memory; kept only if its turn is near."""
        turns = self._turns(event.function_name)
        if (
            turns.due_us > event.due_us
            and not turns.is_reading
            and turns.running + len(turns.ready) < turns.slots
            and self._held_bytes < HELD_BYTES
        ):
            self._hold(turns, event)
        else:
            turns.stored(event.due_us)
        self._queue(turns)

    def ended(self, event: QueuedEvent, *, was_refused: bool) -> None:
        """What was begun has ended; its slot is free."""
        turns = self._functions[event.function_name]
        turns.running -= 1
        self.running -= 1
        if was_refused:
            turns.was_refused(self._now_us())
        else:
            turns.ran(self._first_slots)
        # In the next round of the loop: by then the environment that it ran in is free again.
        self._round.setdefault(turns.name, turns)
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._called)

    def _called(self) -> None:
        self._is_called = False
        self._go_round()

    def release(self, event: QueuedEvent, due_us: int | None) -> None:
        """What became of an event is on disk: it is gone, or due again then."""
        turns = self._functions[event.function_name]
        turns.held.discard(event.id)
        self._held_bytes -= len(event.payload)
        if turns.is_reading:
            turns.released.add(event.id)
        if due_us is not None:
            turns.stored(due_us)
            self._queue(turns)
        elif turns.is_idle:
            self._forget(turns)
        if self._starved:
            starved, self._starved = self._starved, {}
            for other in starved.values():
                self._queue(other)

    # --- the round ------------------------------------------------------------------------------

    def _turns(self, name: str) -> FunctionTurns:
        turns = self._functions.get(name)
        if turns is None:
            turns = self._functions[name] = FunctionTurns(
                name,
                self._first_slots,
                self._options.first_backoff_s,
                self._options.longest_pause_s,
            )
        return turns

    def _forget(self, turns: FunctionTurns) -> None:
        del self._functions[turns.name]
        self._round.pop(turns.name, None)
        for timer in (turns.timer, turns.growth):
            if timer is not None:
                timer.cancel()

    def _queue(self, turns: FunctionTurns) -> None:
        """Give a function its turn."""
        self._round.setdefault(turns.name, turns)
        self._go_round()

    def _go_round(self) -> None:
        """One event of each function in turn, until nothing more can begin."""
        if self._is_going_round or self._is_closed:
            return
        self._is_going_round = True
        try:
            while self._round and self.running < self._max_running:
                _, turns = self._round.popitem(last=False)
                if self._take_turn(turns):
                    self._round.setdefault(turns.name, turns)
        finally:
            self._is_going_round = False

    def _take_turn(self, turns: FunctionTurns) -> bool:
        """Begin an event of this function if it may; whether it may want another turn now."""
        now_us = self._now_us()
        if turns.paused_until_us > now_us:
            self._wake(turns, turns.paused_until_us, now_us)
            return False
        if turns.running >= int(turns.slots):
            self._watch(turns)
            self._read_ahead(turns, now_us)
            return False
        began = bool(turns.ready)
        if began:
            event = turns.ready.popleft()
            turns.running += 1
            self.running += 1
            self._begin(event)
        self._read_ahead(turns, now_us)
        return began

    def _read_ahead(self, turns: FunctionTurns, now_us: int) -> None:
        """Have events read while there are still a few, or be woken when the next one is due."""
        if turns.is_reading or turns.due_us == math.inf:
            return
        if turns.due_us > now_us:
            if not turns.ready:
                self._wake(turns, int(turns.due_us), now_us)
            return
        slots = int(turns.slots)
        if len(turns.ready) * 2 > slots:
            return
        if self._held_bytes >= HELD_BYTES:
            self._starved[turns.name] = turns
            return
        turns.is_reading = True
        limit = max(slots * 2 - len(turns.ready), _READ_EVENTS)
        self._tasks.create_task(self._read_due(turns, now_us, limit))

    async def _read_due(self, turns: FunctionTurns, now_us: int, limit: int) -> None:
        try:
            found = await self._read(
                turns.name, now_us=now_us, without=set(turns.held), limit=limit
            )
        except UnavailableError as error:
            _log.error("events_not_read", function=turns.name, error=error.message)
            found = DueEvents(events=(), next_due_us=now_us + int(_READ_AGAIN_S * _US))
        for event in found.events:
            # What was let go during the read has changed since.
            if event.id not in turns.held and event.id not in turns.released:
                self._hold(turns, event)
        next_due = math.inf if found.next_due_us is None else found.next_due_us
        turns.due_us = min(next_due, turns.arrived_us)
        turns.is_reading = False
        turns.arrived_us = math.inf
        turns.released.clear()
        if turns.is_idle:
            self._forget(turns)
        else:
            self._queue(turns)

    def _hold(self, turns: FunctionTurns, event: QueuedEvent) -> None:
        turns.held.add(event.id)
        turns.ready.append(event)
        self._held_bytes += len(event.payload)

    # --- timers ---------------------------------------------------------------------------------

    def _wake(self, turns: FunctionTurns, at_us: int, now_us: int) -> None:
        """Give the function a turn then."""
        if turns.timer is not None:
            turns.timer.cancel()
        loop = asyncio.get_running_loop()
        turns.timer = loop.call_later((at_us - now_us) / _US, self._woken, turns)

    def _woken(self, turns: FunctionTurns) -> None:
        turns.timer = None
        self._queue(turns)

    def _watch(self, turns: FunctionTurns) -> None:
        """See in a moment whether any of its slots has become free."""
        if turns.growth is None and turns.slots < self._max_slots and not self._is_closed:
            loop = asyncio.get_running_loop()
            turns.growth = loop.call_later(
                self._options.growth_s, self._grow, turns, turns.answered
            )

    def _grow(self, turns: FunctionTurns, answered: int) -> None:
        turns.growth = None
        if turns.answered == answered and turns.running >= int(turns.slots) and turns.ready:
            turns.slots = min(self._max_slots, turns.slots * 2)
        self._queue(turns)
