"""What PutLogEvents takes."""

from __future__ import annotations

import pytest

from lambd.model.errors import InvalidParameterError
from lambd.services.logs.put_rules import (
    DAY_MS,
    EVENT_BYTES,
    MAX_BATCH_BYTES,
    InputEvent,
    accept,
    check,
)

NOW = 1_795_491_805_000
HOUR_MS = 3_600_000


def batch(*times: int) -> list[InputEvent]:
    """Events at these times."""
    return [InputEvent(time, str(number)) for number, time in enumerate(times)]


def test_events_of_one_time_are_in_order() -> None:
    """And a day is not too long."""
    check(batch(NOW, NOW, NOW + DAY_MS))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param(batch(NOW, NOW - 1), "in chronological order", id="order"),
        pytest.param(batch(NOW, NOW + DAY_MS + 1), "24 hours", id="span"),
        pytest.param(
            [InputEvent(NOW, "ü" * (MAX_BATCH_BYTES // 2))],
            f"Upload too large: {MAX_BATCH_BYTES + EVENT_BYTES} bytes exceeds limit of "
            f"{MAX_BATCH_BYTES}",
            id="size",
        ),
    ],
)
def test_other_batches_are_refused(events: list[InputEvent], message: str) -> None:
    """Whole."""
    with pytest.raises(InvalidParameterError, match=message):
        check(events)


def test_events_of_two_weeks_are_stored() -> None:
    """And of the next two hours."""
    events = batch(NOW - 14 * DAY_MS, NOW, NOW + 2 * HOUR_MS)

    accepted = accept(events, NOW, None)

    assert accepted.events == events
    assert accepted.rejected == {}


def test_events_outside_are_left_out() -> None:
    """The positions tell which; those of old ones are behind the last."""
    events = batch(NOW - 15 * DAY_MS, NOW - 14 * DAY_MS - 1, NOW, NOW + 2 * HOUR_MS + 1)

    accepted = accept(events, NOW, None)

    assert accepted.events == events[2:3]
    assert accepted.rejected == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3}


def test_events_that_the_group_would_not_keep_are_left_out() -> None:
    """They are expired, not too old."""
    events = batch(NOW - 15 * DAY_MS, NOW - 2 * DAY_MS, NOW)

    accepted = accept(events, NOW, 1)

    assert accepted.events == events[2:]
    assert accepted.rejected == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}


def test_nothing_may_be_left() -> None:
    """Of a batch from the past."""
    assert accept(batch(0, 1), NOW, 3653).events == []
