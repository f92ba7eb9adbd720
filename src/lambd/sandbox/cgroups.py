"""Control groups, both generations: where they are, and one sandbox's group while it lives.

Groups are made here rather than by the OCI runtime, so that they can be made ahead of need. Files
that are used for every invocation stay open. Version 1 keeps a directory for each controller
(`memory/lambd/...`, `freezer/lambd/...`), version 2 one for all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.model.limits import MEMORY_MIB_PER_VCPU, MIB

CGROUP_ROOT = Path("/sys/fs/cgroup")
# Below each hierarchy's root: /lambd/<instance>/<name>.
PARENT = "lambd"
# Killing and removing a group: how long, and how often it is looked at.
_REMOVAL_TIMEOUT_S, _REMOVAL_POLL_S = 5.0, 0.002
_V1_CONTROLLERS = ("cpu", "freezer", "memory", "pids")
_V2_CONTROLLERS = ("cpu", "memory", "pids")
_CPU_PERIOD_US = 100_000
# The kernel refuses a smaller quota.
_CPU_QUOTA_MIN_US = 1000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchies:
    """What is mounted under /sys/fs/cgroup."""

    root: Path
    version: int
    # v1 with a v2 hierarchy beside it that has the leftover controllers.
    hybrid: bool
    # Where each hierarchy is mounted.
    mounts: tuple[Path, ...]

    def group_directories(self, path: str) -> list[Path]:
        """Existing directories of a group, one for each hierarchy."""
        candidates = (hierarchy / path.lstrip("/") for hierarchy in self.mounts)
        return [directory for directory in candidates if directory.is_dir()]

    def controller_directory(self, controller: str, path: str) -> Path:
        """A group's directory in the hierarchy of one controller."""
        relative = path.lstrip("/")
        return self.root / relative if self.version == 2 else self.root / controller / relative

    def own_directories(self, path: str) -> list[Path]:
        """The directories of a group in the hierarchies that limits need."""
        if self.version == 2:
            return [self.root / path.lstrip("/")]
        return [self.controller_directory(name, path) for name in _V1_CONTROLLERS]


def detect(root: Path = CGROUP_ROOT) -> Hierarchies:
    """Find out which generation the host runs.

    Raises:
        SandboxError: no control groups, or not the controllers that limits need.
    """
    if (root / "cgroup.controllers").exists():
        found = (root / "cgroup.controllers").read_text().split()
        missing = [name for name in _V2_CONTROLLERS if name not in found]
        hierarchies = Hierarchies(root=root, version=2, hybrid=False, mounts=(root,))
    else:
        missing = [name for name in _V1_CONTROLLERS if not (root / name).is_dir()]
        unified = (root / "unified" / "cgroup.procs").exists()
        # Co-mounted controllers have alias symlinks (`cpu` -> `cpu,cpuacct`).
        entries = sorted(root.iterdir()) if root.is_dir() else []
        mounts = (e for e in entries if not e.is_symlink() and (e / "cgroup.procs").exists())
        hierarchies = Hierarchies(root=root, version=1, hybrid=unified, mounts=tuple(mounts))
    if missing:
        raise SandboxError(f"cgroup controllers are missing below {root}: {', '.join(missing)}")
    return hierarchies


def prepare_parent(hierarchies: Hierarchies, instance: str) -> None:
    """Create this instance's parent group; on v2, hand the controllers down to it.

    Raises:
        SandboxError: the hierarchy cannot be written to.
    """
    relative = f"{PARENT}/{instance}"
    try:
        if hierarchies.version == 2:
            _delegate(hierarchies.root, relative)
        else:
            for controller in _V1_CONTROLLERS:
                (hierarchies.root / controller / relative).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SandboxError(f"cannot create control groups below {hierarchies.root}: {exc}") from exc


def limit_parent(hierarchies: Hierarchies, instance: str, memory_mib: int) -> None:
    """Hold all sandboxes of this instance together to so much memory.

    Raises:
        OSError: the kernel refused.
    """
    directory = hierarchies.controller_directory("memory", f"{PARENT}/{instance}")
    name = "memory.max" if hierarchies.version == 2 else "memory.limit_in_bytes"
    (directory / name).write_text(str(memory_mib * MIB))


def _delegate(root: Path, relative: str) -> None:
    """Enable the controllers from the root down to a group."""
    directory = root
    for name in ("", *relative.split("/")):
        directory = directory / name
        directory.mkdir(exist_ok=True)
        control = directory / "cgroup.subtree_control"
        enabled = control.read_text().split()
        wanted = [f"+{c}" for c in _V2_CONTROLLERS if c not in enabled]
        if not wanted:
            continue
        try:
            control.write_text(" ".join(wanted))
        except OSError:
            # A group with processes of its own may not hand controllers down; the root of a
            # container's cgroup namespace is such a group. Its processes step aside.
            _evacuate(directory)
            control.write_text(" ".join(wanted))


def _evacuate(directory: Path) -> None:
    aside = directory / "lambd-host"
    aside.mkdir(exist_ok=True)
    for pid in (directory / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (aside / "cgroup.procs").write_text(pid)


def create(hierarchies: Hierarchies, path: str, pid: int) -> None:
    """Make a group with one process in it. Blocks for a grace period of the kernel.

    Raises:
        OSError: the parent is not there, or the process has ended.
    """
    for directory in hierarchies.own_directories(path):
        directory.mkdir()
        (directory / "cgroup.procs").write_text(str(pid))


def cpu_quota_us(memory_mib: int) -> int:
    """Microseconds of processor time in each period: one vCPU for each 1,769 MiB."""
    return max(_CPU_QUOTA_MIN_US, memory_mib * _CPU_PERIOD_US // MEMORY_MIB_PER_VCPU)


def _share(memory_mib: int, of_one_vcpu: int, least: int, most: int) -> int:
    """A weight in proportion to memory; `of_one_vcpu` is what an ordinary group has."""
    return min(most, max(least, memory_mib * of_one_vcpu // MEMORY_MIB_PER_VCPU))


class SandboxGroup:
    """One sandbox's group, from its start until it is removed."""

    def __init__(self, hierarchies: Hierarchies, path: str) -> None:
        """Open the files that are used while it runs.

        Raises:
            OSError: the group is not there.
        """
        self._version = hierarchies.version
        self._memory = hierarchies.controller_directory("memory", path)
        self._pids = hierarchies.controller_directory("pids", path)
        self._cpu = hierarchies.controller_directory("cpu", path)
        freezer = hierarchies.controller_directory("freezer", path)
        self._fds: list[int] = []
        try:
            if self._version == 2:
                self._peak_fd = self._open_first(self._memory, "memory.peak", "memory.current")
                self._oom_fd = self._open_first(self._memory, "memory.events")
                self._freeze_fd = self._open(freezer / "cgroup.freeze", os.O_WRONLY)
            else:
                self._peak_fd = self._open_first(self._memory, "memory.max_usage_in_bytes")
                self._oom_fd = self._open_first(self._memory, "memory.oom_control")
                self._freeze_fd = self._open(freezer / "freezer.state", os.O_WRONLY)
        except OSError:
            self.close()
            raise
        # Kernels before 5.19 have no memory.peak: the highest of what was seen stands in for it.
        self._highest_bytes = 0

    def set_limits(self, *, memory_mib: int, processes: int) -> None:
        """Limit memory, without swap on top of it, and the number of processes and threads.

        The weight when groups compete for processor time follows from the memory.

        Raises:
            OSError: the kernel refused.
        """
        size = str(memory_mib * MIB)
        if self._version == 2:
            (self._memory / "memory.max").write_text(size)
            swap, none = self._memory / "memory.swap.max", "0"
        else:
            (self._memory / "memory.limit_in_bytes").write_text(size)
            swap, none = self._memory / "memory.memsw.limit_in_bytes", size
        if swap.exists():  # not where swap accounting is switched off, or no swap compiled in
            swap.write_text(none)
        (self._pids / "pids.max").write_text(str(processes))
        if self._version == 2:
            (self._cpu / "cpu.weight").write_text(str(_share(memory_mib, 100, 1, 10_000)))
        else:
            (self._cpu / "cpu.shares").write_text(str(_share(memory_mib, 1024, 2, 262_144)))

    def kill_all_or_tell(self) -> int | None:
        """When memory runs out, have the kernel kill everything in the group, or tell us (v1).

        For sandboxes with a kernel of their own, which goes on without the one process that the
        host's kernel picks, and only asks for its memory again.

        Returns:
            A descriptor, the group's own, that becomes readable when memory has run out; None: the
            kernel does the rest.

        Raises:
            OSError: the kernel refused.
        """
        if self._version == 2:
            (self._memory / "memory.oom.group").write_text("1")
            return None
        event_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fds.append(event_fd)
        (self._memory / "cgroup.event_control").write_text(f"{event_fd} {self._oom_fd}")
        return event_fd

    def members(self) -> list[int]:
        """Process ids of what runs in it.

        Raises:
            OSError: the group is not there any more.
        """
        return [int(pid) for pid in (self._pids / "cgroup.procs").read_text().split()]

    def set_cpu_quota(self, quota_us: int) -> None:
        """Limit processor time, microseconds in each tenth of a second.

        Raises:
            OSError: the kernel refused.
        """
        if self._version == 2:
            (self._cpu / "cpu.max").write_text(f"{quota_us} {_CPU_PERIOD_US}")
        else:
            (self._cpu / "cpu.cfs_period_us").write_text(str(_CPU_PERIOD_US))
            (self._cpu / "cpu.cfs_quota_us").write_text(str(quota_us))

    def _open(self, path: Path, mode: int) -> int:
        fd = os.open(path, mode | os.O_CLOEXEC)
        self._fds.append(fd)
        return fd

    def _open_first(self, directory: Path, *names: str) -> int:
        present = [name for name in names if (directory / name).exists()]
        return self._open(directory / (present or names)[0], os.O_RDONLY)

    def set_frozen(self, frozen: bool) -> None:
        """Stop or continue every process of the group.

        Raises:
            OSError: the kernel refused.
        """
        if self._version == 2:
            os.pwrite(self._freeze_fd, b"1" if frozen else b"0", 0)
        else:
            os.pwrite(self._freeze_fd, b"FROZEN" if frozen else b"THAWED", 0)

    def memory_peak_bytes(self) -> int:
        """Highest memory use so far, page cache included."""
        seen = int(os.pread(self._peak_fd, 32, 0))
        self._highest_bytes = max(self._highest_bytes, seen)
        return self._highest_bytes

    def oom_kills(self) -> int:
        """Processes killed for want of memory."""
        return parse_oom_kills(os.pread(self._oom_fd, 4096, 0))

    def close(self) -> None:
        """Close the open files; idempotent."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def parse_oom_kills(text: bytes) -> int:
    """The `oom_kill` line of memory.events (v2) or memory.oom_control (v1, since Linux 4.13)."""
    for line in text.splitlines():
        name, _, value = line.partition(b" ")
        if name == b"oom_kill":
            return int(value)
    return 0


def kill_and_remove(hierarchies: Hierarchies, path: str) -> None:
    """Kill everything in a group and remove it; nothing happens when it is not there.

    Blocks up to some seconds: to be called from a worker thread.

    Raises:
        SandboxError: processes in it could not be killed in time.
    """
    deadline = time.monotonic() + _REMOVAL_TIMEOUT_S
    while remaining := [d for d in hierarchies.group_directories(path) if not _try_remove(d)]:
        if time.monotonic() > deadline:
            raise SandboxError(f"control group {path} could not be emptied: {remaining}")
        time.sleep(_REMOVAL_POLL_S)
    # Where `enter_private_mounts` has hidden the v2 hierarchy, crun 1.8 leaves plain directories.
    if hierarchies.version == 1 and not hierarchies.hybrid:
        shutil.rmtree(hierarchies.root / "unified" / path.lstrip("/"), ignore_errors=True)


def _try_remove(directory: Path) -> bool:
    """Remove a group if it is empty, else kill what is in it."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        for entry in directory.iterdir():
            if entry.is_dir():
                _try_remove(entry)
        _kill_members(directory)
        return False
    return True


def _kill_members(group: Path) -> None:
    """Thaw a group and SIGKILL its members (a frozen v1 group would not die)."""
    with contextlib.suppress(FileNotFoundError):
        if (group / "freezer.state").exists():
            (group / "freezer.state").write_text("THAWED")
        elif (group / "cgroup.freeze").exists():
            (group / "cgroup.freeze").write_text("0")
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def remove_leftovers(hierarchies: Hierarchies, instance: str) -> int:
    """Kill and remove every group of a killed predecessor.

    Returns:
        How many sandboxes there were.
    """
    parent = f"{PARENT}/{instance}"
    names = {
        entry.name
        for directory in hierarchies.group_directories(parent)
        for entry in directory.iterdir()
        if entry.is_dir()
    }
    for name in sorted(names):
        kill_and_remove(hierarchies, f"{parent}/{name}")
    if names:
        _log.warning("leftover sandboxes removed", action="leftovers-removed", count=len(names))
    return len(names)
