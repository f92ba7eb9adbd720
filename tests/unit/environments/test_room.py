"""Room on the host: who is refused, and what operators hear of it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from lambd.environments.placement import HostLedger
from lambd.environments.room import Room
from lambd.model.errors import ThrottledError


def test_a_full_host_is_told_in_the_log_with_its_memory() -> None:
    """Once for many requests; each caller hears of a concurrency limit, as on AWS."""
    room = Room(HostLedger(256), evict=lambda: False)
    room.take(256)
    with capture_logs() as lines:
        for _ in range(1000):
            with pytest.raises(ThrottledError) as caught:
                room.take(128)
    assert caught.value.reason == "ConcurrentInvocationLimitExceeded"
    assert [line["event"] for line in lines] == ["host_full"]
    (line,) = lines
    assert (line["wanted_mib"], line["promised_mib"], line["promisable_mib"]) == (128, 256, 256)


def test_what_is_idle_makes_room() -> None:
    """Nobody is refused, and nothing is told."""
    ledger = HostLedger(256)
    idle = [256]
    ledger.take(256)

    def evict() -> bool:
        ledger.give_back(idle.pop())
        return True

    with capture_logs() as lines:
        Room(ledger, evict).take(128)
    assert (ledger.promised_mib, idle, lines) == (128, [], [])
