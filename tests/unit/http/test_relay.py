"""Bandwidth and pauses of a body on its way."""

from __future__ import annotations

import asyncio
import time

import pytest

from lambd.http.relay import BodyRelay
from lambd.model.token_bucket import TokenBucket


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
    """A taker that keeps everything and is full when told so."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_full = False

    def write(self, data: bytes) -> bool:
        """Keep it."""
        self.parts.append(data)
        return not self.is_full


async def test_a_full_taker_pauses_the_source_until_it_takes_more() -> None:
    """The part that filled it is not lost."""
    valve, keeper = Valve(), Keeper()
    relay = BodyRelay(valve, keeper.write, None)
    relay.receive(b"a")
    assert valve.open.is_set()
    keeper.is_full = True
    relay.receive(b"b")
    assert not valve.open.is_set()
    relay.resume()
    assert valve.open.is_set()
    assert keeper.parts == [b"a", b"b"]


async def test_used_up_bandwidth_pauses_the_source_for_a_while() -> None:
    """What came after the pause counts too, and a full taker keeps the source paused."""
    valve, keeper = Valve(), Keeper()
    relay = BodyRelay(valve, keeper.write, TokenBucket(1000, 10, time.monotonic()))
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


@pytest.mark.parametrize("bandwidth", [None, TokenBucket(1, 1, 0.0)], ids=["any", "little"])
async def test_a_discarded_body_flows_freely(bandwidth: TokenBucket | None) -> None:
    """Once nobody listens neither the taker nor the bandwidth holds the sender up."""
    valve, keeper = Valve(), Keeper()
    relay = BodyRelay(valve, keeper.write, bandwidth)
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
    relay = BodyRelay(valve, keeper.write, None)
    keeper.is_full = True
    relay.receive(b"in time")
    relay.close()
    relay.receive(b"late")
    relay.resume()
    relay.discard()
    assert keeper.parts == [b"in time"]
    assert not valve.open.is_set()
