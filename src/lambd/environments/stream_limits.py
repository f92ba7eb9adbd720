"""How much of a streamed response passes, and how fast: as AWS's emulator has it (runtime.md section 5).

What holds the function to it is `http/relay.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

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
