"""Target tracking: the two alarms of a policy, and the capacity that they ask for.

Source: Application Auto Scaling User Guide, "Target tracking scaling policies"; Lambda Developer
Guide, "Configuring provisioned concurrency". An alarm needs so many periods in a row: three above
the target to scale out, fifteen below nine tenths of it to scale in. Out goes in proportion, at
once. In goes "in smaller periodic steps", of which AWS gives no size: here a tenth of the capacity,
at least one, and never so far that the window's busiest period would have been above the target.
Pure: no clock, no rows.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum

HIGH_PERIODS, LOW_PERIODS = 3, 15
# Of the target value: below this share scaling in begins.
_LOW_SHARE = 0.9
# Of the capacity: what one step in takes away at most.
_STEP_SHARE = 0.1


class Alarm(StrEnum):
    """The alarms of a policy, as in their names."""

    HIGH = "AlarmHigh"
    LOW = "AlarmLow"


class Alarms:
    """The last periods' utilisation of one target, 0 to 1 each."""

    def __init__(self) -> None:
        self._periods: deque[float] = deque(maxlen=LOW_PERIODS)

    def add(self, utilisation: float) -> None:
        """A period has ended."""
        self._periods.append(utilisation)

    def clear(self) -> None:
        """There is nothing to measure any more."""
        self._periods.clear()

    def state(self, target: float) -> tuple[Alarm, float] | None:
        """The alarm that is on, and the utilisation that counts for it; None: neither is."""
        periods = list(self._periods)
        newest = periods[-HIGH_PERIODS:]
        if len(newest) == HIGH_PERIODS and min(newest) > target:
            return Alarm.HIGH, newest[-1]
        if len(periods) == LOW_PERIODS and max(periods) < _LOW_SHARE * target:
            return Alarm.LOW, max(periods)
        return None


def scaled_out(capacity: int, utilisation: float, target: float) -> int:
    """The capacity with which this use would have been at the target: more than before."""
    return max(capacity + 1, _ceil(capacity * utilisation / target))


def scaled_in(capacity: int, utilisation: float, target: float) -> int:
    """The capacity after one step in; the same if the use leaves no room for one."""
    needed = _ceil(capacity * utilisation / target)
    lowest = capacity - max(1, math.floor(capacity * _STEP_SHARE))
    return min(capacity, max(needed, lowest))


def _ceil(value: float) -> int:
    """The next whole number; what floating point adds to one does not count."""
    return math.ceil(round(value, 6))
