"""Disks that fail: file systems in files, which tests fill, cut off and mount read-only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# <linux/ext4.h>: EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH.
_SHUTDOWN, _WITHOUT_FLUSH = 0x8004587D, 2


class Disk:
    """An ext4 file system in a file, mounted at a directory beside it."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.directory = image.with_suffix("")

    @classmethod
    def made(cls, image: Path, mib: int = 2048) -> Disk:
        """A new one, empty."""
        with image.open("wb") as file:
            file.truncate(mib << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        return cls(image)

    @contextlib.contextmanager
    def mounted(self, options: str = "rw") -> Iterator[Path]:
        """The directory, for as long as the block runs."""
        self.directory.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", f"loop,{options}", self.image, self.directory], check=True)
        try:
            yield self.directory
        finally:
            subprocess.run(["umount", self.directory], check=True)

    def wait_unused(self) -> None:
        """A server that has just ended had a mount of it in its own namespace."""
        deadline = time.monotonic() + 30
        while subprocess.run(["losetup", "-j", self.image], check=True, capture_output=True).stdout:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def copied_as_after_a_power_cut(self, image: Path) -> Disk:
        """What has reached the disk until now; nothing is flushed for it."""
        subprocess.run(["cp", "--sparse=always", self.image, image], check=True)
        return Disk(image)

    def fail(self) -> None:
        """From now on nothing can be read from it or written to it (`EXT4_IOC_SHUTDOWN`)."""
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _WITHOUT_FLUSH))
        finally:
            os.close(fd)

    def fill(self) -> None:
        """Leave no byte free, not even for root."""
        with (self.directory / "filler").open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
