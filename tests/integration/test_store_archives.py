"""Unpacking archives onto a real file system."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lambd.model.errors import ArtifactError
from lambd.store.archives import OversizeArchiveError, unpack_archive

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def narrow_umask() -> Iterator[None]:
    """Modes must not depend on the umask of the platform."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def write(path: Path, *entries: tuple[str, int, bytes]) -> Path:
    """Write an archive of (name, Unix mode with type, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            # zipfile itself fills in a mode where there is none; make it another system's.
            info.create_system = 3 if mode else 0
            info.external_attr = mode << 16
            target.writestr(info, content)
    path.write_bytes(file.getvalue())
    return path


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def modes(root: Path) -> dict[str, str]:
    """Mode of every path below, as `ls` writes it."""
    return {
        path.relative_to(root).as_posix(): stat.filemode(path.lstat().st_mode)
        for path in root.rglob("*")
    }


def test_unpacks_contents_modes_and_links(tmp_path: Path) -> None:
    """Modes are the archive's and readable, defaults where it has none; no setuid, setgid, sticky."""
    archive = write(
        tmp_path / "a.zip",
        ("handler.py", stat.S_IFREG | 0o644, b"print()"),
        ("bare.py", 0, b""),
        ("private.py", stat.S_IFREG | 0o600, b""),
        ("bin/tool", stat.S_IFREG | 0o6755, b"#!"),
        ("shared/", stat.S_IFDIR | 0o1777, b""),
        ("closed/", stat.S_IFDIR | 0o500, b""),
        ("closed/file", stat.S_IFREG | 0o444, b""),
        ("tool", stat.S_IFLNK | 0o777, b"bin/tool"),
    )
    target = tmp_path / "out" / "task"
    unpack_archive(archive, target, MIB)
    assert modes(target) == {
        "handler.py": "-rw-r--r--",
        "bare.py": "-rw-r--r--",
        "private.py": "-rw-r--r--",
        "bin": "drwxr-xr-x",
        "bin/tool": "-rwxr-xr-x",
        "shared": "drwxrwxrwx",
        "closed": "dr-xr-xr-x",
        "closed/file": "-r--r--r--",
        "tool": "lrwxrwxrwx",
    }
    assert stat.filemode(target.stat().st_mode) == "drwxr-xr-x"
    assert (target / "handler.py").read_bytes() == b"print()"
    assert (target / "tool").read_bytes() == b"#!"
    assert names(target.parent) == ["task"]


def test_an_unpacked_target_is_left_alone(tmp_path: Path) -> None:
    """Unpacking twice is unpacking once."""
    archive = write(tmp_path / "a.zip", ("a", 0, b"1"))
    target = tmp_path / "task"
    unpack_archive(archive, target, MIB)
    (target / "mark").touch()
    unpack_archive(archive, target, MIB)
    assert (target / "mark").exists()


def test_concurrent_calls_agree(tmp_path: Path) -> None:
    """One wins, all return, no temporary directory stays."""
    archive = write(tmp_path / "a.zip", *((f"d{i}/f", 0, b"x" * 100) for i in range(50)))
    target = tmp_path / "out" / "task"
    with ThreadPoolExecutor(8) as threads:
        for result in [threads.submit(unpack_archive, archive, target, MIB) for _ in range(8)]:
            result.result()
    assert names(target.parent) == ["task"]
    assert len(list(target.iterdir())) == 50


def test_damage_leaves_no_target(tmp_path: Path) -> None:
    """A damaged file at the end of the archive: nothing of it appears."""
    archive = write(tmp_path / "a.zip", ("a", 0, b"1"), ("b", 0, b"content"))
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") - 3] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(ArtifactError):
        unpack_archive(archive, tmp_path / "out" / "task", MIB)
    assert names(tmp_path / "out") == []


def test_a_missing_archive_is_an_artifact_error(tmp_path: Path) -> None:
    """The blob that a row refers to is gone: the reconciler can tell why."""
    with pytest.raises(ArtifactError, match=r"gone\.zip is missing"):
        unpack_archive(tmp_path / "gone.zip", tmp_path / "task", MIB)


def test_unpacking_is_bounded(tmp_path: Path) -> None:
    """Even an archive that was never checked cannot fill the disk."""
    archive = write(tmp_path / "a.zip", ("bomb", 0, bytes(2 * MIB)))
    with pytest.raises(OversizeArchiveError):
        unpack_archive(archive, tmp_path / "task", MIB)
    assert not (tmp_path / "task").exists()


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([("../evil", 0, b"")], id="parent directory"),
        pytest.param(
            [("d", stat.S_IFLNK | 0o777, b".."), ("e", stat.S_IFLNK | 0o777, b"d/../evil")],
            id="link out",
        ),
        pytest.param([("d", stat.S_IFLNK | 0o777, b"x"), ("d/evil", 0, b"")], id="through a link"),
    ],
)
def test_an_unchecked_archive_writes_nothing_outside(
    tmp_path: Path, entries: list[tuple[str, int, bytes]]
) -> None:
    """The tree is checked again before anything is written."""
    archive = write(tmp_path / "a.zip", *entries)
    with pytest.raises(ArtifactError):
        unpack_archive(archive, tmp_path / "out" / "task", MIB)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "out"]
