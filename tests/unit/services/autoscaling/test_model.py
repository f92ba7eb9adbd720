"""Resource ids, and when scheduled actions are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambd.model.arns import FunctionReference
from lambd.model.errors import InvalidParameterError
from lambd.model.schedule_expressions import ScheduleSyntaxError
from lambd.services.autoscaling.model import UNSUPPORTED, ScheduledAction, parse_resource_id

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACTION = ScheduledAction(
    id=1,
    target_id=1,
    resource_id="function:f:live",
    uuid="u",
    name="a",
    schedule="rate(1 hour)",
    timezone=None,
    start_at=None,
    end_at=None,
    min_capacity=1,
    max_capacity=None,
    created_at=NOW - HOUR / 2,
    anchor_at=NOW - HOUR / 2,
)


@pytest.mark.parametrize("qualifier", ["live", "1", "a-b_c"])
def test_a_resource_is_a_version_or_an_alias(qualifier: str) -> None:
    """Function and qualifier."""
    expected = FunctionReference(name="my-f", qualifier=qualifier)
    assert parse_resource_id(f"function:my-f:{qualifier}") == expected


@pytest.mark.parametrize(
    "text",
    ["function:f", "function:f:$LATEST", "function::live", "f:live", "table/t", "function:f:a:b"],
)
def test_other_resources_are_refused(text: str) -> None:
    """With AWS's text."""
    with pytest.raises(InvalidParameterError, match=UNSUPPORTED):
        parse_resource_id(text)


def test_a_rate_counts_from_the_last_change() -> None:
    """And from its start, at which it is due as well."""
    assert ACTION.next_after(NOW) == NOW + HOUR / 2
    start = NOW + timedelta(minutes=7)
    started = replace(ACTION, start_at=start)
    assert started.next_after(NOW) == start
    assert started.next_after(start) == start + HOUR


def test_a_start_may_be_as_far_away_as_times_go() -> None:
    """What comes after it has no place in the calendar."""
    start = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert replace(ACTION, start_at=start).next_after(NOW) == start


def test_cron_is_also_due_at_its_start() -> None:
    """Then by its fields."""
    start = NOW + timedelta(seconds=5)
    action = replace(ACTION, schedule="cron(0 9 * * ? *)", timezone="Asia/Tokyo", start_at=start)
    assert action.next_after(NOW) == start
    assert action.next_after(start) == datetime(2026, 11, 25, 0, 0, tzinfo=UTC)


def test_nothing_is_due_after_the_end() -> None:
    """The end itself counts."""
    assert replace(ACTION, end_at=NOW + HOUR / 2).next_after(NOW) == NOW + HOUR / 2
    assert replace(ACTION, end_at=NOW + HOUR / 3).next_after(NOW) is None


def test_at_is_due_once_within_its_times() -> None:
    """Its start does not count."""
    action = replace(ACTION, schedule="at(2026-11-24T13:00:00)")
    due = datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert action.next_after(NOW) == due
    assert action.next_after(due) is None
    assert replace(action, start_at=NOW + timedelta(seconds=1)).next_after(NOW) == due
    assert replace(action, start_at=due + HOUR).next_after(NOW) is None
    assert replace(action, end_at=NOW).next_after(NOW) is None


def test_a_zone_that_is_none_is_an_error() -> None:
    """Likewise a schedule."""
    with pytest.raises(ScheduleSyntaxError):
        replace(ACTION, timezone="Mars").next_after(NOW)
