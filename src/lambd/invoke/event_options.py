"""What an operator sets of asynchronous invocations, and what is counted and reported of them."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from lambd.invoke.event_rules import FIRST_BACKOFF_S
from lambd.model.arns import Scope
from lambd.model.events import QueuedEvent, Target, TargetKind
from lambd.model.limits import Limits

_log = structlog.get_logger(__name__)


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

    def give_up(self, event: QueuedEvent, target: Target, reason: str) -> None:
        """Count a target that is not told, and say why."""
        if target.kind is TargetKind.DEAD_LETTER_QUEUE:
            self.dead_letter_failures += 1
        else:
            self.destination_failures += 1
        report("event_target_given_up", event, f"{target.arn}: {reason}")


def report(action: str, event: QueuedEvent, reason: str) -> None:
    """Write what went wrong with an event to the platform's log."""
    _log.warning(action, function=event.function_name, request_id=event.request_id, reason=reason)
