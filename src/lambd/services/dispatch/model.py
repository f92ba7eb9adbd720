"""An occurrence on its way to one target: what is sent, for how long it is tried, how it failed.

Source: EventBridge User Guide, "Retrying event delivery" and "Using dead-letter queues"; EventBridge
Scheduler User Guide, "Configuring a dead-letter queue".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

# Defaults of retry policies, on AWS the maxima too.
RETRIES, EVENT_AGE_S = 185, 86_400
# Delay before an attempt is repeated, seconds: the first, doubled each time, and the longest.
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 600.0
LONGEST_DELAY = timedelta(seconds=_LONGEST_DELAY_S)


class Exhausted(StrEnum):
    """Which limit of the retry policy was reached."""

    ATTEMPTS = "MaximumRetryAttempts"
    AGE = "MaximumEventAgeInSeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and for how long handing an event to its target is repeated."""

    max_retries: int = RETRIES
    max_age_s: int = EVENT_AGE_S

    def expires_at(self, since: datetime) -> datetime:
        """Until when an event of that time may be tried."""
        return since + timedelta(seconds=self.max_age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchFailure:
    """Why a dispatch came to nothing, in the words of its source."""

    code: str
    message: str
    # None: it could not have been mended by trying again.
    exhausted: Exhausted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One occurrence for one target."""

    id: int = 0
    # What it is an occurrence of: the name of a `DispatchSource`, and the resource.
    source: str
    source_arn: str
    # As the target names it, and what it means.
    target_arn: str
    function_name: str
    qualifier: str | None
    # As whom the function is invoked; None: as the service.
    role_arn: str | None
    # Of the invocation; the same however often it is tried.
    request_id: str
    execution_id: str
    # Of which the source makes the event.
    input: str
    scheduled_at: datetime
    expires_at: datetime
    max_retries: int
    dead_letter_arn: str | None
    # When it is to be tried, or its dead letter to be sent.
    due_at: datetime
    # Attempts that failed.
    attempts: int = 0
    # The last failure; final once it is a dead letter.
    failure: DispatchFailure | None = None
    is_dead: bool = False
    failed_deliveries: int = 0


def retry_delay(failures: int, drawn: float) -> timedelta:
    """How long to wait after so many failures; `drawn`, from 0 up to 1, spreads it."""
    longest = min(_FIRST_DELAY_S * 2 ** min(failures - 1, 20), _LONGEST_DELAY_S)
    return timedelta(seconds=longest * (1 - drawn / 2))


def written_time(moment: datetime) -> str:
    """A time as events have it: whole seconds of UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
