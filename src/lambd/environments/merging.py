"""Merging unpacked layers into the one tree that environments see at /opt.

AWS unpacks a function's layers one after another into /opt: directories join, a later file replaces
an earlier one. Where two layers disagree about what something is (file, directory, link) the later
one has it alone; what AWS does then is not recorded. Files are hard links to the layers' own.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path


def merge_trees(trees: Iterable[Path], target: Path) -> None:
    """Merge trees in order into the directory `target`, which appears complete or not at all.

    A target that is there already is taken to be the same and left alone. Trees and target are on
    one file system; nobody changes the trees.

    Raises:
        OSError: a tree is gone, or the disk is full.
    """
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        modes: dict[Path, int] = {}
        for tree in trees:
            _add_tree(tree, temporary, modes)
        # From the leaves, as a directory's mode may keep even its owner out.
        for path in sorted(modes, reverse=True):
            path.chmod(modes[path])
        try:
            temporary.rename(target)
        except OSError:
            # Somebody else was first; anything but that is an error.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _add_tree(tree: Path, root: Path, modes: dict[Path, int]) -> None:
    """Lay one tree over what is there; notes the mode that each directory is to have."""
    modes[root] = stat.S_IMODE(tree.stat().st_mode)
    pending = [(tree, root)]
    while pending:
        source, place = pending.pop()
        with os.scandir(source) as entries:
            for entry in entries:
                path = place / entry.name
                if entry.is_dir(follow_symlinks=False):
                    _make_directory(path)
                    modes[path] = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
                    pending.append((Path(entry.path), path))
                else:
                    _clear(path, modes)
                    _link(entry.path, path)


def _make_directory(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir(mode=0o700)


def _clear(path: Path, modes: dict[Path, int]) -> None:
    """Make way for a file or a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        for gone in [each for each in modes if each == path or path in each.parents]:
            del modes[gone]
    else:
        path.unlink(missing_ok=True)


def _link(source: str, path: Path) -> None:
    try:
        # Of a symbolic link, the link itself.
        os.link(source, path, follow_symlinks=False)
    except OSError as error:
        # The file system's most links to one file, or none at all between directories.
        if error.errno not in (errno.EMLINK, errno.EPERM, errno.EXDEV):
            raise
        shutil.copy2(source, path, follow_symlinks=False)
