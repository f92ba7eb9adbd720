"""A copy of a data directory, whole and at rest, while its server goes on serving.

Databases are copied by SQLite's own backup, which sees one commit and all before it. Blobs are copied
before the databases and, those that came meanwhile, after them: a blob is there before a row
refers to it, and only in the second round can one be missing that no row needs any more. What can
be made again (unpacked code, sandboxes' parts) is left out.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lambd.model.errors import InvalidParameterError
from lambd.store.disk_faults import telling_of_disk_faults
from lambd.trees import making_tree

_DATABASES = (".sqlite3", ".db")
# SQLite's own files beside a database.
_JOURNALS = ("-wal", "-shm", "-journal")
# Made anew when it is needed, or one server's alone.
_LEFT_OUT = frozenset({"lock", "run", "code", "opt", "incoming"})
_BUSY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was copied."""

    databases: int
    files: int
    size_bytes: int


def back_up(data_dir: Path, target: Path) -> Backup:
    """Copy a data directory; `target` appears complete and on disk, or not at all. Blocks.

    Raises:
        InvalidParameterError: there is no data directory, or `target` is there already or in it.
        UnavailableError: a disk is full or failed.
    """
    data_dir, target = data_dir.absolute(), target.absolute()
    if not (data_dir / "lambd.sqlite3").is_file():
        raise InvalidParameterError(f"{data_dir} is not a data directory of lambd")
    if target.exists():
        raise InvalidParameterError(f"{target} is there already")
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise InvalidParameterError(f"{target} is in the data directory itself")
    with telling_of_disk_faults(target.parent), making_tree(target) as building:
        building.chmod(0o700)
        _copy_files(data_dir, building)
        databases = _copy_databases(data_dir, building)
        _copy_files(data_dir, building)
        sizes = [path.stat().st_size for path in building.rglob("*") if path.is_file()]
    return Backup(databases=databases, files=len(sizes) - databases, size_bytes=sum(sizes))


def _copy_files(source: Path, target: Path) -> None:
    """Everything but databases, in all directories; what is there already is the same."""
    for path in _files(source):
        copy = target / path.relative_to(source)
        if path.name.endswith(_DATABASES) or copy.exists():
            continue
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            shutil.copy2(path, copy)
        except FileNotFoundError:
            # Removed since it was listed: no row needs it.
            copy.unlink(missing_ok=True)


def _copy_databases(source: Path, target: Path) -> int:
    databases = [path for path in _files(source) if path.name.endswith(_DATABASES)]
    for path in databases:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(copy)) as copied,
        ):
            original.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
            # In one step: one of several would begin anew whenever something is committed.
            original.backup(copied)
    return len(databases)


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _LEFT_OUT]
        found += [
            Path(directory, name)
            for name in files
            if name not in _LEFT_OUT and not name.endswith(_JOURNALS)
        ]
    return found
