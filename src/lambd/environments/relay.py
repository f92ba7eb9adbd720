"""A streamed response on its way through an environment: from the runtime's request to its listener.

The relay buffers nothing. It pauses the runtime's connection while the listener is full or the
bandwidth is used up, so that the function itself waits. Bandwidth as AWS's emulator has it: a burst,
then so much a second (runtime.md section 5), and running into debt, since what has been read is
passed on at once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from lambd.model.hosting import PartsListener
from lambd.model.limits import Limits
from lambd.model.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Bytes of a streamed response, at once, and a second after that (0: as many as come)."""

    size_bytes: int
    burst_bytes: int
    bytes_per_s: int

    @staticmethod
    def of(limits: Limits) -> StreamLimits:
        """Those among all limits."""
        return StreamLimits(
            size_bytes=limits.streamed_response_bytes,
            burst_bytes=limits.streamed_response_burst_bytes,
            bytes_per_s=limits.streamed_response_bytes_per_s,
        )


def bandwidth_of(limits: StreamLimits, now: float) -> TokenBucket | None:
    """What a streamed response may take, in bytes; None: there is no limit."""
    if not limits.bytes_per_s:
        return None
    return TokenBucket(limits.bytes_per_s, limits.burst_bytes, now)


class Source(Protocol):
    """Where the parts come from: `lambd.http.exchanges.StreamedExchange`."""

    def pause(self) -> None:
        """Send no more for now."""

    def resume(self) -> None:
        """Send on."""


class ResponseRelay:
    """See the module header."""

    __slots__ = ("_bandwidth", "_is_full", "_listener", "_source", "_timer")

    def __init__(self, source: Source, listener: PartsListener, limits: StreamLimits) -> None:
        self._source: Source | None = source
        # None: what comes is dropped.
        self._listener: PartsListener | None = listener
        # None: as much as comes.
        self._bandwidth = bandwidth_of(limits, time.monotonic())
        self._is_full = False
        # Runs while the bandwidth is used up.
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, data: bytes) -> None:
        """Pass on a part."""
        if self._listener is None or self._source is None:
            return
        if not self._listener.write(data):
            self._is_full = True
        delay_s = self._spend(len(data))
        if delay_s and self._timer is None:
            self._wait(delay_s)
        if self._is_full or self._timer is not None:
            self._source.pause()

    def resume(self) -> None:
        """The listener takes more."""
        self._is_full = False
        self._go_on()

    def discard(self) -> None:
        """The listener is gone: nothing holds the function up any more."""
        self._listener = None
        self._is_full = False
        self._stop_timer()
        self._go_on()

    def close(self) -> None:
        """The response is over, or given up; whatever still comes is dropped."""
        self._source = self._listener = None
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
