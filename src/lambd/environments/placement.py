"""The host's capacity ledger: may another environment of so much memory start here?

The seam for more than one host: nothing above knows how many there are.
"""

from __future__ import annotations

import os


def machine_memory_mib() -> int:
    """Physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)


class HostLedger:
    """Counts the memory promised to environments on this host, MiB."""

    def __init__(self, capacity_mib: int) -> None:
        self._capacity_mib = capacity_mib
        self._promised_mib = 0

    @property
    def promised_mib(self) -> int:
        """Memory promised to environments that exist or are being started."""
        return self._promised_mib

    def has_room(self, memory_mib: int) -> bool:
        """Whether an environment of this size fits; one always does on an empty host."""
        return self._promised_mib == 0 or self._promised_mib + memory_mib <= self._capacity_mib

    def take(self, memory_mib: int) -> None:
        """Promise memory."""
        self._promised_mib += memory_mib

    def give_back(self, memory_mib: int) -> None:
        """Take a promise back."""
        self._promised_mib -= memory_mib
