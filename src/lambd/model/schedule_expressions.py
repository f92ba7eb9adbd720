"""ScheduleExpression expressions: `at(...)`, `rate(...)`, `cron(...)`, and when they are due next.

The one place that knows them, for every service that has schedules. Sources: Application Auto
Scaling's PutScheduledAction; EventBridge Scheduler User Guide, "Schedule types", for time zones:
a time that the clock leaves out in spring is skipped, one that it shows twice in autumn is due
once, and a rate is unaffected (a day is 24 hours). The zones themselves come from the system's
database, else from the `tzdata` package.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache

from lambd.model.cron import Cron, CronSyntaxError, parse_cron

_EXPRESSION = re.compile(r"(at|rate|cron)\((.*)\)", re.DOTALL)
_AT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})T(\d{1,2}):(\d{1,2}):(\d{1,2})", re.ASCII)
_RATE = re.compile(r"([1-9]\d{0,5})\s+(minute|hour|day)s?", re.ASCII)
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


class ScheduleSyntaxError(ValueError):
    """The text is not a schedule expression, or not a time zone; the message tells why."""


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a wall-clock time (naive)."""

    local: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """Again and again, so far apart."""

    interval: timedelta


ScheduleExpression = At | Rate | Cron


def parse_schedule(text: str) -> ScheduleExpression:
    """Read an expression.

    Raises:
        ScheduleSyntaxError: it is none.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise ScheduleSyntaxError(f"{text!r} is not at(...), rate(...) or cron(...)")
    kind, inner = match[1], match[2].strip()
    if kind == "at":
        return _parse_at(inner)
    if kind == "rate":
        return _parse_rate(inner)
    try:
        return parse_cron(inner)
    except CronSyntaxError as error:
        raise ScheduleSyntaxError(f"cron({inner}): {error}") from error


def _parse_at(text: str) -> At:
    match = _AT.fullmatch(text)
    try:
        # The years of cron; further ones have no instant in every zone.
        if match is not None and 1970 <= int(match[1]) <= 2199:
            return At(datetime(*(int(part) for part in match.groups())))  # type: ignore[arg-type]  # noqa: DTZ001 - six numbers; wall-clock
    except ValueError:
        pass
    raise ScheduleSyntaxError(f"at({text}): a time is written yyyy-mm-ddThh:mm:ss")


def _parse_rate(text: str) -> Rate:
    match = _RATE.fullmatch(text)
    if match is None:
        raise ScheduleSyntaxError(
            f"rate({text}): a rate is a positive number and minutes, hours or days"
        )
    return Rate(int(match[1]) * _UNITS[match[2]])


@cache
def parse_zone(name: str) -> tzinfo:
    """The time zone with this name of the IANA database.

    Raises:
        ScheduleSyntaxError: there is none.
    """
    if name == "UTC":
        return UTC
    if name not in _zone_names():
        raise ScheduleSyntaxError(f"{name!r} is not a time zone")
    return zoneinfo.ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def next_time(
    schedule: ScheduleExpression, *, after: datetime, anchor: datetime, zone: tzinfo = UTC
) -> datetime | None:
    """When a schedule is due next, in UTC; None: never again.

    Args:
        schedule: what `parse_schedule` gave.
        after: aware; the answer is later.
        anchor: aware; a rate counts from here, and is not due at this time itself.
        zone: whose wall clock `at` and `cron` mean.
    """
    match schedule:
        case At(local):
            due = local.replace(tzinfo=zone).astimezone(UTC)
            return due if due > after else None
        case Rate(interval):
            passed = max((after - anchor) // interval, 0)
            return (anchor + (passed + 1) * interval).astimezone(UTC)
        case Cron():
            return _next_cron(schedule, after, zone)


def _next_cron(cron: Cron, after: datetime, zone: tzinfo) -> datetime | None:
    start = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    for local in cron.times_from(start):
        due = local.replace(tzinfo=zone).astimezone(UTC)
        # What the clock leaves out comes back as another time.
        if due > after and due.astimezone(zone).replace(tzinfo=None) == local:
            return due
    return None
