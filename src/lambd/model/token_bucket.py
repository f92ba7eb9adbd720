"""A rate limit: tokens that come back at a steady rate, up to a number that a burst may take."""

from __future__ import annotations


class TokenBucket:
    """Full at first. Times are seconds of any clock that does not go back."""

    __slots__ = ("_at", "_tokens", "burst", "per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token: 0.0, or in how many seconds there will be one (`inf`: never)."""
        tokens = self._fill(now)
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0.0
        return (1.0 - tokens) / self.per_s if self.per_s else float("inf")

    def spend(self, amount: float, now: float) -> float:
        """Take what cannot be refused, going into debt: in how many seconds that is paid."""
        tokens = self._tokens = self._fill(now) - amount
        if tokens >= 0.0:
            return 0.0
        return -tokens / self.per_s if self.per_s else float("inf")

    def _fill(self, now: float) -> float:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        return self._tokens

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        return self._tokens + (now - self._at) * self.per_s >= self.burst

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._tokens += 1.0
