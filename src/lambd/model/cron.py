"""AWS's cron expressions: six fields, minute to year, and the wall-clock times that they mean.

Source: Amazon EventBridge User Guide, "Cron expressions"; EventBridge Scheduler and Application
Auto Scaling have the same. Fields and wildcards:

    minutes 0-59, hours 0-23, months 1-12 or JAN-DEC, years 1970-2199      , - * /
    day of month 1-31                                                      , - * / ? L W
    day of week 1-7 or SUN-SAT                                             , - * ? L #

One of the two days is `?`. Days of month: `L` the last, `L-3` three before it, `15W` the weekday
nearest to the 15th within its month, `LW` the last weekday. Days of week: `L` Saturday, `6L` or
`FRIL` the month's last Friday, `2#1` its first Monday. Ranges may go past the end (`FRI-MON`).

No library does this: those for Unix's cron have other fields, and the one for AWS's (aws-croniter
2.1.1) never fires `L` as a day of week, fails on `LW`, and gives up on rare dates. Time zones and
`cron(...)` itself are `schedule_expressions.py`'s.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

# Year and month -> the days that count, ascending.
DayRule = Callable[[int, int], tuple[int, ...]]

_SATURDAY = 5
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {
    name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)
}


class CronSyntaxError(ValueError):
    """The expression is not one of AWS's; the message tells which field is wrong."""


class _Field(NamedTuple):
    """What a field may hold."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = {}
    may_step: bool = True
    may_wrap: bool = True


_MINUTE = _Field("minutes", 0, 59)
_HOUR = _Field("hours", 0, 23)
_DAY_OF_MONTH = _Field("day-of-month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day-of-week", 1, 7, _WEEKDAYS, may_step=False)
_YEAR = _Field("year", 1970, 2199, may_wrap=False)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    years: tuple[int, ...]

    def times_from(self, start: datetime) -> Iterator[datetime]:
        """The matching wall-clock times (naive, whole minutes) that are not before `start`."""
        for year in self.years:
            if year < start.year:
                continue
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in self.days(year, month):
                    yield from self._times_of_day(datetime(year, month, day), start)  # noqa: DTZ001 - wall-clock

    def _times_of_day(self, day: datetime, start: datetime) -> Iterator[datetime]:
        if day.date() < start.date():
            return
        for hour in self.hours:
            for minute in self.minutes:
                found = datetime.combine(day, time(hour, minute))
                if found >= start:
                    yield found


def parse_cron(text: str) -> Cron:
    """Read the six fields of an expression, without `cron(` and `)`.

    Raises:
        CronSyntaxError: it is none.
    """
    fields = text.upper().split()
    if len(fields) != 6:
        raise CronSyntaxError(f"six fields are needed, not {len(fields)}")
    minutes, hours, day_of_month, months, day_of_week, years = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise CronSyntaxError("one of day-of-month and day-of-week must be ?, and only one")
    return Cron(
        minutes=_values(minutes, _MINUTE),
        hours=_values(hours, _HOUR),
        days=_weekday_rule(day_of_week) if day_of_month == "?" else _day_rule(day_of_month),
        months=_values(months, _MONTH),
        years=_values(years, _YEAR),
    )


# --- fields -----------------------------------------------------------------------------------


def _values(text: str, field: _Field) -> tuple[int, ...]:
    """The values of a field without L, W and #, ascending."""
    found: set[int] = set()
    for item in text.split(","):
        found.update(_item_values(item, field))
    return tuple(sorted(found))


def _item_values(item: str, field: _Field) -> Iterator[int]:
    """The values of one item of a list: `*`, `5`, `1-5`, and each of them with `/3`."""
    span, slash, step_text = item.partition("/")
    step = 1
    if slash:
        step = _number(step_text, field)
        if not field.may_step or not 1 <= step <= field.high:
            raise _invalid(item, field)
    first, dash, last = span.partition("-")
    if span == "*":
        low, high = field.low, field.high
    elif dash:
        low, high = _value(first, field), _value(last, field)
    else:
        low = _value(first, field)
        high = field.high if slash else low
    if low > high:
        if not field.may_wrap:
            raise _invalid(item, field)
        high += field.high - field.low + 1
    for value in range(low, high + 1, step):
        yield value if value <= field.high else value - (field.high - field.low + 1)


def _value(text: str, field: _Field) -> int:
    value = field.names.get(text)
    if value is None:
        value = _number(text, field)
    if not field.low <= value <= field.high:
        raise _invalid(text, field)
    return value


def _number(text: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise _invalid(text, field)
    return int(text)


def _invalid(text: str, field: _Field) -> CronSyntaxError:
    return CronSyntaxError(f"{text!r} is not a value of {field.name}")


# --- days -------------------------------------------------------------------------------------


def _day_rule(text: str) -> DayRule:
    """The days of a month that a day-of-month field means."""
    if text == "LW":
        return lambda year, month: (_nearest_weekday(year, month, _month_days(year, month)),)
    if text == "L":
        return lambda year, month: (_month_days(year, month),)
    if text.startswith("L-"):
        before = _number(text[2:], _DAY_OF_MONTH)
        if not 1 <= before <= 30:
            raise _invalid(text, _DAY_OF_MONTH)
        return lambda year, month: _existing(_month_days(year, month) - before, year, month)
    if text.endswith("W"):
        wanted = _value(text[:-1], _DAY_OF_MONTH)
        return lambda year, month: tuple(
            _nearest_weekday(year, month, day) for day in _existing(wanted, year, month)
        )
    days = _values(text, _DAY_OF_MONTH)
    return lambda year, month: tuple(day for day in days if day <= _month_days(year, month))


def _weekday_rule(text: str) -> DayRule:
    """The days of a month that a day-of-week field means."""
    weekday_text, number_sign, ordinal_text = text.partition("#")
    if number_sign:
        weekday = _value(weekday_text, _DAY_OF_WEEK)
        ordinal = _number(ordinal_text, _DAY_OF_WEEK)
        if not 1 <= ordinal <= 5:
            raise _invalid(text, _DAY_OF_WEEK)
        return lambda year, month: _weekdays(year, month, (weekday,))[ordinal - 1 : ordinal]
    if text.endswith("L") and text != "L":
        weekday = _value(text[:-1], _DAY_OF_WEEK)
        return lambda year, month: _weekdays(year, month, (weekday,))[-1:]
    weekdays = (7,) if text == "L" else _values(text, _DAY_OF_WEEK)
    return lambda year, month: _weekdays(year, month, weekdays)


def _month_days(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _existing(day: int, year: int, month: int) -> tuple[int, ...]:
    return (day,) if 1 <= day <= _month_days(year, month) else ()


def _weekdays(year: int, month: int, weekdays: tuple[int, ...]) -> tuple[int, ...]:
    """The days of a month that fall on these days of the week, 1 for Sunday."""
    first, days = calendar.monthrange(year, month)
    # `first` counts from 0 for Monday.
    return tuple(day for day in range(1, days + 1) if (first + day) % 7 + 1 in weekdays)


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The day from Monday to Friday that is nearest, in the same month."""
    date = datetime(year, month, day)  # noqa: DTZ001 - a date
    if date.weekday() == _SATURDAY:
        date += timedelta(days=-1 if day > 1 else 2)
    elif date.weekday() > _SATURDAY:
        date += timedelta(days=1 if day < _month_days(year, month) else -2)
    return date.day
