"""Measures one policy's utilisation, period by period; on the event loop, driven by `engine.py`.

A period's utilisation is the average of samples: invocations on provisioned environments by
environments. Samples are taken only while all environments are there, and a period begins anew when
their number changes, so that what is being allocated is neither counted as idle nor asked for twice.
"""

from __future__ import annotations

from lambd.model.provisioned import ProvisionedUse
from lambd.services.autoscaling.target_tracking import Alarm, Alarms

# DEVIATION: on AWS the metric stops with the function's last invocation, the alarms have
# insufficient data, and the capacity stays as it was. Here a function that nobody calls is used to
# 0 %, and is scaled in.


class Tracker:
    """See the module header."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._alarms = Alarms()
        self._wanted = 0
        self._ends_at = 0.0
        self._sum, self._count = 0.0, 0

    def sample(self, use: ProvisionedUse, target: float, now: float) -> tuple[Alarm, float] | None:
        """Take a sample; the alarm that is on when a period has ended with it.

        Args:
            use: how the environments are used now.
            target: the policy's value, 0 to 1.
            now: of a clock that only goes forward, seconds.
        """
        if use.wanted != self._wanted:
            self._wanted = use.wanted
            self._begin(now)
            if not use.wanted:
                self._alarms.clear()
        if use.wanted and use.ready == use.wanted:
            self._sum += use.in_use / use.wanted
            self._count += 1
        if now < self._ends_at:
            return None
        state = None
        if self._count:
            self._alarms.add(self._sum / self._count)
            state = self._alarms.state(target)
        self._begin(now)
        return state

    def _begin(self, now: float) -> None:
        self._ends_at = now + self._period_s
        self._sum, self._count = 0.0, 0
