"""The processes of one environment: the runtime, its external extensions, and how they end.

A life begins with the extensions, and the runtime once they have registered; it ends when one of
them is missing or the environment asks for it, by the shutdown phase if there are extensions and by
SIGKILL for all. Then a new one may begin in the same sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lambd.environments.callback_root import CallbackRoot
from lambd.environments.failures import Failure, exited, extension_exited, start_failed
from lambd.environments.init_channel import InitChannel, Program
from lambd.environments.shutdown import Shutdown, ShutdownReason
from lambd.model.errors import EXTENSION_LAUNCH_ERROR, RUNTIME_INVALID_ENTRYPOINT
from lambd.model.limits import EXTENSIONS
from lambd.runtimeapi.extensions import ExtensionState, FunctionFacts
from lambd.runtimeapi.session import RuntimeSession
from lambd.sandbox.driver import Sandbox

# What init calls the runtime's process; extensions have the names of their files.
RUNTIME = "/runtime"
# Killing every process inside takes no longer than this unless the sandbox is broken.
_KILL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The processes of an environment, and what they are told about its function."""

    runtime: Program
    # External extensions, which start before the runtime.
    extensions: tuple[Program, ...] = ()
    function: FunctionFacts


class ProcessesOwner(Protocol):
    """Whom the processes of an environment tell what becomes of them."""

    def process_missing(self, failed: Callable[[str], Failure]) -> None:
        """One has ended or could not start; `failed`: request id, or "" -> how that fails."""

    def processes_ended(self) -> None:
        """None is left, as `end` asked; or, after a spin-down, none that has time left."""

    def init_lost(self) -> None:
        """The sandbox is of no more use."""


class Processes:
    """See the module header. All methods run on the event loop. Implements `InitListener`."""

    def __init__(
        self,
        root: CallbackRoot,
        sandbox: Sandbox,
        launch: Launch,
        session: RuntimeSession,
        owner: ProcessesOwner,
    ) -> None:
        self._root = root
        self._sandbox = sandbox
        self._launch = launch
        self._session = session
        self._owner = owner
        self._init = InitChannel(root, sandbox, self)
        # Whether one that is missing is a failure.
        self._is_alive = False
        self._shutdown: Shutdown | None = None
        self._kill_timer: asyncio.TimerHandle | None = None
        self._oom_kills_seen = 0
        # DEVIATION: after a kill for want of memory the environment is closed, and its /tmp with it,
        # where AWS starts the runtime anew: shared memory that was left would fill it again.
        self.had_oom_kill = False

    def start(self) -> None:
        """Begin a life."""
        self._is_alive = True
        self._session.reset()
        programs = self._launch.extensions
        if not programs:
            self._init.start(self._launch.runtime)
            return
        self._session.extensions.reset(program.name for program in programs)
        if len(programs) > EXTENSIONS:
            message = f"Extension limit ({EXTENSIONS}) reached"
            self._root.call_soon(self.process_start_failed, programs[-1].name, message)
            return
        for program in programs:
            self._init.start(program)

    def start_runtime(self) -> None:
        """The extensions have registered: now comes the runtime."""
        if self._is_alive and RUNTIME not in self._init.processes:
            self._init.start(self._launch.runtime)

    def end(self, reason: ShutdownReason) -> None:
        """End this life; the owner hears of it later."""
        self._is_alive = False
        extensions = self._session.extensions
        if extensions.is_active:
            # What is left at the end goes with the sandbox.
            is_last = reason is ShutdownReason.SPINDOWN
            done = self._owner.processes_ended if is_last else self._kill
            self._shutdown = Shutdown(self._root, self._init, extensions, RUNTIME, reason, done)
            self._shutdown.begin()
        else:
            self._kill()

    def close(self) -> None:
        """Stop listening; the sandbox takes the processes with it."""
        self._is_alive = False
        self._init.close()
        if self._shutdown is not None:
            self._shutdown.cancel()
        if self._kill_timer is not None:
            self._kill_timer.cancel()

    def took_oom_kill(self) -> bool:
        """Whether the kernel has killed one for want of memory since this was last asked."""
        kills = self._sandbox.oom_kills()
        grown, self._oom_kills_seen = kills > self._oom_kills_seen, kills
        self.had_oom_kill |= grown
        return grown

    def _kill(self) -> None:
        self._kill_timer = self._root.call_later(_KILL_TIMEOUT_S, self._owner.init_lost)
        self._init.kill_all()

    # -- lambd.environments.init_channel.InitListener

    def process_exited(self, name: str, wait_status: int | None) -> None:
        """A process ended by itself (or by the kernel's hand)."""
        if self._shutdown is not None:
            self._shutdown.process_exited(name)
        if not self._is_alive:
            return
        ended = partial(exited, out_of_memory=self.took_oom_kill())
        self._owner.process_missing(
            partial(
                ended if name == RUNTIME else extension_exited,
                wait_status=wait_status,
                error_type=self._session.extensions.fatal_error,
            )
        )

    def process_start_failed(self, name: str, message: str) -> None:
        """A process could not be started."""
        if not self._is_alive:
            return
        extension = self._session.extensions.named(name)
        if extension is not None:
            extension.state = ExtensionState.LAUNCH_ERROR
        error_type = RUNTIME_INVALID_ENTRYPOINT if name == RUNTIME else EXTENSION_LAUNCH_ERROR
        self._owner.process_missing(partial(start_failed, error_type=error_type, message=message))

    def all_killed(self) -> None:
        """Nothing runs inside but init: ready for a new life."""
        if self._kill_timer is None:
            return
        self._kill_timer.cancel()
        self._kill_timer = self._shutdown = None
        self.took_oom_kill()
        self._owner.processes_ended()

    def init_lost(self) -> None:
        """Init has ended, or is not what it was."""
        self._owner.init_lost()
