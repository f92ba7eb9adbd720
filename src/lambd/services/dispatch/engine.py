"""The loop behind schedules and scheduled rules: dispatches what is due, and has it handed over.

All there is to do is in the rows, so a restart carries on where it was. The loop (`store/follower.py`)
sleeps until the next row is due, and wakes when one changes. Handing over waits for disks and other services, so
each dispatch has a task of its own, a bounded number at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from lambd.control.context import ControlContext
from lambd.model.clock_watch import ClockWatch
from lambd.services.dispatch.dispatching import dispatch_due, next_due, plan_anew, read_due
from lambd.services.dispatch.handover import Handover
from lambd.services.dispatch.model import Dispatch
from lambd.services.dispatch.occurrences import Draw
from lambd.services.dispatch.sources import Sources
from lambd.store.database import Change, Database, SchedulesChanged
from lambd.store.follower import Follower, seconds_until

_log = structlog.get_logger(__name__)

# Dispatches that are handed over together.
_TASKS = 64
# With all hands full, the clock is looked at so often, seconds.
_CLOCK_S = 30.0
# After a fault of ours, seconds.
_RETRY_S = 1.0


class ScheduleEngine:
    """See the module header; `run` under the root task group."""

    def __init__(
        self,
        *,
        database: Database,
        context: Callable[[], ControlContext],
        sources: Sources,
        handover: Handover,
        draw: Draw,
    ) -> None:
        """Args:
        database: where the rows are.
        context: the surroundings of what is done now; its time is the schedules' clock.
        sources: what has occurrences.
        handover: does what is to be done for one dispatch.
        draw: chooses moments within flexible time windows.
        """
        self._database = database
        self._context = context
        self._sources = sources
        self._handover = handover
        self._draw = draw
        self._in_hand: set[int] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._clock = ClockWatch()
        # Whether a clock that was ahead may have planned something: before the start, or now.
        self._may_be_astray = True
        self._follower = Follower("schedules", self._step)
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, SchedulesChanged):
            self._follower.wake()

    async def run(self) -> None:
        """Run until cancelled; what is in hand then is taken up by the next start."""
        async with asyncio.TaskGroup() as self._tasks:
            await self._follower.run()

    async def _step(self) -> float | None:
        """Do what there is to do now; seconds until there is more."""
        assert self._tasks is not None  # noqa: S101 - it runs
        context = self._context()
        if self._clock.was_set_back(context.now, asyncio.get_running_loop().time()):
            _log.warning("clock_set_back", now=context.now.isoformat())
            self._may_be_astray = True
        if self._may_be_astray:
            await self._database.run(plan_anew, context, self._sources, self._draw)
            self._may_be_astray = False
        due_at = await self._database.read(next_due, self._sources, self._in_hand)
        if due_at is None or due_at > context.now:
            return seconds_until(due_at, context.now)
        await self._database.run(dispatch_due, context, self._sources, self._draw)
        due, due_at = await self._database.read(
            read_due,
            self._sources,
            context.now,
            frozenset(self._in_hand),
            _TASKS - len(self._in_hand),
        )
        for dispatch in due:
            self._in_hand.add(dispatch.id)
            self._tasks.create_task(self._guard(dispatch))
        # With all hands full, what is due waits for one of them.
        is_full = len(self._in_hand) >= _TASKS
        return _CLOCK_S if is_full else seconds_until(due_at, self._context().now)

    async def _guard(self, dispatch: Dispatch) -> None:
        """A fault of ours with one dispatch must neither stop the platform nor lose the dispatch."""
        try:
            await self._handover.hand_over(dispatch)
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("dispatch_crashed", request_id=dispatch.request_id)
            await self._postpone(dispatch)
        finally:
            self._in_hand.discard(dispatch.id)
            self._follower.wake()

    async def _postpone(self, dispatch: Dispatch) -> None:
        try:
            await self._handover.postpone(dispatch)
        except Exception:  # noqa: BLE001 - a full disk, most likely
            _log.exception("dispatch_not_postponed", request_id=dispatch.request_id)
            await asyncio.sleep(_RETRY_S)
