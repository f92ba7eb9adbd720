"""The namespaces that lambd itself moves into: private mounts, and threads inside networks.

Everything lambd mounts lives in its private mount namespace, so nothing of it outlives the
process, however it ends. Container namespaces are the OCI runtime's business, not ours.
"""

from __future__ import annotations

import os
from pathlib import Path

from lambd.sandbox import syscalls

# Written once, before any thread starts.
_state = {"private_mounts": False}


def enter_private_mounts() -> None:
    """Move the process into a mount namespace of its own: host mounts come in, ours stay in.

    To be called before any thread starts (threads that exist already stay outside). On a hybrid
    cgroup host the v2 hierarchy, whose controllers are all taken by v1, is hidden: crun 1.8 takes
    its presence for a pure v2 host and refuses to start. A second call does nothing.

    Raises:
        OSError: not permitted (CAP_SYS_ADMIN is needed).
    """
    if _state["private_mounts"]:
        return
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    unified = Path("/sys/fs/cgroup/unified")
    if unified.is_mount():
        syscalls.umount(unified)
        # crun still writes below the mount point; here nobody else sees that.
        syscalls.mount(
            "tmpfs", unified, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755"
        )
    _state["private_mounts"] = True


def has_private_mounts() -> bool:
    """Whether `enter_private_mounts` has been called in this process."""
    return _state["private_mounts"]


def open_own_network() -> int:
    """A descriptor of the calling thread's network namespace."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def unmount_below(directory: Path) -> None:
    """Unmount everything mounted at or below a directory, in the caller's mount namespace."""
    prefix = str(directory.resolve())
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # Field 5 is the mount point, blanks and backslashes escaped in octal.
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for point in reversed(points):
        if point == prefix or point.startswith(prefix + "/"):
            syscalls.umount(point)
