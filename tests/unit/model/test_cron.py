"""AWS's cron expressions against the documented meaning of every wildcard."""

from __future__ import annotations

import calendar
import itertools
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis.strategies import dates, integers

from lambd.model.cron import CronSyntaxError, parse_cron

START = datetime(2026, 3, 1)  # noqa: DTZ001 - a Sunday, wall-clock


def first(expression: str, number: int = 1, start: datetime = START) -> list[str]:
    """The first times from the start on, as text."""
    times = itertools.islice(parse_cron(expression).times_from(start), number)
    return [f"{time:%Y-%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("0 10 * * ? *", ["2026-03-01 10:00", "2026-03-02 10:00"], id="daily"),
        pytest.param("15 12 * * ? *", ["2026-03-01 12:15", "2026-03-02 12:15"], id="quarter"),
        pytest.param("0 18 ? * MON-FRI *", ["2026-03-02 18:00", "2026-03-03 18:00"], id="week"),
        pytest.param("0 8 1 * ? *", ["2026-03-01 08:00", "2026-04-01 08:00"], id="monthly"),
        pytest.param("0/15 * * * ? *", ["2026-03-01 00:00", "2026-03-01 00:15"], id="step"),
        pytest.param("1/20 0 * * ? *", ["2026-03-01 00:01", "2026-03-01 00:21"], id="from 1"),
        pytest.param("*/40 0 * * ? *", ["2026-03-01 00:00", "2026-03-01 00:40"], id="star step"),
        pytest.param("0-10/10 0 * * ? *", ["2026-03-01 00:00", "2026-03-01 00:10"], id="range"),
        pytest.param("5,1 0 * * ? *", ["2026-03-01 00:01", "2026-03-01 00:05"], id="list"),
        pytest.param("0 22-1 * * ? *", ["2026-03-01 00:00", "2026-03-01 01:00"], id="wraps"),
        pytest.param("0 0 L * ? *", ["2026-03-31 00:00", "2026-04-30 00:00"], id="L"),
        pytest.param("0 0 L-3 * ? *", ["2026-03-28 00:00", "2026-04-27 00:00"], id="L-3"),
        pytest.param("0 0 LW * ? *", ["2026-03-31 00:00", "2026-04-30 00:00"], id="LW"),
        pytest.param("0 0 LW 5 ? *", ["2026-05-29 00:00", "2027-05-31 00:00"], id="LW sunday"),
        pytest.param("0 0 15W * ? *", ["2026-03-16 00:00", "2026-04-15 00:00"], id="15W"),
        pytest.param("0 0 1W 3,8 ? *", ["2026-03-02 00:00", "2026-08-03 00:00"], id="1W"),
        pytest.param("0 0 31W 1,5 ? *", ["2026-05-29 00:00", "2027-01-29 00:00"], id="31W"),
        pytest.param("0 0 ? * L *", ["2026-03-07 00:00", "2026-03-14 00:00"], id="saturday"),
        pytest.param("0 0 ? * 6L *", ["2026-03-27 00:00", "2026-04-24 00:00"], id="6L"),
        pytest.param("0 0 ? * fril *", ["2026-03-27 00:00", "2026-04-24 00:00"], id="fril"),
        pytest.param("0 0 ? * 3#2 *", ["2026-03-10 00:00", "2026-04-14 00:00"], id="3#2"),
        pytest.param("0 0 ? * TUE#5 *", ["2026-03-31 00:00", "2026-06-30 00:00"], id="TUE#5"),
        pytest.param("0 0 ? * FRI-MON *", ["2026-03-01 00:00", "2026-03-02 00:00"], id="weekend"),
        pytest.param("0 0 ? * SUN,WED *", ["2026-03-01 00:00", "2026-03-04 00:00"], id="names"),
        pytest.param("0 0 1 NOV-FEB ? *", ["2026-11-01 00:00", "2026-12-01 00:00"], id="winter"),
        pytest.param("0 0 29 2 ? *", ["2028-02-29 00:00", "2032-02-29 00:00"], id="leap day"),
        pytest.param("0 0 ? 2 2#5 *", ["2044-02-29 00:00", "2072-02-29 00:00"], id="rare"),
        pytest.param("0 0 1 1 ? 2030,2028", ["2028-01-01 00:00", "2030-01-01 00:00"], id="years"),
        pytest.param("0 0 1 1 ? 2020-2027", ["2027-01-01 00:00"], id="years end"),
        pytest.param("0 0 31 2 ? *", [], id="never"),
        pytest.param("0 0 1 1 ? 2025", [], id="past"),
    ],
)
def test_means_what_aws_documents(expression: str, expected: list[str]) -> None:
    """The next two times from Sunday, the first of March 2026."""
    assert first(expression, 2) == expected


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("0 0 * * *", id="five fields"),
        pytest.param("0 0 * * ? * *", id="seven"),
        pytest.param("0 0 * * * *", id="both days"),
        pytest.param("0 0 ? * ? *", id="neither day"),
        pytest.param("60 0 * * ? *", id="minute"),
        pytest.param("0 24 * * ? *", id="hour"),
        pytest.param("0 0 0 * ? *", id="day 0"),
        pytest.param("0 0 32 * ? *", id="day 32"),
        pytest.param("0 0 1 13 ? *", id="month"),
        pytest.param("0 0 ? * 0 *", id="weekday 0"),
        pytest.param("0 0 ? * 8 *", id="weekday 8"),
        pytest.param("0 0 ? * 2/2 *", id="step of weekdays"),
        pytest.param("0 0 ? * MON#6 *", id="sixth monday"),
        pytest.param("0 0 ? * MON#0 *", id="zeroth monday"),
        pytest.param("0 0 ? * #1 *", id="no weekday"),
        pytest.param("0 0 1 1 ? 1969", id="year"),
        pytest.param("0 0 1 1 ? 2030-2020", id="years backwards"),
        pytest.param("0/0 0 * * ? *", id="step 0"),
        pytest.param("0/60 0 * * ? *", id="step 60"),
        pytest.param("0/ 0 * * ? *", id="no step"),
        pytest.param("*-5 0 * * ? *", id="star range"),
        pytest.param("-1 0 * * ? *", id="negative"),
        pytest.param("1,,2 0 * * ? *", id="empty item"),
        pytest.param("٣ 0 * * ? *", id="other digits"),
        pytest.param("0 0 15,20W * ? *", id="W in a list"),
        pytest.param("0 0 W * ? *", id="W alone"),
        pytest.param("0 0 L-0 * ? *", id="L-0"),
        pytest.param("0 0 L-31 * ? *", id="L-31"),
        pytest.param("", id="nothing"),
    ],
)
def test_refuses_what_is_none(expression: str) -> None:
    """With a text that says which field."""
    with pytest.raises(CronSyntaxError):
        parse_cron(expression)


@given(day=dates(min_value=START.date()), weekday=integers(1, 7))
def test_days_of_the_week_are_numbered_from_sunday(day: datetime, weekday: int) -> None:
    """Compared with the calendar, in any month to come."""
    if day.year > 2199:
        return
    found = parse_cron(f"0 0 ? * {weekday} *").days(day.year, day.month)
    days = range(1, calendar.monthrange(day.year, day.month)[1] + 1)
    expected = [n for n in days if datetime(day.year, day.month, n).isoweekday() % 7 + 1 == weekday]  # noqa: DTZ001 - a date
    assert list(found) == expected


@given(day=dates(min_value=START.date()), wanted=integers(1, 31))
def test_the_nearest_weekday_is_one_and_near(day: datetime, wanted: int) -> None:
    """Monday to Friday, at most two days off, in the same month."""
    if day.year > 2199:
        return
    found = parse_cron(f"0 0 {wanted}W * ? *").days(day.year, day.month)
    if wanted > calendar.monthrange(day.year, day.month)[1]:
        assert found == ()
        return
    (nearest,) = found
    assert calendar.weekday(day.year, day.month, nearest) < 5
    assert abs(nearest - wanted) <= (2 if wanted in {1, 28, 29, 30, 31} else 1)


def test_starts_within_a_day() -> None:
    """Times before the start are left out, the start itself is not."""
    start = datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001 - wall-clock
    assert first("0,30 * * * ? *", 2, start) == ["2026-03-01 12:30", "2026-03-01 13:00"]
