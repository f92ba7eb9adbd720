"""Which control groups this process owns, among several lambds on one kernel.

Each process has a parent group of its own, `lambd/i<random>`, and holds a lock on its directory,
which dies with it. So whoever starts next, with whatever data directory, finds the groups that
nobody holds any more, and leaves the others alone. The lock is on the directory itself, not on a
file in /run: containers that share the hierarchy need not share any files, and have the same paths.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from lambd.model.errors import SandboxError
from lambd.sandbox import cgroups

# The hierarchy whose directories are locked, where there are several.
_LOCKED = "pids"
_NAME = re.compile(r"i[0-9a-f]{12}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Instance:
    """A claimed parent group; `lock_fd` holds the claim."""

    name: str
    lock_fd: int


def claim(hierarchies: cgroups.Hierarchies) -> Instance:
    """Remove what killed processes left, and make a parent group of our own. Blocks.

    Raises:
        OSError, SandboxError: the hierarchy cannot be written to.
    """
    with _locked_root(hierarchies) as root:
        _remove_abandoned(hierarchies, root)
        name = f"i{os.urandom(6).hex()}"
        (root / name).mkdir()
        lock_fd = _try_lock(root / name)
    if lock_fd is None:
        raise SandboxError(f"somebody holds the new control group {name}")
    cgroups.prepare_parent(hierarchies, name)
    return Instance(name, lock_fd)


def release(hierarchies: cgroups.Hierarchies, instance: Instance) -> None:
    """Give the claim up and remove its groups, which are empty by now."""
    with _locked_root(hierarchies) as root:
        _remove_parent(hierarchies, root / instance.name)
        os.close(instance.lock_fd)
        for directory in hierarchies.group_directories(cgroups.PARENT):
            with contextlib.suppress(OSError):  # others are in it
                directory.rmdir()


@contextlib.contextmanager
def _locked_root(hierarchies: cgroups.Hierarchies) -> Iterator[Path]:
    """The directory of all instances, while nobody else makes or removes one."""
    root = hierarchies.controller_directory(_LOCKED, cgroups.PARENT)
    lock_fd = -1
    try:
        while lock_fd < 0:
            root.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the last instance has just removed it
                lock_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(lock_fd, fcntl.LOCK_EX)
                if not _is_same(lock_fd, root):
                    os.close(lock_fd)
                    lock_fd = -1
        yield root
    finally:
        if lock_fd >= 0:
            os.close(lock_fd)


def _is_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(directory: Path) -> int | None:
    """A descriptor that holds a directory's lock; None while somebody else holds it."""
    lock_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        return None
    return lock_fd


def _remove_abandoned(hierarchies: cgroups.Hierarchies, root: Path) -> None:
    """Kill and remove every group of every instance whose process has ended."""
    names = {
        entry.name
        for directory in hierarchies.group_directories(cgroups.PARENT)
        for entry in directory.iterdir()
        if _NAME.fullmatch(entry.name)
    }
    for name in sorted(names):
        # Without the directory that is locked: its removal was cut short.
        lock_fd = _try_lock(root / name) if (root / name).is_dir() else -1
        if lock_fd is None:
            continue
        try:
            cgroups.remove_leftovers(hierarchies, name)
            _remove_parent(hierarchies, root / name)
        except (OSError, SandboxError) as exc:
            # Not ours to fail for: the next start tries again.
            _log.error(
                "leftover sandboxes stay", action="leftovers-stay", instance=name, error=str(exc)
            )
        finally:
            if lock_fd >= 0:
                os.close(lock_fd)


def _remove_parent(hierarchies: cgroups.Hierarchies, locked: Path) -> None:
    """Remove an instance's empty parent group, the directory that is locked last."""
    relative = f"{cgroups.PARENT}/{locked.name}"
    directories = [each for each in hierarchies.group_directories(relative) if each != locked]
    for directory in (*directories, locked):
        with contextlib.suppress(FileNotFoundError):
            directory.rmdir()
