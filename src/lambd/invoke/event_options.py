"""What an operator sets of asynchronous invocations, and what is counted of them."""

from __future__ import annotations

from dataclasses import dataclass

from lambd.invoke.event_rules import FIRST_BACKOFF_S
from lambd.model.arns import Scope
from lambd.model.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOptions:
    """Place, limits and delays."""

    scope: Scope
    limits: Limits
    # Before the second attempt, the third, and so on; the last one stays.
    retry_delays_s: tuple[float, ...]
    # Attempts of one function that run together.
    max_per_function: int
    # The delay after a throttle, a fault or a failed delivery, and a function's pause after one;
    # doubled each time, a pause up to its longest.
    first_backoff_s: float = FIRST_BACKOFF_S
    longest_pause_s: float = 5.0
    # A function's slots double when none becomes free for so long.
    growth_s: float = 1.0


@dataclass(slots=True)
class EventCounts:
    """What has happened since the start."""

    accepted: int = 0
    # Found on disk at the start.
    resumed: int = 0
    succeeded: int = 0
    # Done with without success, for whatever reason.
    dropped: int = 0
    # Targets that were given up.
    destination_failures: int = 0
    dead_letter_failures: int = 0
