"""The data directory: made once, held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from lambd.model.errors import UnavailableError


class DirectoryLock:
    """An exclusive `flock` on `<data_dir>/lock`, which also tells who holds it.

    The kernel drops the lock with the process, so a killed predecessor never stands in the way.
    """

    def __init__(self, data_dir: Path) -> None:
        """Take the lock, making the directory first.

        Raises:
            UnavailableError: another process holds it; the message names its pid.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise UnavailableError(
                f"the data directory {data_dir} is in use by another lambd (process {holder}); "
                "stop it, or choose another data directory"
            ) from exc
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next process in; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
