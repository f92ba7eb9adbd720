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
from collections.abc import Iterable
from pathlib import Path

from lambd.trees import DIRECTORY, Listing, making_tree


def merge_trees(trees: Iterable[Path], target: Path) -> None:
    """Merge trees in order into the directory `target`, which appears complete or not at all.

    A target that is there already is taken to be the same and left alone. Trees and target are on
    one file system; nobody changes the trees.

    Raises:
        OSError: a tree is gone, or the disk is full.
    """
    if target.is_dir():
        return
    with making_tree(target) as building:
        modes: dict[Path, int] = {}
        for tree in trees:
            _add_tree(tree, building, modes)
        # From the leaves, as a directory's mode may keep even its owner out.
        for path in sorted(modes, reverse=True):
            path.chmod(modes[path])


def merge_listings(listings: Iterable[Listing]) -> Listing:
    """What `merge_trees` makes of trees with these listings."""
    merged: Listing = {}
    for listing in listings:
        # Directories before what is in them.
        for path in sorted(listing):
            there = merged.get(path)
            if there == DIRECTORY and listing[path] != DIRECTORY:
                below = path + "/"
                merged = {each: merged[each] for each in merged if not each.startswith(below)}
            merged[path] = listing[path]
    return merged


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
