"""The shutdown phase of an environment that has extensions (runtime.md section 3).

The runtime gets SIGTERM and its share of the time, then SIGKILL. Then the extensions that are
subscribed are sent SHUTDOWN and may use what is left of the time; the others are killed. Without
extensions there is no such phase: AWS kills at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from enum import StrEnum

from lambd.environments.callback_root import CallbackRoot
from lambd.environments.init_channel import InitChannel
from lambd.model.limits import SHUTDOWN_INTERNAL_S, SHUTDOWN_RUNTIME_SHARE, SHUTDOWN_S
from lambd.runtimeapi.extensions import ExtensionSession


class ShutdownReason(StrEnum):
    """Why an environment ends, or begins anew; extensions read it."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"


class Shutdown:
    """See the module header; `done` is called once, perhaps before `begin` returns."""

    def __init__(
        self,
        root: CallbackRoot,
        channel: InitChannel,
        extensions: ExtensionSession,
        runtime: str,
        reason: ShutdownReason,
        done: Callable[[], None],
    ) -> None:
        """Args:
        root: of the environment.
        channel: to the init process of the environment.
        extensions: its extensions, one of which has registered at least.
        runtime: name of the runtime's process.
        reason: why.
        done: called when everything has ended or the time is up.
        """
        self._root = root
        self._channel = channel
        self._extensions = extensions
        self._runtime = runtime
        self._reason = reason
        self._done = done
        has_external = any(each.is_external for each in extensions.extensions)
        self._budget_s = SHUTDOWN_S if has_external else SHUTDOWN_INTERNAL_S
        self._begun = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        # Those that may still end by themselves.
        self._awaited: frozenset[str] = frozenset({runtime})

    def begin(self) -> None:
        """Ask the runtime to end."""
        if self._runtime in self._channel.processes:
            self._channel.signal(self._runtime, signal.SIGTERM)
            self._timer = self._root.call_later(
                self._budget_s * SHUTDOWN_RUNTIME_SHARE, self._end_runtime
            )
        else:
            self._end_extensions()

    def process_exited(self, name: str) -> None:
        """A process has ended."""
        if name == self._runtime and name in self._awaited:
            self._end_extensions()
        else:
            self._look()

    def cancel(self) -> None:
        """There is nothing left inside to wait for; `done` is not called."""
        self._awaited = frozenset()
        if self._timer is not None:
            self._timer.cancel()

    def _end_runtime(self) -> None:
        """Its time is up."""
        self._channel.signal(self._runtime, signal.SIGKILL)
        self._end_extensions()

    def _end_extensions(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline_ms = int((time.time() + self._left_s()) * 1000)
        told = self._extensions.shut_down(self._reason, deadline_ms)
        self._awaited = frozenset(told & self._channel.processes)
        for name in self._channel.processes - told - {self._runtime}:
            self._channel.signal(name, signal.SIGKILL)
        if self._awaited:
            self._timer = self._root.call_later(self._left_s(), self._finish)
        else:
            self._finish()

    def _look(self) -> None:
        """End if nobody is left to wait for."""
        if self._awaited and not (self._awaited & self._channel.processes):
            self._finish()

    def _finish(self) -> None:
        self.cancel()
        self._done()

    def _left_s(self) -> float:
        return max(0.0, self._begun + self._budget_s - time.monotonic())
