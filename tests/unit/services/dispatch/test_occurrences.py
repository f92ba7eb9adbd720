"""When schedules are due: starts, ends, windows, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambd.services.dispatch.occurrences import (
    Occurrence,
    Timing,
    latest_missed,
    next_occurrence,
    time_after,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


def timing(
    expression: str,
    *,
    timezone: str | None = None,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    begins_at_once: bool = True,
    window_minutes: int = 0,
) -> Timing:
    """One that counts from noon."""
    return Timing(
        expression=expression,
        timezone=timezone,
        start_at=start_at,
        end_at=end_at,
        anchor_at=NOON,
        begins_at_once=begins_at_once,
        window_minutes=window_minutes,
    )


@pytest.mark.parametrize(
    ("when", "after", "expected"),
    [
        pytest.param(timing("rate(5 minutes)"), NOON - INSTANT, NOON, id="rate at once"),
        pytest.param(timing("rate(5 minutes)"), NOON, NOON + 5 * MINUTE, id="rate again"),
        pytest.param(
            timing("rate(5 minutes)", begins_at_once=False),
            NOON - INSTANT,
            NOON + 5 * MINUTE,
            id="rate of a rule",
        ),
        pytest.param(
            timing("rate(1 hour)", start_at=NOON + MINUTE), NOON, NOON + MINUTE, id="rate at start"
        ),
        pytest.param(
            timing("rate(1 hour)", start_at=NOON + MINUTE),
            NOON + MINUTE,
            NOON + MINUTE + HOUR,
            id="rate from start",
        ),
        pytest.param(
            timing("rate(1 hour)", end_at=NOON + HOUR), NOON, NOON + HOUR, id="rate at end"
        ),
        pytest.param(
            timing("rate(1 hour)", end_at=NOON + HOUR - INSTANT), NOON, None, id="rate after end"
        ),
        pytest.param(
            timing("cron(0 * * * ? *)", start_at=NOON + 2 * HOUR),
            NOON,
            NOON + 2 * HOUR,
            id="cron at start",
        ),
        pytest.param(
            timing("cron(30 * * * ? *)", start_at=NOON + 2 * HOUR),
            NOON,
            NOON + 2 * HOUR + 30 * MINUTE,
            id="cron after start",
        ),
        pytest.param(
            timing("cron(0 * * * ? *)", end_at=NOON + 30 * MINUTE), NOON, None, id="cron after end"
        ),
        pytest.param(
            timing("cron(0 9 * * ? *)", timezone="America/New_York"),
            NOON,
            NOON + 2 * HOUR,
            id="cron in a zone",
        ),
        pytest.param(
            timing("at(2026-11-24T13:00:00)", start_at=NOON + 9 * HOUR, end_at=NOON - HOUR),
            NOON,
            NOON + HOUR,
            id="one time has neither start nor end",
        ),
        pytest.param(timing("at(2026-11-24T12:00:00)"), NOON, None, id="one time is over"),
    ],
)
def test_the_next_time(when: Timing, after: datetime, expected: datetime | None) -> None:
    """A rate begins at its start, a cron at its first time from there on; the end counts."""
    assert time_after(when, after) == expected


def test_a_moment_is_drawn_within_the_window() -> None:
    """From its time to the window's end; of a window that has begun, from now on."""
    when = timing("rate(1 hour)", window_minutes=30)
    at = NOON + HOUR
    drawn = [
        next_occurrence(when, after=NOON, now=NOON, draw=lambda value=value: value)  # type: ignore[misc]  # bound
        for value in (0.0, 0.5)
    ]
    assert drawn == [Occurrence(at, at), Occurrence(at, at + 15 * MINUTE)]
    late = next_occurrence(when, after=NOON, now=at + 20 * MINUTE, draw=lambda: 0.5)
    assert late == Occurrence(at, at + 25 * MINUTE)


@pytest.mark.parametrize(
    ("when", "now", "expected"),
    [
        pytest.param(timing("rate(1 hour)"), NOON, NOON, id="only this one"),
        pytest.param(timing("rate(1 hour)"), NOON + 5.5 * HOUR, NOON + 5 * HOUR, id="rate"),
        pytest.param(
            timing("cron(0 6 * * ? *)"),
            NOON + timedelta(days=400),
            NOON + timedelta(days=399, hours=18),
            id="long ago",
        ),
        pytest.param(
            timing("cron(* * * * ? *)"),
            NOON + timedelta(days=400, seconds=30),
            NOON + timedelta(days=400),
            id="every minute",
        ),
        pytest.param(
            timing("cron(0 0 1 1 ? *)"), NOON + timedelta(days=300), NOON, id="none for a day"
        ),
        pytest.param(
            timing("rate(1 hour)", window_minutes=45),
            NOON + 3.5 * HOUR,
            NOON + 2 * HOUR,
            id="a window still open",
        ),
        pytest.param(
            timing("rate(1 hour)", end_at=NOON + 2 * HOUR),
            NOON + 9 * HOUR,
            NOON + 2 * HOUR,
            id="until the end",
        ),
        pytest.param(timing("at(2026-11-24T12:00:00)"), NOON + 9 * HOUR, NOON, id="one time"),
    ],
)
def test_the_latest_that_was_missed(when: Timing, now: datetime, expected: datetime) -> None:
    """Of those since the one that was planned, noon's."""
    assert latest_missed(when, NOON, now) == expected
