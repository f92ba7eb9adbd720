"""One execution environment: a sandbox, its Runtime API session, and every timeout of its life.

Theory of operation. An environment is driven by callbacks on the event loop, not by a task of its
own, since the warm path passes here for each invocation. What happens to it comes from four
places: the session (the runtime called), init's control socket (the runtime process ended), a
timer (the function's timeout), and its owner, the pool (`invoke`, `freeze`, `close`). Each begins
in `callback_root.py`, and `phases.py` has what may follow what.

Durations are taken from `time.monotonic`, since the event loop's own clock has whole milliseconds
only.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from lambd.environments.callback_root import CallbackRoot
from lambd.environments.failures import Failure, exited, timed_out
from lambd.environments.function_log import FunctionLog
from lambd.environments.phases import INITIALISING, TRANSITIONS, Phase, PhaseEvent, after
from lambd.environments.processes import Launch, Processes
from lambd.environments.running import ResultCallback, Running
from lambd.environments.shutdown import ShutdownReason
from lambd.environments.stream_limits import StreamLimits
from lambd.http.exchanges import StreamedExchange
from lambd.http.server import HttpServer
from lambd.model.errors import (
    RUNTIME_INVALID_ENTRYPOINT,
    SANDBOX_TIMED_OUT,
    PlatformError,
    SandboxError,
)
from lambd.model.functions import FunctionVersion
from lambd.model.hosting import HostedVersion, PartsListener
from lambd.model.invocations import Invocation
from lambd.model.limits import INIT_TIMEOUT_S, PROVISIONED_INIT_TIMEOUT_S
from lambd.runtimeapi.session import PartCallback, RuntimeOutcome, RuntimeSession
from lambd.runtimeapi.state import InvalidStateTransitionError
from lambd.sandbox.driver import Sandbox

_log = structlog.get_logger(__name__)

# How long the end of a streamed answer that broke off waits for the reason, which is most often the
# end of the runtime process.
_TRUNCATED_GRACE_S = 1.0
_MIB = 1024 * 1024


# The two moves of the warm path that are looked up without a call.
_ON_INVOKE = TRANSITIONS[PhaseEvent.INVOKE]
_ON_RESPONSE = TRANSITIONS[PhaseEvent.RESPONSE]

AcquiredCallback = Callable[["ExecutionEnvironment | PlatformError"], None]


class EnvironmentOwner(Protocol):
    """Whom an environment tells that it can be used again, or never again."""

    def environment_available(self, environment: ExecutionEnvironment) -> None:
        """It is IDLE or COLD."""

    def environment_died(self, environment: ExecutionEnvironment) -> None:
        """It is DEAD; `close` it."""


class EnvironmentStarter(Protocol):
    """Makes environments: everything up to the init phase (see `starter.py`)."""

    async def __call__(
        self, hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
    ) -> ExecutionEnvironment:
        """Start a sandbox for a version and return its environment, not yet initialised."""


class ExecutionEnvironment:
    """See the module header. All methods run on the event loop."""

    def __init__(
        self,
        *,
        version: FunctionVersion,
        sandbox: Sandbox,
        launch: Launch,
        log: FunctionLog,
        owner: EnvironmentOwner,
        response_limit_bytes: int,
        stream_limits: StreamLimits,
        is_provisioned: bool = False,
    ) -> None:
        deployment = version.served
        self.version = version
        self.config = deployment.config
        self._is_provisioned = is_provisioned
        self.idle_since = 0.0
        self.is_frozen = False
        # Whether somebody has the right to the next invocation: it is nobody else's meanwhile.
        self.is_held = False
        # HTTP servers on the sandbox's own sockets, closed with the environment.
        self.servers: list[HttpServer] = []
        self.session = RuntimeSession(
            self,
            launch.function,
            response_limit_bytes=response_limit_bytes,
            stream_limit_bytes=stream_limits.size_bytes,
        )
        self._stream_limits = stream_limits
        self._sandbox = sandbox
        self._log = log
        self._owner = owner
        self._phase = Phase.STARTING
        loop = asyncio.get_running_loop()
        self._root = CallbackRoot(sandbox.id, self._die)
        self._running: Running | None = None
        # Whether it has been given an invocation.
        self._is_used = False
        self._init_done: asyncio.Future[Failure | None] = loop.create_future()
        # Duration of the init phase, until the first invocation has reported it.
        self._unreported_init_ms: float | None = None
        # Looks whether the invocation's time is up.
        self._timer: asyncio.TimerHandle | None = None
        self._processes = Processes(self._root, sandbox, launch, self.session, self)
        # Done when the shutdown phase before the end is over.
        self._spun_down: asyncio.Future[None] | None = None

    # -- the owner's side

    @property
    def sandbox_id(self) -> str:
        """Names the environment in logs."""
        return self._sandbox.id

    @property
    def phase(self) -> Phase:
        """Where the environment stands."""
        return self._phase

    @property
    def is_usable(self) -> bool:
        """Whether it can take an invocation now: checked before every reuse."""
        if self._phase is not Phase.IDLE:
            return self._phase is Phase.COLD
        # Of what is killed while it is frozen nobody hears.
        return self.session.is_ready and (not self.is_frozen or self._sandbox.is_alive())

    async def initialise(self) -> Failure | None:
        """Run the init phase; tells how it failed, if it did.

        An on-demand environment is COLD then, and the next invocation runs the phase again. A
        provisioned one has more time, and is of no use after a failure.

        Raises:
            SandboxError: the sandbox itself went away.
        """
        started = time.monotonic()
        self._log.init_start()
        self._processes.start()
        try:
            async with asyncio.timeout(self._init_timeout_s()):
                failure = await self._init_done
        except TimeoutError:
            self._log.init_report(self._ms_since(started), status="timeout", error_type=None)
            self._log.extensions(self.session.extensions.extensions)
            self._reset(ShutdownReason.TIMEOUT)
            return timed_out("", int(self._init_timeout_s()))
        if self._phase is Phase.DEAD:
            raise SandboxError(f"sandbox {self._sandbox.id} ended while it was initialising")
        self._sandbox.limit_cpu()
        self._log.extensions(self.session.extensions.extensions)
        if failure is None:
            self._unreported_init_ms = self._ms_since(started)
            self._become_available(PhaseEvent.INITIALISED)
        else:
            self._log.init_report(
                self._ms_since(started), status="error", error_type=failure.error_type
            )
            self._reset(ShutdownReason.FAILURE)
        return failure

    def _init_timeout_s(self) -> float:
        if self._is_provisioned:
            return max(PROVISIONED_INIT_TIMEOUT_S, self.config.timeout_s)
        return INIT_TIMEOUT_S

    @property
    def is_busy(self) -> bool:
        """Whether it has an invocation, or is promised to one."""
        return self.is_held or self._running is not None

    def give_back(self) -> None:
        """Whoever held it does without."""
        self.is_held = False
        if self.is_usable:
            self._owner.environment_available(self)

    def invoke(
        self, invocation: Invocation, done: ResultCallback, parts: PartsListener | None = None
    ) -> None:
        """Run one invocation.

        Args:
            invocation: what to run.
            done: called once, later, with the result; it must not raise.
            parts: takes the response as it comes, if the caller wants it so.

        Raises:
            SandboxError: the environment takes no invocation now, or could not be thawed or take
                this one and is DEAD.
        """
        self.is_held = False
        goal = _ON_INVOKE.get(self._phase)
        if goal is None:
            raise SandboxError(f"Environment {self._sandbox.id} is {self._phase}")
        if self.is_frozen:
            self._thaw()
        running = Running(invocation, time.monotonic(), done, self._unreported_init_ms)
        if parts is not None:
            running.listener = parts
        self._unreported_init_ms = None
        self._running = running
        self._is_used = True
        if self._timer is None:
            self._timer = self._root.call_later(self.config.timeout_s, self._look_at_time)
        self._log.start(invocation.request_id, keep_tail=invocation.wants_log_tail)
        self._phase = goal
        if goal is Phase.INVOKE_INIT:
            self._processes.start()
            return
        try:
            self._deliver(running)
        except InvalidStateTransitionError as error:
            # The runtime has gone since it was last looked at, and nobody has told yet.
            self.abandon()
            raise SandboxError(str(error)) from error

    def _thaw(self) -> None:
        try:
            self._sandbox.thaw()
        except SandboxError:
            self._die()
            raise
        self.is_frozen = False

    def freeze(self) -> None:
        """Stop the idle environment's processes until the next invocation."""
        if self._phase is Phase.IDLE and not self.is_frozen:
            self._sandbox.freeze()
            self.is_frozen = True

    def try_freeze(self) -> bool:
        """The same; False if it cannot be, and is better closed."""
        try:
            self.freeze()
        except Exception:  # noqa: BLE001 - a callback root: the fault of one sandbox is not all's
            _log.exception("freeze_failed", sandbox=self._sandbox.id)
            return False
        return True

    def abandon(self) -> None:
        """End it without a word to the caller of what it runs: he is told otherwise."""
        self._running = None
        self._die()

    async def close(self) -> None:
        """Shut down: an invocation under way fails; the sandbox is gone afterwards.

        An idle environment's extensions have their shutdown phase.
        """
        if self._phase is Phase.IDLE and self.session.extensions.is_active:
            self._spun_down = asyncio.get_running_loop().create_future()
            self._reset(ShutdownReason.SPINDOWN)
            await self._spun_down
        if self._phase is not Phase.DEAD:
            self._die()
        self._log.close()
        for server in self.servers:
            server.close()
        await self._sandbox.close()

    # -- lambd.runtimeapi.session.RuntimeEvents

    def extensions_registered(self) -> None:
        """The last of the external extensions has registered: now comes the runtime."""
        self._processes.start_runtime()

    def extension_ready(self) -> None:
        """An extension asked for its next event."""
        if self.session.is_ready:
            self.runtime_ready()

    def runtime_ready(self) -> None:
        """The runtime asked for the next invocation; all goes on once extensions have done so."""
        if self._phase is Phase.BUSY:
            self._settle_truncated()
        extensions = self.session.extensions
        if self._phase in INITIALISING:
            extensions.close_registration()
        if extensions.is_active and not extensions.are_ready:
            return
        if self._phase is Phase.FINISHING:
            self._finish()
            if self._processes.had_oom_kill:
                self._die()
            else:
                self._become_available(PhaseEvent.NEXT)
        elif self._phase is Phase.STARTING:
            self._settle_init(None)
        elif self._phase is Phase.INVOKE_INIT and self._running is not None:
            self._log.extensions(extensions.extensions)
            self._move(PhaseEvent.READY)
            self._deliver(self._running)

    def runtime_responded(self, outcome: RuntimeOutcome) -> None:
        """The runtime answered: the caller has its result now, the report comes with `next`."""
        running = self._running
        goal = _ON_RESPONSE.get(self._phase)
        if running is None or goal is None:
            return
        self._phase = goal
        running.respond(outcome)
        if not (running.invocation.wants_log_tail or running.invocation.after_report):
            self._answer(running)

    def runtime_streams(self, source: StreamedExchange, content_type: str) -> PartCallback:
        """The runtime begins to answer in parts."""
        running = self._running
        if running is None or self._phase is not Phase.BUSY:
            # Its time is up; what it still sends is nobody's.
            return _drop
        return running.stream(source, content_type, self.version.version, self._stream_limits)

    def crashed(self) -> None:
        """The session met a fault of ours."""
        self._die()

    # -- a streamed answer's listener

    def resume_stream(self) -> None:
        """It takes more."""
        if self._running is not None:
            self._running.resume_stream()

    def discard_stream(self) -> None:
        """It is gone: the function goes on for nobody."""
        if self._running is not None:
            self._running.discard_stream()

    def runtime_truncated(self, outcome: RuntimeOutcome) -> None:
        """A streamed answer broke off; if the runtime's end is the reason, that is what counts."""
        running = self._running
        if running is not None and self._phase is Phase.BUSY:
            running.truncated = outcome
            self._root.call_later(_TRUNCATED_GRACE_S, self._settle_truncated)

    def runtime_init_failed(self, outcome: RuntimeOutcome) -> None:
        """The runtime reported that its init failed; AWS passes its document on untouched."""
        failure = Failure(
            payload=outcome.payload,
            error_type=outcome.error_type or RUNTIME_INVALID_ENTRYPOINT,
            is_platform_error=False,
        )
        if self._phase is Phase.STARTING:
            self._settle_init(failure)
        elif self._phase is Phase.INVOKE_INIT:
            self._fail(failure)

    # -- the invocation under way

    def _deliver(self, running: Running) -> None:
        remaining_s = running.started + self.config.timeout_s - time.monotonic()
        deadline_ms = int((time.time() + remaining_s) * 1000)
        self.session.deliver(
            running.invocation, deadline_ms, takes_parts=running.listener is not None
        )
        if self.session.extensions.is_active:
            self.session.extensions.invoke(running.invocation, deadline_ms)

    def _settle_truncated(self) -> None:
        """No better reason came for which the answer broke off, if it did."""
        running = self._running
        if running is not None and running.truncated is not None:
            outcome, running.truncated = running.truncated, None
            self.runtime_responded(outcome)

    def _answer(self, running: Running) -> None:
        """Give the caller its result, unless it has it."""
        tail = self._log.tail() if running.invocation.wants_log_tail else None
        running.answer(self.version.version, tail)

    def _finish(self) -> None:
        """Report the invocation under way and answer its caller."""
        running, self._running = self._running, None
        if running is None:
            return
        used_mib = math.ceil(self._sandbox.memory_peak_bytes() / _MIB)
        if used_mib >= self.config.memory_mib:
            self._processes.took_oom_kill()
        self._log.end_and_report(running.report(time.monotonic(), self.config.memory_mib, used_mib))
        self._answer(running)

    def _fail(self, failure: Failure) -> None:
        """End the invocation under way as a function error and start over with a new runtime."""
        if self._running is not None:
            self._running.fail(failure)
        self._finish()
        is_timeout = failure.error_type == SANDBOX_TIMED_OUT
        self._reset(ShutdownReason.TIMEOUT if is_timeout else ShutdownReason.FAILURE)

    def _look_at_time(self) -> None:
        """End an invocation whose time is up, else look again when it would be.

        The timer of an invocation is left to run for those that follow: making one for each costs
        more than looking at the clock now and then.
        """
        self._timer = None
        running = self._running
        if running is None:
            return
        remaining_s = running.started + self.config.timeout_s - time.monotonic()
        if remaining_s > 0:
            self._timer = self._root.call_later(remaining_s, self._look_at_time)
        else:
            self._fail(timed_out(running.invocation.request_id, self.config.timeout_s))

    # -- lambd.environments.processes.ProcessesOwner

    def process_missing(self, failed: Callable[[str], Failure]) -> None:
        """What is under way fails, and the environment begins anew."""
        if self._phase is Phase.STARTING:
            self._settle_init(failed(""))
        elif self._running is not None:
            self._fail(failed(self._running.invocation.request_id))
        else:
            self._reset(ShutdownReason.FAILURE)

    def processes_ended(self) -> None:
        """Nothing runs inside but init: ready for a new life, or for the end."""
        if self._spun_down is not None:
            _settle(self._spun_down)
        elif self._phase is Phase.RESETTING:
            self._log.drain()
            self.session.reset()
            if self._processes.had_oom_kill and self._is_used:
                self._die()
            else:
                self._become_available(PhaseEvent.ENDED)

    def init_lost(self) -> None:
        """Init has ended or cannot be trusted."""
        self._die()

    def _settle_init(self, failure: Failure | None) -> None:
        if not self._init_done.done():
            self._init_done.set_result(failure)

    def _reset(self, reason: ShutdownReason) -> None:
        """End every process inside but init; /tmp stays. Ends COLD."""
        if self._phase in {Phase.RESETTING, Phase.DEAD}:
            return
        self._move(PhaseEvent.RESET)
        if self.is_frozen:
            try:
                self._thaw()
            except SandboxError as error:
                _log.warning("thaw_failed", sandbox=self._sandbox.id, error=error.message)
                return
        self._processes.end(reason)

    def _move(self, event: PhaseEvent) -> None:
        self._phase = after(self._phase, event)

    def _become_available(self, event: PhaseEvent) -> None:
        self._move(event)
        self.idle_since = time.monotonic()
        if not self.is_held:
            self._owner.environment_available(self)

    def _die(self) -> None:
        """The sandbox is gone or beyond use."""
        if self._phase is Phase.DEAD:
            return
        was_starting = self._phase is Phase.STARTING
        self._move(PhaseEvent.SANDBOX_LOST)
        try:
            self._end_life(was_starting=was_starting)
        finally:
            self._owner.environment_died(self)

    def _end_life(self, *, was_starting: bool) -> None:
        """Tell everybody who waits for something to come of it."""
        if self._timer is not None:
            self._timer.cancel()
        self._processes.close()
        out_of_memory = self._processes.took_oom_kill()
        running = self._running
        if running is not None:
            running.fail(exited(running.invocation.request_id, None, out_of_memory=out_of_memory))
        self._finish()
        if was_starting:
            self._settle_init(exited("", None, out_of_memory=out_of_memory))
        if self._spun_down is not None:
            _settle(self._spun_down)

    def _ms_since(self, started: float) -> float:
        return (time.monotonic() - started) * 1000


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _drop(data: bytes) -> None:
    """Takes the parts of an answer that nobody waits for."""
