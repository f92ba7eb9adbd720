"""ScheduleExpression expressions, time zones and the two days a year when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, integers, sampled_from, timezones

from lambd.model.schedule_expressions import (
    At,
    Rate,
    ScheduleSyntaxError,
    next_time,
    parse_schedule,
    parse_zone,
)

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def due(expression: str, after: str, zone: str = "UTC", number: int = 1) -> list[str]:
    """The next times in UTC, as text."""
    found: list[str] = []
    moment: datetime | None = datetime.fromisoformat(after)
    for _ in range(number):
        assert moment is not None
        schedule = parse_schedule(expression)
        moment = next_time(schedule, after=moment, anchor=ANCHOR, zone=parse_zone(zone))
        found.append("never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}")
    return found


def test_at_is_due_once() -> None:
    """At its time in its zone, and never after; the second counts."""
    assert parse_schedule("at(2026-12-08T9:36:05)") == At(datetime(2026, 12, 8, 9, 36, 5))  # noqa: DTZ001 - wall-clock
    at = "at(2026-06-01T12:00:00)"
    assert due(at, "2026-01-01T00:00:00Z") == ["2026-06-01 12:00:00"]
    assert due(at, "2026-01-01T00:00:00Z", "Europe/Berlin") == ["2026-06-01 10:00:00"]
    assert due(at, "2026-06-01T12:00:00Z") == ["never"]


def test_a_rate_counts_from_its_anchor() -> None:
    """Strictly after the time asked about, in whole intervals."""
    assert parse_schedule("rate(5 minutes)") == Rate(timedelta(minutes=5))
    assert due("rate(1 hour)", "2026-01-01T00:00:00Z", number=2) == [
        "2026-01-01 01:00:00",
        "2026-01-01 02:00:00",
    ]
    assert due("rate(7 days)", "2026-01-20T10:00:00Z") == ["2026-01-22 00:00:00"]
    assert due("rate(5 minutes)", "2025-06-01T00:00:00Z") == ["2026-01-01 00:05:00"]


def test_cron_is_in_its_zone() -> None:
    """Nine o'clock is another instant in winter than in summer."""
    nine = "cron(0 9 * * ? *)"
    assert due(nine, "2026-01-10T00:00:00Z", "America/New_York") == ["2026-01-10 14:00:00"]
    assert due(nine, "2026-07-10T00:00:00Z", "America/New_York") == ["2026-07-10 13:00:00"]
    assert due(nine, "2026-07-10T00:00:00Z", "Etc/GMT+9") == ["2026-07-10 18:00:00"]
    assert due(nine, "2026-07-10T09:00:00Z") == ["2026-07-11 09:00:00"]
    assert due(nine, "2026-07-10T08:59:59.5Z") == ["2026-07-10 09:00:00"]


def test_a_time_that_the_clock_leaves_out_is_skipped() -> None:
    """New York goes from 01:59 to 03:00 on the eighth of March 2026."""
    expression = "cron(30 2 * * ? *)"
    assert due(expression, "2026-03-07T00:00:00Z", "America/New_York", 3) == [
        "2026-03-07 07:30:00",
        "2026-03-09 06:30:00",
        "2026-03-10 06:30:00",
    ]


def test_a_time_that_the_clock_shows_twice_is_due_once() -> None:
    """New York goes from 01:59 back to 01:00 on the first of November 2026."""
    expression = "cron(30 1 * * ? *)"
    assert due(expression, "2026-10-31T12:00:00Z", "America/New_York", 2) == [
        "2026-11-01 05:30:00",
        "2026-11-02 06:30:00",
    ]
    # Asked in the second of the two hours.
    assert due(expression, "2026-11-01T06:10:00Z", "America/New_York") == ["2026-11-02 06:30:00"]


def test_a_rate_takes_no_notice_of_the_clock() -> None:
    """A day is 24 hours, whatever the zone."""
    assert due("rate(1 day)", "2026-03-07T12:00:00Z", "America/New_York", 2) == [
        "2026-03-08 00:00:00",
        "2026-03-09 00:00:00",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("", id="nothing"),
        pytest.param("every(5 minutes)", id="other kind"),
        pytest.param("rate(5 minutes", id="open"),
        pytest.param("rate(0 minutes)", id="no rate"),
        pytest.param("rate(-1 minutes)", id="negative"),
        pytest.param("rate(5 seconds)", id="seconds"),
        pytest.param("rate(1.5 hours)", id="fraction"),
        pytest.param("rate(5minutes)", id="no blank"),
        pytest.param("rate(9999999 days)", id="too long"),
        pytest.param("at(2026-02-30T00:00:00)", id="no such day"),
        pytest.param("at(2026-02-20)", id="no time"),
        pytest.param("at(2026-02-20T00:00:00Z)", id="zone in it"),
        pytest.param("at(0001-01-01T00:00:00)", id="long ago"),
        pytest.param("at(9999-12-31T23:59:59)", id="too far"),
        pytest.param("cron(* * * * *)", id="unix cron"),
    ],
)
def test_refuses_what_is_no_schedule(expression: str) -> None:
    """With a text for the caller."""
    with pytest.raises(ScheduleSyntaxError):
        parse_schedule(expression)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../UTC", "/etc/localtime", "europe/berlin"])
def test_refuses_what_is_no_zone(name: str) -> None:
    """Names of the database only, as they are written there."""
    with pytest.raises(ScheduleSyntaxError):
        parse_zone(name)


@given(
    after=datetimes(
        min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2060, 1, 1),  # noqa: DTZ001 - likewise
        timezones=timezones(),
    ),
    zone=sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    minute=integers(0, 59),
)
def test_the_next_time_is_later_and_matches(after: datetime, zone: str, minute: int) -> None:
    """Whatever the zone and the time of the year; an hourly time is at most two hours away."""
    schedule = parse_schedule(f"cron({minute} * * * ? *)")
    found = next_time(schedule, after=after, anchor=ANCHOR, zone=parse_zone(zone))
    assert found is not None
    assert timedelta(0) < found - after.astimezone(UTC) <= timedelta(hours=2)
    assert found.astimezone(parse_zone(zone)).minute == minute
