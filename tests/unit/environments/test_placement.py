"""The host's ledger: promises, overcommit, what is really left; and how quickly functions scale."""

from __future__ import annotations

import pytest

from lambd.environments.placement import (
    HostLedger,
    available_memory_mib,
    machine_memory_mib,
)
from lambd.environments.scaling_rate import ScalingRate
from lambd.model.errors import ThrottledError
from lambd.model.hosting import FunctionKey


def test_promises_stay_within_the_capacity() -> None:
    """What is given back can be promised again."""
    ledger = HostLedger(256)
    ledger.take(128)
    assert ledger.has_room(128)
    assert not ledger.has_room(129)
    ledger.take(128)
    assert not ledger.has_room(1)
    ledger.give_back(128)
    assert ledger.has_room(128)
    assert ledger.promised_mib == 128


def test_more_can_be_promised_than_there_is() -> None:
    """By the overcommit factor."""
    ledger = HostLedger(256, overcommit=2.0)
    ledger.take(384)
    assert ledger.has_room(128)
    assert not ledger.has_room(129)


def test_an_empty_host_takes_anything() -> None:
    """A function larger than the capacity runs alone rather than never."""
    assert HostLedger(128).has_room(10_240)


def test_nothing_starts_in_memory_that_is_not_there() -> None:
    """The machine's reserve stays free, whatever has been promised."""
    left = machine_memory_mib() // 20 + 128
    ledger = HostLedger(1 << 20, available_mib=lambda: left)
    assert ledger.has_memory(128)
    assert not ledger.has_memory(129)
    assert HostLedger(128).has_memory(1 << 30)


def test_the_kernel_tells_what_is_available() -> None:
    """Something, and no more than there is."""
    assert 0 < available_memory_mib() <= machine_memory_mib()


def _function(name: str) -> FunctionKey:
    return FunctionKey("000000000000", "us-east-1", name)


def test_a_function_scales_at_a_rate() -> None:
    """Each function for itself; unused starts do not count."""
    rate = ScalingRate(2)
    rate.take(_function("f"))
    rate.take(_function("f"))
    rate.take(_function("g"))
    with pytest.raises(ThrottledError) as caught:
        rate.take(_function("f"))
    assert caught.value.reason == "ConcurrentInvocationLimitExceeded"
    rate.give_back(_function("f"))
    rate.take(_function("f"))


def test_zero_is_no_limit() -> None:
    """For platforms of one's own."""
    rate = ScalingRate(0)
    for _ in range(5000):
        rate.take(_function("f"))


def test_environments_are_no_more_than_there_are_descriptors_for() -> None:
    """However little memory they want; one always fits."""
    ledger = HostLedger(1 << 20, max_environments=2)
    ledger.take(128)
    assert ledger.has_room(128)
    ledger.take(128)
    assert not ledger.has_room(128)
    ledger.give_back(128)
    assert ledger.has_room(128)
    assert HostLedger(1 << 20, max_environments=0).has_room(128)
