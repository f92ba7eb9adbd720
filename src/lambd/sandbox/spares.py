"""Parts of a sandbox that are the same for all and slow to make, kept ready ahead of need.

Each is a network namespace with its sockets, a control group with a launcher process in it, the
control socket, the log pipe and a /tmp of the usual size. Moving a process into a control group
waits for a grace period of the kernel (14 ms measured on Linux 6.18, both generations), laying a
cable to the host takes 5 ms: here both are paid by nobody. The launcher is a shell that waits for
a line on its gate and then becomes the OCI runtime, which thus starts inside the group.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.sandbox import cgroups
from lambd.sandbox.network import NetworkFactory, SandboxNetwork
from lambd.sandbox.scratch import ScratchSpace
from lambd.sandbox.spawn import Child, spawn

# How many are kept ready, and of which size their /tmp is (AWS's default), MiB.
_SPARES = 4
USUAL_SCRATCH_MIB = 512
# Before a spare that was killed is replaced: whatever kills them is not to keep us busy.
_REFILL_DELAY_S = 0.2
# Closes the gate and becomes the program in its arguments.
_LAUNCHER = 'read line <&5 && exec 5<&- "$0" "$@"'

_log = structlog.get_logger(__name__)


# Compared by identity.
@dataclass(slots=True, kw_only=True, eq=False)
class Spare:
    """One set of parts. `close_descriptors` and then `remove` give everything back."""

    # Names the bundle, the OCI runtime's state and the control group.
    name: str
    bundle_dir: Path
    state_dir: Path
    cgroup_path: str
    network: SandboxNetwork
    # Our mount of /tmp, until the sandbox has it.
    scratch_dir: Path | None
    scratch_mib: int
    control: socket.socket
    log_fd: int
    # The launcher and what opens its gate; the pid must be reaped.
    launcher_pid: int
    gate_fd: int
    # Watches the launcher; set by the pool, in the event loop.
    launcher: Child | None = None
    # None until the OCI runtime has made it, where it insists on doing so.
    group: cgroups.SandboxGroup | None

    def open_gate(self) -> None:
        """Let the launcher become the OCI runtime.

        Raises:
            OSError: it has died.
        """
        os.write(self.gate_fd, b"\n")
        self._close_gate()

    async def end_launcher(self) -> None:
        """End what the launcher has become; nothing happens when it has ended."""
        if self.launcher is not None:
            self.launcher.send_signal(signal.SIGKILL)
            await self.launcher.wait()

    def _close_gate(self) -> None:
        if self.gate_fd >= 0:
            os.close(self.gate_fd)
            self.gate_fd = -1

    def close_descriptors(self) -> None:
        """Close everything that is a descriptor of ours."""
        self._close_gate()
        if self.group is not None:
            self.group.close()
        self.network.close()
        self.control.close()
        if self.log_fd >= 0:
            os.close(self.log_fd)
            self.log_fd = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpareOptions:
    """What the pool has to know of its driver."""

    run_dir: Path
    instance: str
    hierarchies: cgroups.Hierarchies
    # Whether the OCI runtime can be told to stay where it is instead of making the group itself.
    joins_group: bool
    # The OCI runtime's command line for a bundle directory.
    command: Callable[[Path], list[str]]
    environment: dict[str, str]


class SparePool:
    """Keeps some sets ready and makes more when there are none."""

    def __init__(
        self,
        settings: SpareOptions,
        network: NetworkFactory,
        scratch: ScratchSpace,
        workers: ThreadPoolExecutor,
    ) -> None:
        self._settings = settings
        self._network = network
        self._scratch = scratch
        self._workers = workers
        self._numbers = itertools.count(1)
        self._ready: deque[Spare] = deque()
        self._making: set[asyncio.Future[Spare]] = set()
        self._discarding: set[asyncio.Future[None]] = set()
        self._open = True

    async def acquire(self) -> Spare:
        """A set nobody else has, from those kept ready if there is one.

        Raises:
            SandboxError: it could not be made.
        """
        # Those whose launcher has just died are on their way out.
        alive = (each for each in self._ready if each.launcher and each.launcher.is_running)
        prepared = next(alive, None)
        if prepared is not None:
            self._ready.remove(prepared)
        else:
            future = asyncio.get_running_loop().run_in_executor(self._workers, self._make)
            try:
                prepared = await asyncio.shield(future)
            except asyncio.CancelledError:
                # The worker goes on; what it makes becomes a spare.
                self._making.add(future)
                future.add_done_callback(self._on_made)
                raise
            await self._watch(prepared)
        self.refill()
        return prepared

    def refill(self) -> None:
        """Have the workers make what is missing of the spares."""
        loop = asyncio.get_running_loop()
        while self._open and len(self._ready) + len(self._making) < _SPARES:
            future = loop.run_in_executor(self._workers, self._make)
            self._making.add(future)
            future.add_done_callback(self._on_made)

    async def _watch(self, prepared: Spare) -> None:
        """Hear of the launcher's end from now on.

        Raises:
            SandboxError: it cannot be watched, and the set has been given back.
        """
        loop = asyncio.get_running_loop()
        try:
            prepared.launcher = Child(prepared.launcher_pid, loop)
        except OSError as exc:
            await loop.run_in_executor(self._workers, self._discard, prepared)
            raise SandboxError(f"a sandbox cannot be prepared: {exc}") from exc

    def _on_made(self, future: asyncio.Future[Spare]) -> None:
        self._making.discard(future)
        if future.cancelled():
            return
        if (error := future.exception()) is not None:
            # Nobody waits for this one: the next `acquire` meets the cause itself.
            _log.warning("no spare sandbox parts", action="spare-failed", error=str(error))
            return
        prepared = future.result()
        try:
            prepared.launcher = Child(prepared.launcher_pid, asyncio.get_running_loop())
        except OSError as exc:
            _log.warning("no spare sandbox parts", action="spare-failed", error=str(exc))
            self._give_back(prepared)
            return
        self._ready.append(prepared)
        prepared.launcher.call_at_exit(lambda: self._on_launcher_exit(prepared))

    def _on_launcher_exit(self, prepared: Spare) -> None:
        """Replace a spare whose launcher somebody has killed."""
        if prepared not in self._ready:
            return  # it was let go, or is being closed
        self._ready.remove(prepared)
        _log.warning(
            "a spare sandbox's launcher was killed", action="spare-lost", parts=prepared.name
        )
        self._give_back(prepared)
        asyncio.get_running_loop().call_later(_REFILL_DELAY_S, self.refill)

    def _give_back(self, prepared: Spare) -> None:
        """Have a worker discard a set."""
        future = asyncio.get_running_loop().run_in_executor(self._workers, self._discard, prepared)
        self._discarding.add(future)
        future.add_done_callback(self._on_discarded)

    def _on_discarded(self, future: asyncio.Future[None]) -> None:
        self._discarding.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            _log.error(
                "a spare sandbox could not be removed", action="spare-stays", error=str(error)
            )

    async def close(self) -> None:
        """Give the spares back."""
        self._open = False
        if self._making:
            await asyncio.wait(self._making)
        if self._discarding:
            await asyncio.wait(self._discarding)
        loop = asyncio.get_running_loop()
        while self._ready:
            prepared = self._ready.popleft()
            await prepared.end_launcher()
            await loop.run_in_executor(self._workers, self._discard, prepared)

    # In worker threads from here on.

    def _make(self) -> Spare:
        name = f"s{next(self._numbers):06d}"
        settings = self._settings
        cgroup_path = f"/{cgroups.PARENT}/{settings.instance}/{name}"
        bundle_dir = settings.run_dir / "bundles" / name
        state_dir = settings.run_dir / "oci" / name
        network = self._network.make()
        undo: list[Callable[[], None]] = [network.close]
        try:
            for directory in (bundle_dir, state_dir):
                directory.mkdir(mode=0o700)
            undo += [lambda: shutil.rmtree(bundle_dir), lambda: shutil.rmtree(state_dir)]
            scratch_dir = self._scratch.mount(name, USUAL_SCRATCH_MIB)
            undo.append(lambda: self._scratch.release(scratch_dir))
            control, log_fd, gate_fd, pid = _launch(
                settings.command(bundle_dir), settings.environment
            )
            undo += [
                control.close,
                lambda: os.close(log_fd),
                lambda: os.close(gate_fd),
                lambda: _end(pid),
            ]
            group = None
            if settings.joins_group:
                cgroups.create(settings.hierarchies, cgroup_path, pid)
                undo.append(lambda: cgroups.kill_and_remove(settings.hierarchies, cgroup_path))
                group = cgroups.SandboxGroup(settings.hierarchies, cgroup_path)
        except BaseException as exc:
            for step in reversed(undo):
                step()
            if isinstance(exc, OSError):
                raise SandboxError(f"a sandbox cannot be prepared: {exc}") from exc
            raise
        return Spare(
            name=name,
            bundle_dir=bundle_dir,
            state_dir=state_dir,
            cgroup_path=cgroup_path,
            network=network,
            scratch_dir=scratch_dir,
            scratch_mib=USUAL_SCRATCH_MIB,
            control=control,
            log_fd=log_fd,
            launcher_pid=pid,
            gate_fd=gate_fd,
            group=group,
        )

    def _discard(self, prepared: Spare) -> None:
        """Give an unused set back, whose launcher has ended unless nobody watches it."""
        if prepared.launcher is None:
            _end(prepared.launcher_pid)
        if prepared.scratch_dir is not None:
            self._scratch.release(prepared.scratch_dir)
        prepared.close_descriptors()
        self.remove(prepared)

    def remove(self, prepared: Spare) -> None:
        """Remove control group, bundle and state; kills what is still in the group. Blocks.

        Raises:
            SandboxError: something in it cannot be killed.
        """
        cgroups.kill_and_remove(self._settings.hierarchies, prepared.cgroup_path)
        for directory in (prepared.bundle_dir, prepared.state_dir):
            if directory.exists():
                shutil.rmtree(directory)


def _launch(command: list[str], environment: dict[str, str]) -> tuple[socket.socket, int, int, int]:
    """Start a launcher; our control socket, the log's read end, the gate and its process id."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log_fd, log_writer = os.pipe2(os.O_CLOEXEC)
    gate_reader, gate_fd = os.pipe2(os.O_CLOEXEC)
    null_fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        control.setblocking(False)
        os.set_blocking(log_fd, False)
        descriptors = [null_fd, log_writer, log_writer, log_writer, theirs.fileno(), gate_reader]
        argv = ["/bin/sh", "-c", _LAUNCHER, *command]
        pid = spawn(argv, environment, descriptors)
    except BaseException:
        control.close()
        os.close(log_fd)
        os.close(gate_fd)
        raise
    finally:
        theirs.close()
        for fd in (log_writer, gate_reader, null_fd):
            os.close(fd)
    return control, log_fd, gate_fd, pid


def _end(launcher_pid: int) -> None:
    """End a launcher that nobody watches yet."""
    os.kill(launcher_pid, signal.SIGKILL)
    os.waitpid(launcher_pid, 0)
