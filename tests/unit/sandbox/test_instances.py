"""Who owns which control groups, on directories that stand for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

from lambd.sandbox import cgroups, instances


def _hierarchies(root: Path) -> cgroups.Hierarchies:
    for name in ("cpu", "freezer", "memory", "pids"):
        (root / name).mkdir()
        (root / name / "cgroup.procs").touch()
    return cgroups.detect(root)


def _instances(root: Path, controller: str = "pids") -> set[str]:
    directory = root / controller / "lambd"
    return {entry.name for entry in directory.iterdir()} if directory.exists() else set()


def test_each_process_has_a_name_of_its_own(tmp_path: Path) -> None:
    """And leaves nothing once the last has given its claim up."""
    hierarchies = _hierarchies(tmp_path)
    first, second = instances.claim(hierarchies), instances.claim(hierarchies)
    assert _instances(tmp_path) == _instances(tmp_path, "memory") == {first.name, second.name}
    instances.release(hierarchies, first)
    assert _instances(tmp_path) == {second.name}
    instances.release(hierarchies, second)
    assert not any((tmp_path / name / "lambd").exists() for name in ("cpu", "pids"))


def test_the_next_start_removes_what_nobody_holds(tmp_path: Path) -> None:
    """A process that ended lost its lock, whatever its groups still hold."""
    hierarchies = _hierarchies(tmp_path)
    killed, living = instances.claim(hierarchies), instances.claim(hierarchies)
    for instance in (killed, living):
        (tmp_path / "memory/lambd" / instance.name / "s000001").mkdir()
    os.close(killed.lock_fd)
    third = instances.claim(hierarchies)
    assert _instances(tmp_path) == _instances(tmp_path, "memory") == {living.name, third.name}
    assert (tmp_path / "memory/lambd" / living.name / "s000001").exists()
    for instance in (living, third):
        os.close(instance.lock_fd)


def test_finishes_a_removal_that_was_cut_short(tmp_path: Path) -> None:
    """Directories without the one that is locked are nobody's; other names are not ours."""
    hierarchies = _hierarchies(tmp_path)
    for name in ("i0123456789ab", "somebody-else"):
        (tmp_path / "cpu/lambd" / name).mkdir(parents=True)
    mine = instances.claim(hierarchies)
    assert _instances(tmp_path, "cpu") == {"somebody-else", mine.name}
    os.close(mine.lock_fd)
