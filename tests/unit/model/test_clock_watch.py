"""Whether the wall clock was set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambd.model.clock_watch import ClockWatch

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "is_back"),
    [
        pytest.param(100, 100, False, id="both go"),
        pytest.param(7200, 100, False, id="set forward, or asleep"),
        pytest.param(95, 100, False, id="corrected"),
        pytest.param(30, 100, True, id="slower than it should be"),
        pytest.param(-7200, 100, True, id="set back"),
    ],
)
def test_falling_behind_by_a_minute_is_being_set_back(
    wall_s: int, monotonic_s: float, is_back: bool
) -> None:
    """Since the last look; at the first there is nothing to compare."""
    watch = ClockWatch()
    assert watch.was_set_back(NOON, 1000.0) is False
    now = NOON + timedelta(seconds=wall_s)
    assert watch.was_set_back(now, 1000.0 + monotonic_s) is is_back
    # Only once for each time that it was.
    assert watch.was_set_back(now, 1000.0 + monotonic_s) is False
