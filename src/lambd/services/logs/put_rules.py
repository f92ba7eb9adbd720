"""What PutLogEvents takes: limits of a batch, order, and which of its events are left out; pure.

Source: PutLogEvents in the CloudWatch Logs API reference. Texts of refusals are as clients have
reported them, but for the span's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from lambd.model.errors import InvalidParameterError

DAY_MS = 86_400_000
MAX_BATCH_BYTES = 1_048_576
# What each event counts for beside its message.
EVENT_BYTES = 26
_MAX_AHEAD_MS = 2 * 3_600_000
_MAX_AGE_MS = 14 * DAY_MS


class InputEvent(NamedTuple):
    """One event of a batch."""

    timestamp_ms: int
    message: str


class Accepted(NamedTuple):
    """The part of a batch that is stored, and where it begins and ends.

    Indices are positions in the batch as `rejectedLogEventsInfo` has them: of the first event that
    is too new, and behind the last that is too old or expired; None: there is no such.
    """

    events: Sequence[InputEvent]
    too_new_start: int | None = None
    too_old_end: int | None = None
    expired_end: int | None = None

    @property
    def rejected(self) -> dict[str, int]:
        """`rejectedLogEventsInfo`; empty if everything is stored."""
        members = {
            "tooNewLogEventStartIndex": self.too_new_start,
            "tooOldLogEventEndIndex": self.too_old_end,
            "expiredLogEventEndIndex": self.expired_end,
        }
        return {name: index for name, index in members.items() if index is not None}


def check(batch: Sequence[InputEvent]) -> None:
    """Refuse a batch that is too large, out of order or spread over too long a time.

    Raises:
        InvalidParameterError: it is.
    """
    size = sum(len(event.message.encode()) + EVENT_BYTES for event in batch)
    if size > MAX_BATCH_BYTES:
        raise InvalidParameterError(
            f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}"
        )
    times = [event.timestamp_ms for event in batch]
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise InvalidParameterError(
            "Log events in a single PutLogEvents request must be in chronological order."
        )
    if times[-1] - times[0] > DAY_MS:
        raise InvalidParameterError(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 "
            "hours."
        )


def accept(batch: Sequence[InputEvent], now_ms: int, retention_days: int | None) -> Accepted:
    """Choose what is stored of a batch that `check` let pass.

    Args:
        batch: events in order of time.
        now_ms: when it came.
        retention_days: how long the group keeps events; None: for ever.
    """
    oldest_ms = now_ms - _MAX_AGE_MS
    expired_ms = oldest_ms if retention_days is None else now_ms - retention_days * DAY_MS
    old = sum(event.timestamp_ms < oldest_ms for event in batch)
    expired = sum(event.timestamp_ms < expired_ms for event in batch)
    new = sum(event.timestamp_ms > now_ms + _MAX_AHEAD_MS for event in batch)
    start, end = max(old, expired), len(batch) - new
    return Accepted(
        batch[start:end],
        too_new_start=end if new else None,
        too_old_end=old or None,
        expired_end=expired if expired > old else None,
    )
