"""THE loop that follows rows: what brings the world into line with them runs in one of these.

A step does what there is to do now and tells for how long there is nothing; it runs again when that
time has passed, or when it is woken because rows have changed. A step must find its work in the rows
each time, so that one that failed halfway is made good by the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NoReturn

import structlog

_log = structlog.get_logger(__name__)

# After a fault of ours, seconds: the first, doubled with each that follows, and the longest.
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 30.0
# The wall clock may be set: it is looked at at least so often when something is due later, seconds.
_CLOCK_S = 30.0

# Does what there is to do; seconds until there is more, or None if only a change brings it.
Step = Callable[[], Awaitable[float | None]]


class Follower:
    """See the module header; `run` under the root task group."""

    def __init__(
        self, name: str, step: Step, *, start: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """Args:
        name: of the loop, for the log.
        step: see the module header; it is never run twice at once.
        start: is done before the first step, until it succeeds.
        """
        self._name = name
        self._step = step
        self._start = start
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Have a step run soon: after the one that is running, if one is."""
        self._changed.set()

    async def run(self) -> NoReturn:
        """Follow until cancelled; an exception is logged, and the step tried again by and by."""
        failures = 0
        while True:
            self._changed.clear()
            try:
                if self._start is not None:
                    await self._start()
                    self._start = None
                wait_s = await self._step()
            except Exception:  # noqa: BLE001 - a task root: a full disk must not stop the platform
                delay_s = min(_FIRST_DELAY_S * 2**failures, _LONGEST_DELAY_S)
                failures = min(failures + 1, 16)
                _log.exception("loop_failed", loop=self._name, retry_after_s=delay_s)
                # Changes do not wake it: they would have it fail as often as they come.
                await asyncio.sleep(delay_s)
            else:
                failures = 0
                await self._wait(wait_s)

    async def _wait(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            pass


def seconds_until(moment: datetime | None, now: datetime) -> float | None:
    """How long to wait for a moment of the wall clock before it is looked at again.

    None: for ever, there is no such moment.
    """
    if moment is None:
        return None
    return max(0.0, min(_CLOCK_S, (moment - now).total_seconds()))
