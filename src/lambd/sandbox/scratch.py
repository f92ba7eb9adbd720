"""The sized /tmp of a sandbox: an ext4 image behind a loop device, or a tmpfs where none exists.

For each size one template is formatted once and then copied, holes left out (a tenth of a
millisecond against six for mkfs). The image file is unlinked as soon as the device is attached,
and our own mount of it as soon as the sandbox has it, so that the sandbox's mount namespace holds
the only reference: when its last process ends, the file system, the device and the space are gone,
whether lambd still runs or not. No journal and no barriers: the contents need survive nothing.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lambd.model.errors import SandboxError
from lambd.model.limits import MIB
from lambd.sandbox import syscalls

_MOUNT_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV
_MOUNT_OPTIONS = "noinit_itable,nobarrier"
_FORMAT_TIMEOUT_S = 60


def has_loop_devices() -> bool:
    """Whether images can be attached on this machine."""
    return os.access("/dev/loop-control", os.R_OK | os.W_OK)


class ScratchSpace:
    """Makes /tmp file systems in one directory. Methods block: call them from worker threads."""

    def __init__(self, directory: Path, *, mkfs: str | None) -> None:
        """Args:
        directory: where templates, images and mount points are.
        mkfs: path of mkfs.ext4; None makes every /tmp a tmpfs, charged to its sandbox's memory.
        """
        self._directory = directory
        self._mkfs = mkfs

    def mount(self, sandbox_id: str, size_mib: int) -> Path:
        """Mount a new, empty file system, mode 1777.

        Returns:
            The mount point, to be given to `release` once the sandbox holds it.

        Raises:
            SandboxError: it could not be made; nothing stays behind.
        """
        mount_point = self._directory / sandbox_id
        try:
            mount_point.mkdir(mode=0o700, parents=True)
            if self._mkfs is None:
                options = f"size={size_mib}m,mode=1777"
                syscalls.mount("tmpfs", mount_point, "tmpfs", _MOUNT_FLAGS, options)
            else:
                image = self._directory / f"{sandbox_id}.img"
                _copy_sparse(self._template(size_mib), image)
                _mount_image(image, mount_point)
        except OSError as exc:
            mount_point.rmdir()
            raise SandboxError(f"no /tmp of {size_mib} MiB: {exc}") from exc
        return mount_point

    def release(self, mount_point: Path) -> None:
        """Give up our own mount; the sandbox's lives on."""
        syscalls.umount(mount_point)
        mount_point.rmdir()

    def _template(self, size_mib: int) -> Path:
        template = self._directory / f"template-{size_mib}.ext4"
        if template.exists():
            return template
        # Made under another name: two threads may both do this, the later rename wins.
        unfinished = self._directory / f"{template.name}.{os.urandom(4).hex()}"
        _format(self._mkfs or "", unfinished, size_mib)
        unfinished.rename(template)
        return template


def image_mib(size_mib: int) -> int:
    """How large an image has to be for a file of the size asked for to fit.

    On top come inode tables, bitmaps and superblock copies, and what ext4 holds back for itself:
    a fiftieth, 16 MiB at most (`reserved_clusters`).
    """
    return size_mib + size_mib // 64 + min(size_mib // 48, 16) + 4


def _format(mkfs: str, image: Path, size_mib: int) -> None:
    with image.open("wb") as file:
        file.truncate(image_mib(size_mib) * MIB)
    features = "^has_journal,^resize_inode"
    # One inode for 32 KiB halves the tables; a 512 MiB /tmp still has 16,000 files.
    command = [mkfs, "-q", "-F", "-O", features, "-m", "0", "-i", "32768"]
    command += ["-E", "lazy_itable_init=1,nodiscard", str(image)]
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            command, check=True, capture_output=True, timeout=_FORMAT_TIMEOUT_S
        )
    except (subprocess.SubprocessError, OSError) as exc:
        image.unlink()
        raise SandboxError(f"{mkfs} failed: {exc}") from exc


def _copy_sparse(source: Path, target: Path) -> None:
    """Copy only what has been written of a file."""
    source_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    target_fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(source_fd).st_size
        os.ftruncate(target_fd, size)
        offset = 0
        while (offset := _next_data(source_fd, offset, size)) < size:
            end = os.lseek(source_fd, offset, os.SEEK_HOLE)
            while offset < end:
                offset += os.copy_file_range(source_fd, target_fd, end - offset, offset, offset)
    finally:
        os.close(source_fd)
        os.close(target_fd)


def _next_data(fd: int, offset: int, size: int) -> int:
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole up to the end
        return size


def _mount_image(image: Path, mount_point: Path) -> None:
    """Mount an image as an empty, world-writable directory; the file loses its name."""
    try:
        device_fd, device = syscalls.attach_loop_device(image)
        try:
            syscalls.mount(device, mount_point, "ext4", _MOUNT_FLAGS, _MOUNT_OPTIONS)
        finally:
            os.close(device_fd)
    finally:
        image.unlink()
    (mount_point / "lost+found").rmdir()
    mount_point.chmod(0o1777)
