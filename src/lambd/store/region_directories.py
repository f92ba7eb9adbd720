"""Where each region's rows, archives and logs are: a directory of its own for each.

The region that a data directory was made for has the directory itself, the others
`<data_dir>/regions/<region>`. Which one that is stands in `<data_dir>/region`, so that a server that
is started for another region does not take the first one's functions for its own; a directory from
before there were regions gets the name of the region that it is opened for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from lambd.store.disk_faults import telling_of_disk_faults
from lambd.trees import flush_directory

_MARK = "region"
_OTHERS = "regions"


class RegionDirectories:
    """The directories below one data directory, which the caller holds the lock of."""

    def __init__(self, data_dir: Path, home: str) -> None:
        self._data_dir = data_dir
        # The region that has the data directory itself.
        self.home = home

    @classmethod
    def open(cls, data_dir: Path, region: str) -> Self:
        """Read whose the data directory is; if it is nobody's yet, it becomes this region's.

        Raises:
            UnavailableError: its disk is full or failed.
        """
        mark = data_dir / _MARK
        with telling_of_disk_faults(data_dir):
            try:
                return cls(data_dir, mark.read_text(encoding="ascii").strip())
            except FileNotFoundError:
                _write(mark, f"{region}\n")
                return cls(data_dir, region)

    def path(self, region: str) -> Path:
        """A region's directory, which may have to be made."""
        return self._data_dir if region == self.home else self._data_dir / _OTHERS / region

    def make(self, region: str) -> Path:
        """A region's directory, there for good when this returns.

        Raises:
            UnavailableError: the disk is full or failed.
        """
        path = self.path(region)
        with telling_of_disk_faults(self._data_dir):
            if not path.is_dir():
                path.mkdir(mode=0o700, parents=True)
                flush_directory(path.parent)
                flush_directory(self._data_dir)
        return path

    def existing(self) -> tuple[str, ...]:
        """The regions that have a directory, the one that has the data directory itself first."""
        others = self._data_dir / _OTHERS
        names = sorted(path.name for path in others.iterdir()) if others.is_dir() else []
        return (self.home, *names)


def _write(path: Path, text: str) -> None:
    made = path.with_suffix(".new")
    with made.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)
    flush_directory(path.parent)
