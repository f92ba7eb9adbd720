"""Fakes that ship with lambd, for its own tests and those of embedders.

They keep the contracts of the real parts (`sandbox/driver.py`) without processes or namespaces.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import socket
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from lambd.sandbox.driver import SandboxExit

_T = TypeVar("_T")


class FakeSandbox:
    """A sandbox without anything inside: the test plays init (`init`) and the runtime."""

    def __init__(self, sandbox_id: str = "env-fake") -> None:
        self.id = sandbox_id
        self.control, self.init = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self.init.setblocking(False)
        self.log_fd, self.log_writer = os.pipe()
        os.set_blocking(self.log_fd, False)
        self.runtime_api_socket = socket.socket()
        self.runtime_api_address = "169.254.100.1:9001"
        self.platform_socket: socket.socket | None = None
        self.platform_address = "127.0.0.1:4566"
        self.is_frozen = False
        self.is_closed = False
        # The test sets it when a process inside is to have been killed.
        self.is_killed = False
        self.memory_peak = 32 * 1024 * 1024
        self.oom_kill_count = 0
        self._exited: asyncio.Future[SandboxExit] = asyncio.get_running_loop().create_future()

    def path_inside(self, target: str) -> str:
        """Paths are as they are."""
        return target

    def freeze(self) -> None:
        """Remember it."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Remember it."""
        self.is_frozen = False

    def is_alive(self) -> bool:
        """What the test set."""
        return not (self.is_killed or self.is_closed)

    def limit_cpu(self) -> None:
        """There is nothing to limit."""

    def memory_peak_bytes(self) -> int:
        """What the test set."""
        return self.memory_peak

    def oom_kills(self) -> int:
        """What the test set."""
        return self.oom_kill_count

    async def wait_exit(self) -> SandboxExit:
        """Wait for `close`."""
        return await self._exited

    async def close(self) -> None:
        """Close the sockets and pipes."""
        if self.is_closed:
            return
        self.is_closed = True
        self.control.close()
        self.init.close()
        self.runtime_api_socket.close()
        os.close(self.log_fd)
        os.close(self.log_writer)
        self._exited.set_result(SandboxExit(signal=9))

    # -- init's side, for the test

    def received(self) -> dict[str, object]:
        """The next packet that the platform sent to init.

        Raises:
            BlockingIOError: there is none.
        """
        packet: dict[str, object] = json.loads(self.init.recv(1 << 20))
        return packet

    def report(self, **message: object) -> None:
        """Send a packet to the platform, as init would."""
        self.init.send(json.dumps(message).encode())


class RecordingLogSink:
    """Keeps every record: (group, stream, message)."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, str]] = []

    def append(self, group: str, stream: str, records: Sequence[tuple[int, str]]) -> None:
        """Remember the messages."""
        self.records.extend((group, stream, message) for _, message in records)

    @property
    def text(self) -> str:
        """All messages, in order."""
        return "".join(message for _, _, message in self.records)


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for a time it lets that time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when nothing is ready; begins at 0.

    Not for tests with sockets, threads or processes in flight: it would jump while they work.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


def run_in_virtual_time(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
