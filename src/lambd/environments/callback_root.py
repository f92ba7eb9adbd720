"""Where the callbacks of one environment begin: timers, its control socket, what calls its session.

Whatever one of them raises is a fault of ours: it is logged and ends that environment, with the
invocation that it has, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

import structlog

_Ts = TypeVarTuple("_Ts")

_log = structlog.get_logger(__name__)


class CallbackRoot:
    """See the module header; on the event loop."""

    def __init__(self, name: str, crashed: Callable[[], None]) -> None:
        """Args:
        name: of the environment's sandbox, for the log.
        crashed: ends the environment.
        """
        self._name = name
        self._crashed = crashed
        self._loop = asyncio.get_running_loop()

    def run(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """Call, and stand for what it raises."""
        try:
            callback(*args)
        except Exception:  # noqa: BLE001 - a callback root: see the module header
            _log.exception("environment_crashed", sandbox=self._name)
            self._end()

    def call_later(
        self, delay_s: float, callback: Callable[[*_Ts], object], *args: *_Ts
    ) -> asyncio.TimerHandle:
        """The loop's `call_later`, with `run`."""
        return self._loop.call_later(delay_s, self.run, callback, *args)

    def call_soon(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> asyncio.Handle:
        """The loop's `call_soon`, with `run`."""
        return self._loop.call_soon(self.run, callback, *args)

    def _end(self) -> None:
        try:
            self._crashed()
        except Exception:  # noqa: BLE001 - a callback root: as much as can be done has been
            _log.exception("environment_end_crashed", sandbox=self._name)
