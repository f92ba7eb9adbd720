"""Bandwidth and pauses of a streamed response on its way."""

from __future__ import annotations

import asyncio

import pytest

from lambd.environments.relay import ResponseRelay, StreamLimits, bandwidth_of
from lambd.model.errors import PlatformError
from lambd.model.invocations import InvocationResult, StreamHead
from lambd.model.limits import Limits

UNLIMITED = StreamLimits(size_bytes=10**9, burst_bytes=0, bytes_per_s=0)


class Valve:
    """A source that remembers whether it is paused."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def pause(self) -> None:
        """Remember it."""
        self.open.clear()

    def resume(self) -> None:
        """Remember it."""
        self.open.set()


class Keeper:
    """A sink that keeps everything and is full when told so."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_full = False

    def begin(self, head: StreamHead) -> None:
        """Not called by a relay."""
        raise NotImplementedError

    def write(self, data: bytes) -> bool:
        """Keep it."""
        self.parts.append(data)
        return not self.is_full

    def end(self, result: InvocationResult) -> None:
        """Not called by a relay."""
        raise NotImplementedError

    def fail(self, error: PlatformError | None) -> None:
        """Not called by a relay."""
        raise NotImplementedError


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


async def test_a_full_sink_pauses_the_source_until_it_takes_more() -> None:
    """The part that filled it is not lost."""
    valve, keeper = Valve(), Keeper()
    relay = ResponseRelay(valve, keeper, UNLIMITED)
    relay.receive(b"a")
    assert valve.open.is_set()
    keeper.is_full = True
    relay.receive(b"b")
    assert not valve.open.is_set()
    relay.resume()
    assert valve.open.is_set()
    assert keeper.parts == [b"a", b"b"]


async def test_used_up_bandwidth_pauses_the_source_for_a_while() -> None:
    """What came after the pause counts too, and a full sink keeps the source paused."""
    valve, keeper = Valve(), Keeper()
    limits = StreamLimits(size_bytes=10**9, burst_bytes=10, bytes_per_s=1000)
    relay = ResponseRelay(valve, keeper, limits)
    relay.receive(bytes(20))
    relay.receive(bytes(20))
    assert not valve.open.is_set()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await valve.open.wait()
    assert loop.time() - started >= 0.025
    keeper.is_full = True
    relay.receive(bytes(20))
    relay.resume()
    assert not valve.open.is_set()
    await valve.open.wait()


@pytest.mark.parametrize("bytes_per_s", [0, 1])
async def test_a_discarded_response_flows_freely(bytes_per_s: int) -> None:
    """Once nobody listens neither the sink nor the bandwidth holds the function up."""
    valve, keeper = Valve(), Keeper()
    limits = StreamLimits(size_bytes=10**9, burst_bytes=1, bytes_per_s=bytes_per_s)
    relay = ResponseRelay(valve, keeper, limits)
    keeper.is_full = True
    relay.receive(b"ab")
    assert not valve.open.is_set()
    relay.discard()
    assert valve.open.is_set()
    relay.receive(b"cd")
    assert valve.open.is_set()
    assert keeper.parts == [b"ab"]


async def test_nothing_passes_after_the_end() -> None:
    """A closed relay drops what comes and touches its source no more."""
    valve, keeper = Valve(), Keeper()
    relay = ResponseRelay(valve, keeper, UNLIMITED)
    keeper.is_full = True
    relay.receive(b"in time")
    relay.close()
    relay.receive(b"late")
    relay.resume()
    relay.discard()
    assert keeper.parts == [b"in time"]
    assert not valve.open.is_set()
