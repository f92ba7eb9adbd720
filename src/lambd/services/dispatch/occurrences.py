"""When schedules and rules are due: which occurrence is next, at which moment, and what was missed.

An occurrence is a time that the expression names; with a flexible time window it is due at a
moment within the window, drawn once. Sources: EventBridge Scheduler User Guide, "Schedule types"
and "Flexible time windows"; EventBridge User Guide, "Schedule rules". `schedule_expressions.py` has the
expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from lambd.model.schedule_expressions import (
    At,
    Rate,
    ScheduleExpression,
    ScheduleSyntaxError,
    next_time,
    parse_schedule,
    parse_zone,
)

# A number from 0 up to 1.
Draw = Callable[[], float]

_INSTANT = timedelta(microseconds=1)
# No event may be older: missed occurrences before that are not looked for.
OLDEST_EVENT = timedelta(days=1)
# Where the last missed occurrence is looked for first: the least that two may be apart.
_LOOK_BACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When something is due."""

    # The expression, and the zone of its clock, as they were given.
    expression: str
    timezone: str | None = None
    # Nothing is due before and after these; of no effect on `at`, as on AWS.
    start_at: datetime | None = None
    end_at: datetime | None = None
    # A rate counts from here, unless there is a start.
    anchor_at: datetime
    # Whether a rate is due where it begins (Scheduler), or first one interval later (rules).
    begins_at_once: bool
    window_minutes: int = 0

    @property
    def window(self) -> timedelta:
        """How much later than its time an occurrence may be due."""
        return timedelta(minutes=self.window_minutes)

    @property
    def zone(self) -> tzinfo:
        """Whose clock the expression means; raises ScheduleSyntaxError."""
        return parse_zone(self.timezone or "UTC")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A time that the expression names, and the moment within its window that was drawn."""

    at: datetime
    due_at: datetime


def time_after(timing: Timing, after: datetime) -> datetime | None:
    """The first time later than `after`; None: there is none.

    Raises:
        ScheduleSyntaxError: the expression or its zone is none.
    """
    schedule = parse_schedule(timing.expression)
    if isinstance(schedule, At):
        return next_time(schedule, after=after, anchor=after, zone=timing.zone)
    found = _recurring(timing, schedule, after)
    return None if found is None or _is_over(timing, found) else found


def _recurring(timing: Timing, schedule: ScheduleExpression, after: datetime) -> datetime | None:
    start = timing.start_at
    if isinstance(schedule, Rate):
        anchor = start or timing.anchor_at
        if timing.begins_at_once and after < anchor:
            return anchor.astimezone(UTC)
        return next_time(schedule, after=max(after, anchor), anchor=anchor)
    if start is not None:
        after = max(after, start - _INSTANT)
    return next_time(schedule, after=after, anchor=after, zone=timing.zone)


def _is_over(timing: Timing, found: datetime) -> bool:
    return timing.end_at is not None and found > timing.end_at


def next_occurrence(
    timing: Timing, *, after: datetime, now: datetime, draw: Draw
) -> Occurrence | None:
    """The first occurrence later than `after`, with its moment drawn; None: never again.

    Of a window that has begun, only what is left can be drawn.
    """
    found = time_after(timing, after)
    if found is None:
        return None
    if not timing.window_minutes:
        return Occurrence(found, found)
    end = found + timing.window
    begin = min(max(found, now), end)
    return Occurrence(found, begin + draw() * (end - begin))


def latest_missed(timing: Timing, planned: datetime, now: datetime) -> datetime:
    """Of the occurrences that should have been run by now, the last; `planned` is the first.

    Those whose window is still open are yet to come. Raises ScheduleSyntaxError like the others.
    """
    limit = now - timing.window
    look_back = _LOOK_BACK
    while True:
        after = max(planned, limit - look_back)
        latest = _last_within(timing, after, limit)
        if latest is not None:
            return latest
        # What is older than any event may be is not looked for.
        if after == planned or look_back > OLDEST_EVENT:
            return planned
        look_back *= 4


def _last_within(timing: Timing, after: datetime, limit: datetime) -> datetime | None:
    latest = None
    while (found := time_after(timing, after)) is not None and found <= limit:
        latest = after = found
    return latest


def advance(
    timing: Timing, planned: Occurrence, now: datetime, draw: Draw
) -> tuple[Occurrence, Occurrence | None]:
    """The occurrence to dispatch for one that is due, and the one that follows.

    What came due while nobody was there is made up for as far as AWS would still have delivered
    it: the latest that was missed is dispatched once, and given up at once if it is older than the
    retry policy's event age.
    """
    try:
        latest = latest_missed(timing, planned.at, now)
        following = next_occurrence(timing, after=latest, now=now, draw=draw)
    except ScheduleSyntaxError:
        # Zones are renamed now and then; one that is gone must not keep others from their time.
        return planned, None
    current = planned if latest == planned.at else Occurrence(latest, latest + timing.window)
    return current, following


def brought_forward(
    timing: Timing, planned: Occurrence, now: datetime, draw: Draw
) -> tuple[Timing, Occurrence] | None:
    """The next occurrence, if a later one is planned; None: the plan is right.

    A plan is made by the clock, as the first time after what was run last: if there is an earlier
    one now, that clock was ahead. A rate that it let begin counts from now.
    """
    timing = replace(timing, anchor_at=min(timing.anchor_at, now))
    try:
        found = next_occurrence(timing, after=now, now=now, draw=draw)
    except ScheduleSyntaxError:
        return None
    return (timing, found) if found is not None and found.at < planned.at else None
