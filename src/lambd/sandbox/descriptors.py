"""File descriptors of this process: the limit on them, how many are in use, who may take more.

Everything a platform holds is a descriptor: a sandbox some twelve, a connection one. The limit is
shared out: half of it is promised to environments (`environments/placement.py`), with the first few
connections of each; what code inside opens beyond those is taken while half of all is free, and
clients of the API until only what the platform needs for its own work is left. So that running out
closes new connections, which is logged, and never meets code that has to open a file.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

# Connections of one environment that are always taken: to its Runtime API, where the runtime and
# extensions wait, and to the platform's own.
RUNTIME_CONNECTIONS, PLATFORM_CONNECTIONS = 4, 2
# What one environment holds: control and log, four sockets inside, its process, three files of its
# control group, one while it is made; and those connections.
PER_ENVIRONMENT = 11 + RUNTIME_CONNECTIONS + PLATFORM_CONNECTIONS
# What the platform holds without environments: database, logs, event loop, threads, and the parts
# of four sandboxes made ahead.
OWN = 128
# What nobody but the platform's own work may take.
_LAST = 64
# Reading the directory takes long when it is large: for so long we count ourselves.
_COUNT_VALID_S = 0.02
_LOG_INTERVAL_S = 10.0
_DIRECTORY = Path("/proc/self/fd")

_log = structlog.get_logger(__name__)


def raise_limit() -> int:
    """Raise the soft limit to the hard one; returns it. Programs that are started inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def hard_limit() -> int:
    """How many descriptors a process of this machine may ask for."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def environments_that_fit(limit: int) -> int:
    """For how many environments a limit suffices, at least one."""
    return max(1, (limit // 2 - OWN) // PER_ENVIRONMENT)


def count_used() -> int:
    """How many descriptors this process has open."""
    # The directory's size, since Linux 6.2.
    return _DIRECTORY.stat().st_size or len(os.listdir(_DIRECTORY))  # noqa: PTH208 - counted only


@dataclass(slots=True)
class Descriptors:
    """Tells who may take another descriptor. Called from the event loop's thread."""

    limit: int
    count: Callable[[], int] = count_used
    clock: Callable[[], float] = time.monotonic
    _used: int = 0
    _counted_at: float = float("-inf")
    _logged_at: float = float("-inf")

    def has_room_for_client(self) -> bool:
        """Whether a client of the API may have a connection."""
        return self._has_room(self.limit - _LAST)

    def has_room_for_sandbox(self) -> bool:
        """Whether code inside a sandbox may have a connection that nobody promised to it."""
        return self._has_room(self.limit // 2)

    def _has_room(self, most: int) -> bool:
        now = self.clock()
        if now - self._counted_at >= _COUNT_VALID_S:
            self._used, self._counted_at = self.count(), now
        if self._used < most:
            self._used += 1
            return True
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            _log.warning(
                "descriptors_exhausted",
                action="connection-refused",
                used=self._used,
                limit=self.limit,
                advice="raise the hard limit on open files (`lambd doctor`)",
            )
        return False
