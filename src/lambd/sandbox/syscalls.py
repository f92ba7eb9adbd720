"""The few system calls that Python 3.11 does not offer: mount, umount2, unshare, setns, prctl, loop.

ctypes lives here and nowhere else in the package. Every call releases the GIL and raises OSError
with the kernel's errno. Numbers are from the kernel's uapi headers.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

# <sched.h>
CLONE_NEWNS = 0x0002_0000
CLONE_NEWNET = 0x4000_0000
# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 32, 4096, 16384, 1 << 19
MNT_DETACH = 2
# <sys/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
# <linux/loop.h>
_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE, _LO_FLAGS_AUTOCLEAR = 0x4C82, 0x4C0A, 4
_LOOP_MAJOR = 7
# Other processes take free loop devices too; this many lost races in a row are a fault.
_LOOP_ATTEMPTS = 64

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give the calling thread new namespaces (`CLONE_NEW*`)."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(namespace_fd: int, kind: int) -> None:
    """Move the calling thread into a namespace of the given kind."""
    _check(_libc.setns(ctypes.c_int(namespace_fd), ctypes.c_int(kind)), "setns")


def set_child_subreaper() -> None:
    """Become the parent of descendants whose own parent has ended."""
    zero = ctypes.c_ulong(0)
    _check(
        _libc.prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1), zero, zero, zero),
        "prctl(PR_SET_CHILD_SUBREAPER)",
    )


def mount(
    source: Path | str | None, target: Path | str, kind: str | None, flags: int, data: str = ""
) -> None:
    """mount(2)."""
    result = _libc.mount(
        None if source is None else os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target}")


def umount(target: Path | str) -> None:
    """Detach a mount; it goes away when nobody uses it any more."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def bind_read_only(source: Path, target: Path) -> None:
    """Show a file or directory at another path, read-only, without set-id bits or devices."""
    mount(source, target, None, MS_BIND)
    mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def attach_loop_device(image: Path) -> tuple[int, Path]:
    """Put an image file behind a free loop device.

    Returns:
        A descriptor that keeps the device attached, to be closed once it is mounted, and the
        device's path. The device detaches itself at the last close or unmount.
    """
    image_fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_LOOP_ATTEMPTS):
            control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
            try:
                number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            finally:
                os.close(control)
            device = Path(f"/dev/loop{number}")
            if not device.exists():  # a static /dev, as in containers
                os.mknod(device, 0o600 | 0o060000, os.makedev(_LOOP_MAJOR, number))
            device_fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device_fd, _LOOP_CONFIGURE, _loop_config(image_fd))
            except OSError as exc:
                os.close(device_fd)
                if exc.errno != errno.EBUSY:
                    raise
            else:
                return device_fd, device
    finally:
        os.close(image_fd)
    raise OSError(errno.EBUSY, "no free loop device")


def _loop_config(image_fd: int) -> bytes:
    """struct loop_config: fd, block size, struct loop_info64, eight reserved words."""
    info = struct.pack(
        "<5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, 0, 0, 0, _LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0
    )
    return struct.pack("<II", image_fd, 0) + info + bytes(64)
