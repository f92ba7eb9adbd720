"""The invocation under way in an environment, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable

from lambd.environments.failures import Failure
from lambd.environments.relay import ResponseRelay
from lambd.model.errors import SANDBOX_TIMED_OUT
from lambd.model.hosting import PartsListener
from lambd.model.invocations import Invocation, InvocationResult
from lambd.runtimeapi.session import RuntimeOutcome
from lambd.telemetry.lines import Outcome

ResultCallback = Callable[[InvocationResult], None]


class Running:
    """The invocation under way. What most never get stays with the class: one is made for each."""

    failure: Failure | None = None
    outcome: RuntimeOutcome | None = None
    # Takes a streamed answer as it comes; None: it is wanted whole.
    listener: PartsListener | None = None
    # A streamed answer: on its way to the listener, or collected for a caller without one.
    relay: ResponseRelay | None = None
    parts: list[bytes] | None = None
    # What it comes to if nobody tells a better reason for which it broke off.
    truncated: RuntimeOutcome | None = None

    def __init__(
        self, invocation: Invocation, started: float, done: ResultCallback, init_ms: float | None
    ) -> None:
        self.invocation = invocation
        self.started = started
        # Called once with the result; None afterwards.
        self.done: ResultCallback | None = done
        self.init_ms = init_ms

    def result(self, executed_version: str, log_tail: bytes | None) -> InvocationResult:
        """What its caller gets."""
        ended = self.failure or self.outcome or RuntimeOutcome(payload=b"")
        return InvocationResult(
            payload=ended.payload,
            executed_version=executed_version,
            function_error=None if ended.error_type is None else "Unhandled",
            log_tail=log_tail,
            platform_error=ended.error_type if ended.is_platform_error else None,
            is_streamed=self.relay is not None,
        )

    def report_outcome(self) -> Outcome:
        """What its REPORT says."""
        if self.failure is not None:
            is_timeout = self.failure.error_type == SANDBOX_TIMED_OUT
            return Outcome.TIMEOUT if is_timeout else Outcome.ERROR
        if self.outcome is not None and self.outcome.error_type is not None:
            return Outcome.FAILURE
        return Outcome.SUCCESS
