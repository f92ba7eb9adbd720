"""Directory trees that are made once and then shared: they appear whole and durable, or not at all.

A name is given by a rename, and journals write renames down before the contents of new files: after a
power cut a tree would be there with empty files. So everything is flushed before it gets its name.
The whole file system is flushed at once (`syncfs`), which costs one flush however many files there
are; one `fsync` a file costs that for each.
"""

from __future__ import annotations

import ctypes
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a tree has at each path: a file's size in bytes, or one of the two below.
Listing = dict[str, int]
DIRECTORY = -1
SYMLINK = -2

# Links followed on the way to one path: Linux's own number.
_MAX_LINKS = 40

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def making_tree(target: Path) -> Iterator[Path]:
    """Yield a directory to fill, which becomes `target` when the block ends without an error.

    Of concurrent makers of one target the first wins, and the others' work is dropped.

    Raises:
        OSError: the tree could not be stored.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield building
        try:
            publish(building, target)
        except OSError:
            # Somebody else was first; anything but that is an error.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def publish(building: Path, target: Path) -> None:
    """Give a finished tree its name once all of it is on disk; the name is, when this returns.

    Raises:
        OSError: the disk failed or is full, or `target` is there already.
    """
    flush_file_system(building)
    building.rename(target)
    flush_directory(target.parent)


def flush_file_system(path: Path) -> None:
    """Write all that is not yet on disk of the file system that a directory is on (`syncfs(2)`)."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(fd)


def flush_directory(path: Path) -> None:
    """Make a directory's own entries durable: new and renamed files in it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def resolve_inside(root: Path, path: str, shown_at: str) -> Path | None:
    """The real path, without links, of what a sandbox that has the tree at `shown_at` finds.

    The tree is hostile: its links are read, never followed by the host.

    Args:
        root: The tree on the host.
        path: Relative to it.
        shown_at: Absolute path inside; absolute links below it lead into the tree.

    Returns:
        None when there is nothing, or it leads out of the tree.
    """
    place: list[str] = []
    parts = path.split("/")[::-1]
    links = 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not place:
                return None
            place.pop()
            continue
        here = root.joinpath(*place, part)
        if not here.is_symlink():
            if not os.path.lexists(here):
                return None
            place.append(part)
            continue
        links += 1
        target = _target_inside(here, shown_at)
        if target is None or links > _MAX_LINKS:
            return None
        is_absolute, target_parts = target
        place = [] if is_absolute else place
        parts.extend(target_parts[::-1])
    return root.joinpath(*place)


def _target_inside(link: Path, shown_at: str) -> tuple[bool, list[str]] | None:
    """Whether a link is absolute, and its names: from the tree's root if so, else from the link's.

    None if it is absolute and leads elsewhere.
    """
    target = str(link.readlink())
    if not target.startswith("/"):
        return False, target.split("/")
    inside = posixpath.normpath(target) + "/"
    if not inside.startswith(shown_at + "/"):
        return None
    return True, inside.removeprefix(shown_at + "/").split("/")


def list_tree(root: Path) -> Listing:
    """What is below a directory, by relative path.

    Raises:
        OSError: a directory cannot be read.
    """
    listing: Listing = {}
    pending = [(root, "")]
    while pending:
        directory, prefix = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_symlink():
                    listing[path] = SYMLINK
                elif entry.is_dir(follow_symlinks=False):
                    listing[path] = DIRECTORY
                    pending.append((Path(entry.path), path + "/"))
                else:
                    listing[path] = entry.stat(follow_symlinks=False).st_size
    return listing
