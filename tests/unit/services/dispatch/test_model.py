"""Delays between attempts, and until when there are any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lambd.services.dispatch.model import RetryPolicy, retry_delay


def test_delays_grow_and_are_spread() -> None:
    """Doubled each time up to ten minutes; drawn from the upper half."""
    assert [retry_delay(n, 0.0).total_seconds() for n in (1, 2, 3, 11, 185)] == [1, 2, 4, 600, 600]
    assert retry_delay(3, 0.5).total_seconds() == 3


def test_an_event_expires_with_its_age() -> None:
    """A day after its time, if nothing is said."""
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert RetryPolicy(max_age_s=60).expires_at(noon) == noon + timedelta(minutes=1)
    assert RetryPolicy().expires_at(noon) == noon + timedelta(days=1)
