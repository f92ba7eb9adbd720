"""The host's capacity ledger: may another environment of so much memory start here?

Two answers. Promises: the limits of all environments together stay within the host's memory times
an overcommit factor, since most functions use a fraction of their limit. Measurement: nothing is
started unless the machine really has so much memory available and a reserve on top, so that
promises that are called in are met by fewer starts rather than by the kernel's out-of-memory
killer; that all sandboxes together stay within the host's memory is a limit on their common control
group.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

# Part of the machine's memory that measured starts leave alone.
_RESERVE = 1 / 20
_MEMINFO, _MEMINFO_BYTES = Path("/proc/meminfo"), 4096


def machine_memory_mib() -> int:
    """Physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)


def available_memory_mib() -> int:
    """Memory that could be had without swapping, as the kernel estimates it."""
    for line in os.pread(_meminfo(), _MEMINFO_BYTES, 0).splitlines():
        name, _, value = line.partition(b":")
        if name == b"MemAvailable":
            return int(value.split()[0]) // 1024
    return machine_memory_mib()


@functools.cache
def _meminfo() -> int:
    """Open once and for good: it is also read when no descriptor is left."""
    return os.open(_MEMINFO, os.O_RDONLY | os.O_CLOEXEC)


class HostLedger:
    """Counts the environments on this host, and the memory promised to them, MiB."""

    def __init__(
        self,
        capacity_mib: int,
        *,
        overcommit: float = 1.0,
        available_mib: Callable[[], int] | None = None,
        max_environments: int | None = None,
    ) -> None:
        """Args:
        capacity_mib: what environments may really use together.
        overcommit: so many times that may be promised.
        available_mib: measures what the machine has left; None: promises alone decide.
        max_environments: for how many there are file descriptors; None: for any number.
        """
        self.promisable_mib = int(capacity_mib * overcommit)
        self._available_mib = available_mib
        self._reserve_mib = int(machine_memory_mib() * _RESERVE)
        self._promised_mib = 0
        self._max_environments = max_environments
        self._environments = 0

    @property
    def promised_mib(self) -> int:
        """Memory promised to environments that exist or are being started."""
        return self._promised_mib

    def has_room(self, memory_mib: int) -> bool:
        """Whether an environment of this size fits; one always does on an empty host."""
        if self._environments == 0:
            return True
        if self._max_environments is not None and self._environments >= self._max_environments:
            return False
        return self._promised_mib + memory_mib <= self.promisable_mib

    def has_memory(self, memory_mib: int) -> bool:
        """Whether the machine could really give an environment all that it may use."""
        if self._available_mib is None:
            return True
        return self._available_mib() >= memory_mib + self._reserve_mib

    def take(self, memory_mib: int) -> None:
        """Promise memory to one more environment."""
        self._promised_mib += memory_mib
        self._environments += 1

    def give_back(self, memory_mib: int) -> None:
        """Take the promise to one environment back."""
        self._promised_mib -= memory_mib
        self._environments -= 1
