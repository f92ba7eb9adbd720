"""A body on its way from the request that brings it to whoever takes it, part by part.

The relay buffers nothing. It pauses the sender's connection while the taker is full or the bandwidth is
used up, so that the sender itself waits. The bandwidth may run into debt, since what has been read is
passed on at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from lambd.model.token_bucket import TokenBucket

# Takes a part; False asks for a pause.
Take = Callable[[bytes], bool]


class Source(Protocol):
    """Where the parts come from, such as a `StreamedExchange`."""

    def pause(self) -> None:
        """Send no more for now."""

    def resume(self) -> None:
        """Send on."""


class BodyRelay:
    """See the module header. It is a `lambd.http.exchanges.Flow`."""

    __slots__ = ("_bandwidth", "_is_full", "_source", "_take", "_timer")

    def __init__(self, source: Source, take: Take, bandwidth: TokenBucket | None) -> None:
        """Args:
        source: whose parts are given to `receive`.
        take: where they go.
        bandwidth: in bytes; None: as much as comes.
        """
        self._source: Source | None = source
        # None: what comes is dropped.
        self._take: Take | None = take
        self._bandwidth = bandwidth
        self._is_full = False
        # Runs while the bandwidth is used up.
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, data: bytes) -> None:
        """Pass on a part."""
        if self._take is None or self._source is None:
            return
        if not self._take(data):
            self._is_full = True
        delay_s = self._spend(len(data))
        if delay_s and self._timer is None:
            self._wait(delay_s)
        if self._is_full or self._timer is not None:
            self._source.pause()

    def resume(self) -> None:
        """The taker takes more."""
        self._is_full = False
        self._go_on()

    def discard(self) -> None:
        """The taker is gone: nothing holds the sender up any more."""
        self._take = None
        self._is_full = False
        self._stop_timer()
        self._go_on()

    def close(self) -> None:
        """The body is over, or given up; whatever still comes is dropped."""
        self._source = self._take = None
        self._stop_timer()

    def _spend(self, size: int) -> float:
        """Count bytes that have passed; seconds to wait before any more may."""
        return 0.0 if self._bandwidth is None else self._bandwidth.spend(size, time.monotonic())

    def _wait(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._refilled)

    def _refilled(self) -> None:
        self._timer = None
        delay_s = self._spend(0)
        if delay_s:
            # More had come after the pause.
            self._wait(delay_s)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._source is not None and not self._is_full and self._timer is None:
            self._source.resume()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
