"""How much of a streamed response passes, and how fast."""

from __future__ import annotations

from lambd.environments.stream_limits import StreamLimits, bandwidth_of
from lambd.model.limits import Limits

UNLIMITED = StreamLimits(size_bytes=10**9, burst_bytes=0, bytes_per_s=0)


def test_limits_are_those_of_aws() -> None:
    """200 MB; 6 MiB at once, then 2 MiB a second."""
    assert StreamLimits.of(Limits()) == StreamLimits(
        size_bytes=200 * 1024**2, burst_bytes=6 * 1024**2, bytes_per_s=2 * 1024**2
    )


def test_bandwidth_is_a_burst_and_then_a_rate() -> None:
    """Of bytes; zero bytes a second turns the cap off."""
    limits = StreamLimits(size_bytes=0, burst_bytes=100, bytes_per_s=10)
    bandwidth = bandwidth_of(limits, 0.0)
    assert bandwidth is not None
    assert (bandwidth.spend(100, 0.0), bandwidth.spend(5, 0.0)) == (0.0, 0.5)
    assert bandwidth_of(UNLIMITED, 0.0) is None
