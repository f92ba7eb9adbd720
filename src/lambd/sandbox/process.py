"""The process driver: the same protocol without any isolation, for machines without an OCI runtime.

What runs "inside" is an ordinary process of lambd's user: it sees the host's files, processes and
network, and no limit holds it. Mounts become the host directories behind them, /tmp a directory
for each sandbox. Chosen by name only, never as a fallback.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.model.limits import OPEN_FILES
from lambd.sandbox.descriptors import hard_limit
from lambd.sandbox.driver import Mount, Sandbox, SandboxExit, SandboxSpec
from lambd.sandbox.spawn import Child, spawn

_LOOPBACK = "127.0.0.1"
_LISTEN_BACKLOG = 1024
# How long init may take to kill what is below it, seconds.
_END_TIMEOUT_S = 5.0
# How long the list of processes whose memory is looked at is taken for complete: making it means
# reading about every process of the machine.
_PIDS_VALID_S = 0.25
_ID_PATTERN = re.compile(r"[a-z0-9-]{1,40}")

_log = structlog.get_logger(__name__)


class Paths:
    """Where absolute sandbox paths are on the host: mounts first, then a directory of its own."""

    def __init__(self, mounts: tuple[Mount, ...], directory: Path) -> None:
        # The longest target wins.
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.target))
        self._directory = directory

    def on_host(self, target: str) -> str:
        """The host's path for a sandbox path; paths of the host's own system stay as they are."""
        for mount in self._mounts:
            if target == mount.target or target.startswith(mount.target + "/"):
                return str(mount.source) + target[len(mount.target) :]
        first = target.split("/")[1] if target.startswith("/") else ""
        return f"{self._directory}{target}" if first in ("tmp", "var", "opt", "mnt") else target

    def search_path(self, value: str) -> str:
        """The same for each part of a colon-separated list."""
        return ":".join(self.on_host(part) for part in value.split(":"))


class ProcessSandbox:
    """One init process and what it starts; see the `Sandbox` protocol."""

    def __init__(
        self,
        spec: SandboxSpec,
        paths: Paths,
        directory: Path,
        platform_address: str,
        runtime_api_socket: socket.socket,
    ) -> None:
        self._spec = spec
        self._paths = paths
        self._directory = directory
        self._platform_address = platform_address
        self._runtime_api_socket = runtime_api_socket
        port = runtime_api_socket.getsockname()[1]
        self._runtime_api_address = f"{_LOOPBACK}:{port}"
        self._control, self._child, self._log_fd = self._launch()
        self._peak_bytes = 0
        self._pids: tuple[int, ...] = ()
        self._pids_seen = -math.inf
        self._closing: asyncio.Future[None] | None = None

    def _launch(self) -> tuple[socket.socket, Child, int]:
        """Start init; our end of its control socket, the process, the log's read end."""
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log_fd, log_writer = os.pipe2(os.O_CLOEXEC)
        null_fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        argv = [self._paths.on_host(part) for part in self._spec.init_argv]
        environment = {
            name: self._paths.search_path(value)
            for name, value in self._spec.init_environment.items()
        }
        try:
            control.setblocking(False)
            os.set_blocking(log_fd, False)
            descriptors = [null_fd, log_writer, log_writer, log_writer, theirs.fileno()]
            pid = spawn(argv, environment, descriptors, new_session=True)
            # Ours is far higher, and what is inside is to meet AWS's.
            limit = min(OPEN_FILES, hard_limit())
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
            return control, Child(pid, asyncio.get_running_loop()), log_fd
        except BaseException:
            control.close()
            os.close(log_fd)
            raise
        finally:
            theirs.close()
            os.close(log_writer)
            os.close(null_fd)

    @property
    def id(self) -> str:
        """The id from the spec."""
        return self._spec.id

    @property
    def control(self) -> socket.socket:
        """Our end of the control socket."""
        return self._control

    @property
    def log_fd(self) -> int:
        """Read end of the log pipe."""
        return self._log_fd

    @property
    def runtime_api_socket(self) -> socket.socket:
        """Listening on the host's loopback: reachable by anybody on the host."""
        return self._runtime_api_socket

    @property
    def runtime_api_address(self) -> str:
        """`host:port` of that socket."""
        return self._runtime_api_address

    @property
    def platform_socket(self) -> socket.socket | None:
        """None: the host's own is reachable."""
        return None

    @property
    def platform_address(self) -> str:
        """`host:port` of the platform's API."""
        return self._platform_address

    def path_inside(self, target: str) -> str:
        """The host's path for a sandbox path."""
        return self._paths.on_host(target)

    def freeze(self) -> None:
        """Stop everything below init."""
        self._signal_descendants(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again."""
        self._signal_descendants(signal.SIGCONT)

    def _signal_descendants(self, number: int) -> None:
        if self._closing is None and not self._child.has_exited:
            for pid in descendants(self._child.pid):
                _signal(pid, number)

    def is_alive(self) -> bool:
        """Whether init lives, which is never stopped and tells of the rest."""
        return self._closing is None and self._child.is_running

    def limit_cpu(self) -> None:
        """Nothing limits processor time here."""

    def memory_peak_bytes(self) -> int:
        """Sum of what each process inside has used at most, as far as seen."""
        if self._closing is None and not self._child.has_exited:
            now = time.monotonic()
            if now - self._pids_seen >= _PIDS_VALID_S:
                self._pids = (self._child.pid, *descendants(self._child.pid))
                self._pids_seen = now
            self._peak_bytes = max(self._peak_bytes, sum(map(_peak_of, self._pids)))
        return self._peak_bytes

    def oom_kills(self) -> int:
        """Not known here."""
        return 0

    async def wait_exit(self) -> SandboxExit:
        """Wait until init has ended."""
        return await self._child.wait()

    async def close(self) -> None:
        """End init, which kills what is below it; idempotent."""
        if self._closing is not None:
            await asyncio.shield(self._closing)
            return
        self.memory_peak_bytes()
        self._closing = asyncio.get_running_loop().create_future()
        try:
            self._control.close()
            try:
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await self._child.wait()
            except TimeoutError:
                for pid in descendants(self._child.pid):
                    _signal(pid, signal.SIGKILL)
                self._child.send_signal(signal.SIGKILL)
                await self._child.wait()
            self._runtime_api_socket.close()
            os.close(self._log_fd)
            shutil.rmtree(self._directory)
        finally:
            self._closing.set_result(None)


class ProcessDriver:
    """Starts sandboxes that isolate nothing; see the `SandboxDriver` protocol."""

    def __init__(self, run_dir: Path, platform_address: str) -> None:
        """Args:
        run_dir: a directory of ours for /tmp directories.
        platform_address: `host:port` of the platform's API.
        """
        self._directory = run_dir / "process"
        self._platform_address = platform_address

    @property
    def name(self) -> str:
        """Always `process`."""
        return "process"

    async def open(self) -> None:
        """Remove what a killed predecessor left (its processes ended with it)."""
        try:
            if self._directory.exists():
                shutil.rmtree(self._directory)
            self._directory.mkdir(mode=0o700, parents=True)
        except OSError as exc:
            raise SandboxError(f"cannot prepare {self._directory}: {exc}") from exc
        _log.warning(
            "the process driver isolates nothing: functions run as this user, with its files,"
            " its network and no limits",
            action="no-isolation",
        )

    async def start(self, spec: SandboxSpec) -> Sandbox:
        """Start one init process."""
        if _ID_PATTERN.fullmatch(spec.id) is None:
            raise SandboxError(f"not a sandbox id: {spec.id!r}")
        directory = self._directory.resolve() / spec.id
        runtime_api = socket.socket()
        try:
            for name in ("tmp", "var/task", "opt", "mnt"):
                (directory / name).mkdir(parents=True)
            runtime_api.setblocking(False)
            runtime_api.bind((_LOOPBACK, 0))
            runtime_api.listen(_LISTEN_BACKLOG)
            paths = Paths(spec.mounts, directory)
            return ProcessSandbox(spec, paths, directory, self._platform_address, runtime_api)
        except (OSError, subprocess.SubprocessError) as exc:
            runtime_api.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise SandboxError(f"sandbox {spec.id} could not be started: {exc}") from exc

    async def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self._directory, ignore_errors=True)


def descendants(root: int) -> list[int]:
    """Process ids of everything below a process (init is the reaper of what it has orphaned)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The command name, in parentheses, may hold anything.
                stat = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(stat[1])
    found: list[int] = []
    wanted = {root}
    while wanted:
        wanted = {pid for pid, parent in parents.items() if parent in wanted}
        found.extend(wanted)
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # ended meanwhile


def _peak_of(pid: int) -> int:
    """VmHWM of a process in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
