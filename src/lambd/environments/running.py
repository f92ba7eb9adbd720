"""The invocation under way in an environment: its answer, whole or in parts, and its report."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from lambd.environments.failures import Failure
from lambd.environments.stream_limits import StreamLimits, bandwidth_of
from lambd.http.relay import BodyRelay, Source
from lambd.model.errors import SANDBOX_TIMED_OUT
from lambd.model.hosting import PartsListener
from lambd.model.invocations import Invocation, InvocationResult, StreamHead
from lambd.runtimeapi.session import PartCallback, RuntimeOutcome
from lambd.telemetry.lines import Outcome, Report

_log = structlog.get_logger(__name__)

ResultCallback = Callable[[InvocationResult], None]


class Running:
    """The invocation under way. What most never get stays with the class: one is made for each."""

    failure: Failure | None = None
    outcome: RuntimeOutcome | None = None
    # Takes a streamed answer as it comes; None: it is wanted whole.
    listener: PartsListener | None = None
    # What it comes to if nobody tells a better reason for which it broke off.
    truncated: RuntimeOutcome | None = None
    # A streamed answer: on its way to the listener, or collected for a caller without one.
    _relay: BodyRelay | None = None
    _parts: list[bytes] | None = None

    def __init__(
        self, invocation: Invocation, started: float, done: ResultCallback, init_ms: float | None
    ) -> None:
        self.invocation = invocation
        self.started = started
        # Called once with the result; None afterwards.
        self._done: ResultCallback | None = done
        self._init_ms = init_ms

    # -- a streamed answer

    def stream(
        self, source: Source, content_type: str, executed_version: str, limits: StreamLimits
    ) -> PartCallback:
        """It begins; its parts go to what this returns."""
        if self.listener is None:
            self._parts = []
            return self._parts.append
        bandwidth = bandwidth_of(limits, time.monotonic())
        self._relay = relay = BodyRelay(source, self.listener.write, bandwidth)
        self.listener.begin(
            StreamHead(
                executed_version=executed_version, content_type=content_type, is_streamed=True
            )
        )
        return relay.receive

    def resume_stream(self) -> None:
        """The listener takes more."""
        if self._relay is not None:
            self._relay.resume()

    def discard_stream(self) -> None:
        """The listener is gone: the function goes on for nobody."""
        if self._relay is not None:
            self._relay.discard()

    # -- the end

    def respond(self, outcome: RuntimeOutcome) -> None:
        """The runtime has answered."""
        if self._parts is not None and outcome.error_type is None:
            outcome = RuntimeOutcome(payload=b"".join(self._parts))
        self.outcome = outcome

    def fail(self, failure: Failure) -> None:
        """It ends otherwise, unless the runtime has answered."""
        if self.outcome is None:
            self.failure = failure

    def answer(self, executed_version: str, log_tail: bytes | None) -> None:
        """Give the caller the result, unless he has it."""
        done, self._done = self._done, None
        if done is None:
            return
        if self._relay is not None:
            self._relay.close()
        try:
            done(self._result(executed_version, log_tail))
        except Exception:  # noqa: BLE001 - a callback root: the environment is not to blame
            _log.exception("result_not_taken", request_id=self.invocation.request_id)

    def _result(self, executed_version: str, log_tail: bytes | None) -> InvocationResult:
        ended = self.failure or self.outcome or RuntimeOutcome(payload=b"")
        return InvocationResult(
            payload=ended.payload,
            executed_version=executed_version,
            function_error=None if ended.error_type is None else "Unhandled",
            log_tail=log_tail,
            platform_error=ended.error_type if ended.is_platform_error else None,
            is_streamed=self._relay is not None,
        )

    def report(self, now: float, memory_size_mib: int, max_memory_used_mib: int) -> Report:
        """What the log says of it at its end, which is now on `time.monotonic`."""
        return Report(
            request_id=self.invocation.request_id,
            duration_ms=(now - self.started) * 1000,
            memory_size_mib=memory_size_mib,
            max_memory_used_mib=max_memory_used_mib,
            outcome=self._report_outcome(),
            error_type=self.failure.error_type if self.failure is not None else None,
            init_duration_ms=self._init_ms,
        )

    def _report_outcome(self) -> Outcome:
        if self.failure is not None:
            is_timeout = self.failure.error_type == SANDBOX_TIMED_OUT
            return Outcome.TIMEOUT if is_timeout else Outcome.ERROR
        if self.outcome is not None and self.outcome.error_type is not None:
            return Outcome.FAILURE
        return Outcome.SUCCESS
