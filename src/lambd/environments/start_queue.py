"""Whose environment is started next: so many at a time, in turn between those who want some.

Starting is work for the processors: a hundred starts at once would all be ready late, the first
hardly before the last. In turn, the first are ready early, and often serve those who wait for the
others. One function's burst is no reason for another function's request to wait behind all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

_T = TypeVar("_T", bound=Hashable)

_log = structlog.get_logger(__name__)

# A start that takes longer than this is not waiting for a processor, but in the function's own
# initialisation for something else: others may begin, seconds.
_LONGEST_S = 0.25


class Slot:
    """The place of one start that has begun; given up by itself after a while."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done: Callable[[], None] | None = done
        self._timer = asyncio.get_running_loop().call_later(_LONGEST_S, self.release)

    def release(self) -> None:
        """Let others begin; idempotent."""
        self._timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done()


class StartQueue(Generic[_T]):
    """See the module header; on the event loop."""

    def __init__(self, slots: int, begin: Callable[[_T], bool]) -> None:
        """Args:
        slots: starts under way at a time.
        begin: begins a start, which takes a `slot`, and tells True, or False if it is no
            longer wanted.
        """
        self._free = slots
        self._begin = begin
        # Wanted starts of each; who comes first is next.
        self._wanted: dict[_T, int] = {}

    def count(self, item: _T) -> int:
        """Starts that wait for their turn."""
        return self._wanted.get(item, 0)

    def put(self, item: _T) -> None:
        """Want one more; it may begin before this returns."""
        self._wanted[item] = self._wanted.get(item, 0) + 1
        self._advance()

    def slot(self) -> Slot:
        """The slot of a start that has begun; once for each."""
        return Slot(self._done)

    def _done(self) -> None:
        self._free += 1
        self._advance()

    def _advance(self) -> None:
        while self._free and self._wanted:
            item = next(iter(self._wanted))
            left = self._wanted[item] - 1
            if left:
                self._wanted[item] = left
            else:
                del self._wanted[item]
            # Taken first: `begin` may come back here.
            self._free -= 1
            if not self._try(item):
                self._free += 1
            elif left := self._wanted.pop(item, 0):
                # To the end of the line.
                self._wanted[item] = left

    def _try(self, item: _T) -> bool:
        """Begin; what cannot even begin for a fault of ours is no longer wanted."""
        try:
            return self._begin(item)
        except Exception:  # noqa: BLE001 - a root: whose slot came free is not to blame
            _log.exception("start_not_begun")
            return False
