"""What the layers above may ask of isolation, and what a driver must promise.

A sandbox is started generic: its init process waits on the control socket and runs nothing until
it is told what to start (so that sandboxes can be prepared ahead of need). Everything read from
`control`, `log_fd` or a socket of the sandbox comes from hostile code: bound it, validate it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host directory shown read-only at an absolute path inside."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What one sandbox needs. Sizes in MiB."""

    # Unique while the sandbox lives, `[a-z0-9-]{1,40}`.
    id: str
    # The interpreter that runs the init shim, as a path inside (`/var/lang/bin/python3.11`).
    init_argv: tuple[str, ...]
    mounts: tuple[Mount, ...]
    memory_mib: int
    ephemeral_storage_mib: int
    # Environment of the init process; what the runtime gets is sent over the control socket.
    init_environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExit:
    """How a sandbox's init process ended: an exit status or a signal number, never both."""

    status: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        """`status 1`, `SIGKILL`."""
        if self.signal is None:
            return f"status {self.status}"
        known = {member.value: member.name for member in Signals}
        return known.get(self.signal, f"signal {self.signal}")


class Sandbox(Protocol):
    """One started sandbox. Methods are called from the event loop's thread.

    The sockets and descriptors are non-blocking and owned by the sandbox: `close` closes them, so
    whoever watches them stops first. After `close` every method is a no-op.
    """

    @property
    def id(self) -> str:
        """The id from the spec."""

    @property
    def control(self) -> socket.socket:
        """Our end of the SOCK_SEQPACKET pair to init; one JSON object a packet (see shims/init)."""

    @property
    def log_fd(self) -> int:
        """Read end of the pipe that carries stdout, stderr and framed log records, in order."""

    @property
    def runtime_api_socket(self) -> socket.socket:
        """Listening TCP socket that only this sandbox can reach."""

    @property
    def runtime_api_address(self) -> str:
        """`host:port` of that socket as seen inside."""

    @property
    def platform_socket(self) -> socket.socket | None:
        """Listening TCP socket for the platform's own API; None where the host's is reachable."""

    @property
    def platform_address(self) -> str:
        """`host:port` at which code inside reaches the platform's API."""

    def path_inside(self, target: str) -> str:
        """Where code inside finds an absolute sandbox path (the process driver has no own root)."""

    def freeze(self) -> None:
        """Stop every process inside from running; returns at once, raises SandboxError."""

    def thaw(self) -> None:
        """Let them run again."""

    def is_alive(self) -> bool:
        """Whether init and what it has started live, as far as can be told at once.

        Of a frozen sandbox nobody hears otherwise: what is killed in it may end only when it is
        thawed. What init started and has seen end is for init to tell (see `control`).
        """

    def limit_cpu(self) -> None:
        """Hold it to its memory's share of processor time from now on; called when init is over.

        For drivers that have a hard limit: until then the sandbox runs unhindered, as on AWS, and
        they set it themselves after the longest initialisation phase (10 s).
        """

    def memory_peak_bytes(self) -> int:
        """Highest memory use so far of everything inside."""

    def oom_kills(self) -> int:
        """How many processes the kernel has killed inside for want of memory."""

    async def wait_exit(self) -> SandboxExit:
        """Wait until init has ended, by itself or by `close`."""

    async def close(self) -> None:
        """Kill everything inside and release what the sandbox holds on the host; idempotent."""


class SandboxDriver(Protocol):
    """Starts sandboxes; safe for concurrent `start` calls."""

    @property
    def name(self) -> str:
        """As configured: `crun`, `runc`, `runsc`, `process`."""

    async def open(self) -> None:
        """Prepare the host and remove what a killed predecessor left behind.

        Raises:
            SandboxError: this machine cannot run the driver; the message says what to do.
        """

    async def start(self, spec: SandboxSpec) -> Sandbox:
        """Start one sandbox; its init process is up or on its way (see `control`).

        Raises:
            SandboxError: it could not be started; nothing stays behind.
        """

    async def close(self) -> None:
        """Release what `open` took; sandboxes have been closed before."""
