"""Keeping the event loop awake for a moment after each message.

A processor that goes idle takes 10 to 30 us to come back, most of all inside a virtual machine, and
whoever wakes it pays as well. An invocation is half a dozen messages that follow each other within
less than 100 us, so a loop that looks for the next one that long, instead of sleeping, saves more
than its own work costs; Linux does the same for sockets (`net.core.busy_poll`). Needs a second
processor: with one, whoever is to send the message could not run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class BusyPoll:
    """Keeps its event loop from sleeping for `window_s` after the last `touch`."""

    __slots__ = ("_is_awake", "_is_worthwhile", "_loop", "_until", "_window_s")

    def __init__(self, window_s: float, is_worthwhile: Callable[[], bool]) -> None:
        """Make it on the loop that it is for.

        Args:
            window_s: for how long.
            is_worthwhile: whether there is a processor to spare now; asked at each message.
        """
        self._is_worthwhile = is_worthwhile
        self._loop = asyncio.get_running_loop()
        self._window_s = window_s
        self._until = 0.0
        self._is_awake = False

    def touch(self) -> None:
        """A message came: another one may follow soon."""
        if not self._is_worthwhile():
            self._until = 0.0
            return
        self._until = time.monotonic() + self._window_s
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        # A loop with a callback to run polls its sockets without waiting for them.
        if time.monotonic() < self._until:
            self._loop.call_soon(self._look)
        else:
            self._is_awake = False
