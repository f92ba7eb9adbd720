"""The loop behind schedules and scheduled rules: dispatches what is due, and has it handed over.

All there is to do is in the rows, so a restart carries on where it was. The loop sleeps until the
next row is due, and wakes when one changes. Handing over waits for disks and other services, so
each dispatch has a task of its own, a bounded number at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from lambd.control.context import ControlContext
from lambd.services.dispatch.dispatching import dispatch_due, next_due, read_due
from lambd.services.dispatch.handover import Handover
from lambd.services.dispatch.model import Dispatch
from lambd.services.dispatch.occurrences import Draw
from lambd.services.dispatch.sources import Sources
from lambd.store.database import Change, Database, SchedulesChanged

_log = structlog.get_logger(__name__)

# Dispatches that are handed over together.
_TASKS = 64
# The clock is looked at at least so often when something is due later: it may be set, seconds.
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
        self._changed = asyncio.Event()
        self._in_hand: set[int] = set()
        self._next_due: datetime | None = None
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, SchedulesChanged):
            self._changed.set()

    async def run(self) -> None:
        """Run until cancelled; what is in hand then is taken up by the next start."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._step(tasks)
                except Exception:  # noqa: BLE001 - a task root: a full disk must not stop the platform
                    _log.exception("schedules_failed", retry_after_s=_RETRY_S)
                    await asyncio.sleep(_RETRY_S)
                else:
                    await self._wait()

    async def _step(self, tasks: asyncio.TaskGroup) -> None:
        """Do what there is to do now."""
        self._changed.clear()
        context = self._context()
        self._next_due = await self._database.read(next_due, self._sources, self._in_hand)
        if self._next_due is None or self._next_due > context.now:
            return
        await self._database.run(dispatch_due, context, self._sources, self._draw)
        due, self._next_due = await self._database.read(
            read_due,
            self._sources,
            context.now,
            frozenset(self._in_hand),
            _TASKS - len(self._in_hand),
        )
        for dispatch in due:
            self._in_hand.add(dispatch.id)
            tasks.create_task(self._guard(dispatch))

    async def _guard(self, dispatch: Dispatch) -> None:
        """A fault of ours with one dispatch must neither stop the platform nor lose the dispatch."""
        try:
            await self._handover.hand_over(dispatch)
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("dispatch_crashed", request_id=dispatch.request_id)
            await self._postpone(dispatch)
        finally:
            self._in_hand.discard(dispatch.id)
            self._changed.set()

    async def _postpone(self, dispatch: Dispatch) -> None:
        try:
            await self._handover.postpone(dispatch)
        except Exception:  # noqa: BLE001 - a full disk, most likely
            _log.exception("dispatch_not_postponed", request_id=dispatch.request_id)
            await asyncio.sleep(_RETRY_S)

    async def _wait(self) -> None:
        """Until something changes, or is due."""
        timeout_s: float | None = None
        if self._next_due is not None:
            due_in_s = (self._next_due - self._context().now).total_seconds()
            # With all hands full, what is due waits for one of them.
            is_full = len(self._in_hand) >= _TASKS
            timeout_s = _CLOCK_S if is_full else max(0.0, min(_CLOCK_S, due_in_s))
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass
