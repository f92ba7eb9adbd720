"""The alarms of target tracking, and the capacities they ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from lambd.services.autoscaling.target_tracking import Alarm, Alarms, scaled_in, scaled_out

CAPACITIES = integers(1, 1000)
TARGETS = floats(0.1, 0.9)


def state(*periods: float, target: float = 0.7) -> tuple[Alarm, float] | None:
    """The alarm after these periods."""
    alarms = Alarms()
    for period in periods:
        alarms.add(period)
    return alarms.state(target)


def test_three_periods_above_the_target_are_high() -> None:
    """All three; the newest counts."""
    assert state(0.9, 0.9) is None
    assert state(0.9, 0.8, 0.95) == (Alarm.HIGH, 0.95)
    assert state(0.0, 0.9, 0.8, 0.71) == (Alarm.HIGH, 0.71)
    assert state(0.9, 0.7, 0.9) is None


def test_fifteen_periods_below_nine_tenths_of_it_are_low() -> None:
    """All fifteen; the busiest counts, and older ones are forgotten."""
    assert state(*[0.1] * 14) is None
    assert state(0.9, 0.3, *[0.1] * 14) == (Alarm.LOW, 0.3)
    assert state(*[0.1] * 14, 0.63) is None
    assert state(*[0.1] * 14, 0.62) == (Alarm.LOW, 0.62)


def test_nothing_measured_is_no_alarm() -> None:
    """Cleared, it begins again."""
    alarms = Alarms()
    for _ in range(15):
        alarms.add(0.0)
    alarms.clear()
    assert alarms.state(0.7) is None


@pytest.mark.parametrize(
    ("capacity", "use", "target", "expected"),
    [
        pytest.param(10, 1.0, 0.5, 20, id="double"),
        pytest.param(10, 0.77, 0.7, 11, id="exact in tenths"),
        pytest.param(3, 1.0, 0.7, 5, id="rounded up"),
        pytest.param(1, 0.71, 0.7, 2, id="at least one"),
        pytest.param(100, 0.7000001, 0.7, 101, id="hardly above"),
    ],
)
def test_out_is_in_proportion(capacity: int, use: float, target: float, expected: int) -> None:
    """As much as would have been at the target."""
    assert scaled_out(capacity, use, target) == expected


@pytest.mark.parametrize(
    ("capacity", "use", "expected"),
    [
        pytest.param(100, 0.0, 90, id="a tenth"),
        pytest.param(9, 0.0, 8, id="at least one"),
        pytest.param(1, 0.0, 0, id="the last"),
        pytest.param(100, 0.6, 90, id="in steps"),
        pytest.param(10, 0.62, 9, id="as far as use allows"),
        pytest.param(2, 0.6, 2, id="no room"),
    ],
)
def test_in_goes_by_steps(capacity: int, use: float, expected: int) -> None:
    """To a target of 0.7."""
    assert scaled_in(capacity, use, 0.7) == expected


@given(capacity=CAPACITIES, target=TARGETS, use=floats(0, 1))
def test_a_step_in_never_asks_for_one_out(capacity: int, target: float, use: float) -> None:
    """The same use of what is left is at the target at most."""
    if use >= 0.9 * target:
        return
    fewer = scaled_in(capacity, use, target)
    assert fewer <= capacity
    if fewer:
        assert capacity * use / fewer <= target + 1e-5 or fewer == capacity


@given(capacity=CAPACITIES, target=TARGETS, use=floats(0, 1))
def test_a_step_out_reaches_the_target(capacity: int, target: float, use: float) -> None:
    """And is more than there was."""
    if use <= target:
        return
    more = scaled_out(capacity, use, target)
    assert more > capacity
    assert capacity * use / more <= target + 1e-5
