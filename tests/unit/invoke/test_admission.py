"""Leases on concurrency: limits, reservations that change, exact counts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers, none, sampled_from

from lambd.invoke.admission import Admission, Lease
from lambd.model.errors import ThrottledError
from lambd.store.database import FunctionChanged, ReservationsChanged


def test_the_account_has_a_limit() -> None:
    """What is released can be taken again, by any function."""
    admission = Admission(2)
    first = admission.acquire("f", None)
    admission.acquire("g", None)
    with pytest.raises(ThrottledError) as caught:
        admission.acquire("h", None)
    assert caught.value.reason == "ConcurrentInvocationLimitExceeded"
    assert caught.value.message == "Rate Exceeded."
    admission.release(first)
    admission.acquire("h", None)
    assert admission.in_use == 2


def test_a_reservation_is_floor_and_ceiling() -> None:
    """The function has its own in any case, and never more; the others have the rest."""
    admission = Admission(3)
    admission.note(ReservationsChanged(total=2))
    admission.acquire("other", None)
    with pytest.raises(ThrottledError):
        admission.acquire("other", None)
    admission.acquire("f", 2)
    admission.acquire("f", 2)
    with pytest.raises(ThrottledError) as caught:
        admission.acquire("f", 2)
    assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_zero_stops_a_function() -> None:
    """Not one invocation, however free the account is."""
    with pytest.raises(ThrottledError) as caught:
        Admission(1000).acquire("f", 0)
    assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_other_notices_change_nothing() -> None:
    """Only totals of reservations are for admission."""
    admission = Admission(1)
    admission.note(object())
    admission.acquire("f", None)


def test_requests_have_a_rate() -> None:
    """Ten a second for each unit of concurrency, of which a second's worth may come at once."""
    admission = Admission(2, requests_per_concurrency=10)
    for _ in range(20):
        admission.acquire("f", None).release()
    with pytest.raises(ThrottledError) as caught:
        admission.acquire("f", None)
    assert caught.value.reason == "FunctionInvocationRateLimitExceeded"
    assert admission.in_use == 0
    # Another function has its own.
    admission.acquire("g", None).release()


def test_a_reservation_has_its_own_rate() -> None:
    """And its own reason; concurrency is looked at first."""
    admission = Admission(100, requests_per_concurrency=10)
    for _ in range(10):
        admission.acquire("f", 1).release()
    with pytest.raises(ThrottledError) as caught:
        admission.acquire("f", 1)
    assert caught.value.reason == "ReservedFunctionInvocationRateLimitExceeded"
    with pytest.raises(ThrottledError) as caught:
        admission.acquire("f", 0)
    assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    # A larger one is a new one.
    for _ in range(20):
        admission.acquire("f", 2).release()


def test_a_function_that_changed_is_forgotten() -> None:
    """Unless it holds something, which is given back later."""
    admission = Admission(2)
    lease = admission.acquire("f", None)
    admission.note(FunctionChanged(name="f"))
    assert admission.in_use == 1
    lease.release()
    admission.note(FunctionChanged(name="f"))
    assert admission.in_use == 0
    assert admission.acquire("f", None) is not lease


class Counting(RuleBasedStateMachine):
    """Random leases and reservations against plain counting."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(6)
        self.reserved: dict[str, int | None] = {"f": None, "g": None}
        self.held: list[tuple[str, Lease]] = []

    def running(self, name: str) -> int:
        """Leases that a function holds."""
        return sum(holder == name for holder, _ in self.held)

    @rule(name=sampled_from(["f", "g"]), reserved=none() | integers(0, 3))
    def reserve(self, name: str, reserved: int | None) -> None:
        """A reservation comes, goes or changes."""
        self.reserved[name] = reserved
        total = sum(item or 0 for item in self.reserved.values())
        self.admission.note(ReservationsChanged(total=total))
        # What runs is counted anew when the function is next asked for.
        with contextlib.suppress(ThrottledError):
            self.admission.release(self.admission.acquire(name, reserved))

    @rule(name=sampled_from(["f", "g"]))
    def acquire(self, name: str) -> None:
        """A lease is given exactly when counting says so."""
        reserved = self.reserved[name]
        if reserved is not None:
            free = self.running(name) < reserved
        else:
            total = sum(item or 0 for item in self.reserved.values())
            shared = sum(self.running(each) for each, own in self.reserved.items() if own is None)
            free = shared < 6 - total
        if free:
            self.held.append((name, self.admission.acquire(name, reserved)))
        else:
            with pytest.raises(ThrottledError):
                self.admission.acquire(name, reserved)

    @precondition(lambda self: bool(self.held))
    @rule(index=integers(0, 100))
    def release(self, index: int) -> None:
        """Any lease ends."""
        self.admission.release(self.held.pop(index % len(self.held))[1])

    @invariant()
    def counts_agree(self) -> None:
        """Nothing is lost or counted twice."""
        assert self.admission.in_use == len(self.held)


Counting.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30)
test_counting = Counting.TestCase
