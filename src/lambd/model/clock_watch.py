"""Tells whether the wall clock was set back, by a clock that only goes forward."""

from __future__ import annotations

from datetime import datetime

# Clocks are corrected by less now and then, and nothing is planned to less than a minute, seconds.
_TOLERANCE_S = 60.0


class ClockWatch:
    """Remembers how the two clocks stood to each other when they were looked at last."""

    def __init__(self) -> None:
        self._lead_s: float | None = None

    def was_set_back(self, now: datetime, monotonic_s: float) -> bool:
        """Whether the wall clock has fallen behind by a minute or more since the last look.

        Args:
            now: of the wall clock.
            monotonic_s: of the other one, seconds from anywhere.
        """
        lead_s = now.timestamp() - monotonic_s
        before, self._lead_s = self._lead_s, lead_s
        return before is not None and before - lead_s >= _TOLERANCE_S
