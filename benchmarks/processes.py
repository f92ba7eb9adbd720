"""Memory of processes and their control groups, read from /proc. Bytes."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """RSS counts shared pages in full, PSS in proportion to the processes that share them."""

    rss_bytes: int
    pss_bytes: int

    def __add__(self, other: Memory) -> Memory:
        """The sum of both."""
        return Memory(
            rss_bytes=self.rss_bytes + other.rss_bytes, pss_bytes=self.pss_bytes + other.pss_bytes
        )


NOTHING = Memory(rss_bytes=0, pss_bytes=0)


def memory(pids: set[int]) -> Memory:
    """All of the processes together; those that have ended count nothing."""
    total = NOTHING
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
            total += Memory(rss_bytes=_field(text, "Rss"), pss_bytes=_field(text, "Pss"))
    return total


def _field(text: str, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return 0 if match is None else int(match[1]) * 1024


def all_pids() -> set[int]:
    """Every process of the machine."""
    return {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()}


def descendants(pid: int) -> set[int]:
    """Children, their children and so on."""
    parents: dict[int, int] = {}
    for each in all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stat = (_PROC / str(each) / "stat").read_text()
            parents[each] = int(stat.rpartition(")")[2].split()[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def inner_namespaces(pid: int) -> list[set[int]]:
    """The descendants of a process that are in pid namespaces of their own, by namespace."""
    spaces: dict[str, set[int]] = {}
    for each in {pid} | descendants(pid):
        # Gone since, or not ours to look at.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            space = str((_PROC / str(each) / "ns" / "pid").readlink())
            spaces.setdefault(space, set()).add(each)
    return [pids for pids in spaces.values() if pid not in pids]


def cgroup_bytes(pid: int) -> int | None:
    """What the kernel charges to the control group of a process; None if it cannot be told."""
    for line in (_PROC / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        candidates = []
        if controllers == "memory":
            candidates.append(_CGROUP / "memory" / path.lstrip("/") / "memory.usage_in_bytes")
        elif not controllers:
            candidates.append(_CGROUP / path.lstrip("/") / "memory.current")
        for candidate in candidates:
            if candidate.is_file():
                return int(candidate.read_text())
    return None


class MemoryWatch:
    """How much less memory the machine has available at worst while the block runs."""

    _INTERVAL_S = 0.02

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._before = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._before = _available()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, self._before - _available())


def _available() -> int:
    return _field((_PROC / "meminfo").read_text(), "MemAvailable")
