"""Rate limits against plain arithmetic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists

from lambd.model.token_bucket import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    """Full at first; afterwards one token in each period; never more than the burst."""
    bucket = TokenBucket(2.0, 3.0, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) == 0.5
    assert not bucket.is_full(101.0)
    assert bucket.is_full(1000.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_what_is_given_back_can_be_taken() -> None:
    """As if it had never been."""
    bucket = TokenBucket(1.0, 1.0, 0.0)
    assert bucket.take(0.0) == 0.0
    bucket.give_back()
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == 1.0


def test_a_rate_of_nothing_never_refills() -> None:
    """The wait has no end."""
    assert TokenBucket(0.0, 0.0, 0.0).take(5.0) == math.inf


def test_what_cannot_be_refused_runs_into_debt() -> None:
    """The debt takes its time; idle time fills the bucket, never above the burst."""
    bucket = TokenBucket(10.0, 100.0, 0.0)
    assert bucket.spend(100, 0.0) == 0.0
    assert bucket.spend(5, 0.0) == 0.5
    assert bucket.spend(0, 0.25) == 0.25
    assert bucket.spend(0, 0.5) == 0.0
    assert bucket.spend(100, 1000.0) == 0.0
    assert bucket.spend(10, 1000.0) == 1.0
    assert TokenBucket(0.0, 1.0, 0.0).spend(2, 9.0) == math.inf


@given(
    per_s=integers(1, 50),
    burst=integers(1, 50),
    steps=lists(floats(0, 2, allow_subnormal=False), max_size=60),
)
def test_never_more_than_burst_and_rate(per_s: int, burst: int, steps: list[float]) -> None:
    """In no span of time more tokens than it may have; who waits as told is served."""
    bucket = TokenBucket(per_s, burst, 0.0)
    now = 0.0
    for taken, step in enumerate(steps, start=1):
        now += step
        wait_s = bucket.take(now)
        if wait_s:
            assert wait_s <= 1 / per_s + 1e-9
            now += wait_s * (1 + 1e-9) + 1e-9
            assert bucket.take(now) == pytest.approx(0.0)
        assert taken <= burst + now * per_s + 1e-6
