"""The scaling rate: how many environments a function may get in ten seconds (scaling.md section 1).

Per function, refilled continuously and never more than the ten seconds' worth, as on AWS. AWS gives
the same rate in requests per second as well, ten for each environment; that follows from the
request rate that admission holds functions to. Provisioned environments do not count.
"""

from __future__ import annotations

import time

from lambd.model.errors import CONCURRENT_INVOCATION_LIMIT_EXCEEDED, ThrottledError
from lambd.model.hosting import FunctionKey
from lambd.model.token_bucket import TokenBucket

_PERIOD_S = 10.0


class ScalingRate:
    """A token bucket for each function that has scaled in the last ten seconds."""

    def __init__(self, environments_per_10_s: int) -> None:
        """0 means without limit."""
        self._number = environments_per_10_s
        self._buckets: dict[FunctionKey, TokenBucket] = {}
        self._tidied_at = 0.0

    def take(self, function: FunctionKey) -> None:
        """Count one more environment of a function.

        Raises:
            ThrottledError: it has had as many as it may for now.
        """
        if not self._number:
            return
        now = time.monotonic()
        bucket = self._buckets.get(function)
        if bucket is None:
            self._tidy(now)
            bucket = TokenBucket(self._number / _PERIOD_S, self._number, now)
            self._buckets[function] = bucket
        if bucket.take(now):
            raise ThrottledError(CONCURRENT_INVOCATION_LIMIT_EXCEEDED)

    def give_back(self, function: FunctionKey) -> None:
        """An environment that was counted is not started."""
        if (bucket := self._buckets.get(function)) is not None:
            bucket.give_back()

    def _tidy(self, now: float) -> None:
        """Forget the functions whose buckets are full again."""
        if now - self._tidied_at < _PERIOD_S:
            return
        self._tidied_at = now
        self._buckets = {
            function: bucket
            for function, bucket in self._buckets.items()
            if not bucket.is_full(now)
        }
