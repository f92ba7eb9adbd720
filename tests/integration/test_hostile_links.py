"""Links of archives that lead to the host's own files: kept, and followed by nobody here."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.test_layer_trees import write as write_tree
from tests.integration.test_store_archives import write as write_archive

from lambd.environments.merging import merge_trees
from lambd.environments.preparation import Preparer
from lambd.environments.starter import _external_extensions  # the host's only look into /opt
from lambd.runtimes.provision import Provisioner
from lambd.store.archives import check_archive, list_archive, unpack_archive
from lambd.store.blobs import BlobStore
from lambd.store.contents import References
from lambd.trees import SYMLINK, list_tree, resolve_inside

MIB = 1024 * 1024
LINK = stat.S_IFLNK | 0o777


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host that nothing may touch."""
    made = tmp_path / "host"
    (made / "inner").mkdir(parents=True)
    (made / "secret").write_text("s" * 1000)
    (made / "secret").chmod(0o640)
    made.chmod(0o750)
    before = _state(made)
    yield made
    assert _state(made) == before


def _state(root: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, links and size of all that is there."""
    found = [root, *sorted(root.rglob("*"))]
    states = {str(each): each.lstat() for each in found}
    return {path: (s.st_mode, s.st_nlink, s.st_size) for path, s in states.items()}


def test_unpacking_keeps_them_and_touches_nothing(tmp_path: Path, canary: Path) -> None:
    """Neither modes nor sizes are those of what they lead to."""
    archive = write_archive(
        tmp_path / "a.zip",
        ("node_modules", LINK, b"/opt/nodejs/node_modules"),
        ("dir", LINK, os.fsencode(canary)),
        ("file", LINK, os.fsencode(canary / "secret")),
        ("real/x", stat.S_IFREG | 0o600, b"x"),
    )
    with archive.open("rb") as file:
        links = len("/opt/nodejs/node_modules") + len(str(canary)) + len(str(canary / "secret"))
        assert check_archive(file, MIB) == links + 1
    target = tmp_path / "out" / "task"
    unpack_archive(archive, target, MIB)
    assert (target / "node_modules").readlink() == Path("/opt/nodejs/node_modules")
    assert (target / "dir").readlink() == canary
    assert list_tree(target) == list_archive(archive)
    assert list_tree(target)["dir"] == SYMLINK


def test_merging_lays_trees_over_them_and_not_through_them(tmp_path: Path, canary: Path) -> None:
    """A directory of a later layer takes the place of a link of an earlier one."""
    first = write_tree(tmp_path / "1", {"lib": f"->{canary}", "f": f"->{canary}/secret"})
    second = write_tree(tmp_path / "2", {"lib/inner/new": "new", "f": "mine"})
    third = write_tree(tmp_path / "3", {"lib/inner": f"->{canary}/inner", "g": f"->{canary}"})
    merged = tmp_path / "merged"
    merge_trees([first, second, third], merged)
    assert not (merged / "lib").is_symlink()
    assert (merged / "lib/inner").readlink() == canary / "inner"
    assert (merged / "f").read_text() == "mine"
    assert (merged / "g").readlink() == canary


async def test_collecting_removes_the_links_alone(tmp_path: Path, canary: Path) -> None:
    """Modes are changed and files removed in the tree, not where it leads."""
    data = tmp_path / "data"
    preparer = Preparer(
        data_dir=data,
        blobs=BlobStore(data / "blobs"),
        provisioner=Provisioner(tmp_path / "cache"),
        unzipped_bytes=MIB,
    )
    for parent in ("code", "opt"):
        (data / parent).mkdir(parents=True, exist_ok=True)
        links: dict[str, str | None] = {"dir": f"->{canary}", "sub/file": f"->{canary}/secret"}
        tree = write_tree(data / parent / ("0" * 64), links)
        (tree / "sub").chmod(0o500)
    preparer.begin_collection()
    nothing = References(archives=frozenset(), layer_lists=frozenset())
    await asyncio.to_thread(preparer.collect_garbage, [nothing])
    assert [*(data / "code").iterdir(), *(data / "opt").iterdir()] == []


def test_extensions_are_looked_for_inside(tmp_path: Path, canary: Path) -> None:
    """As the sandbox sees the links: nothing of the host is listed or even found to be there."""
    out = write_tree(tmp_path / "out", {"extensions": f"->{canary}"})
    assert _external_extensions(out) == []
    off = write_tree(
        tmp_path / "off",
        {"disable-extensions-jwigqn8j": f"->{canary}/secret", "extensions/tool": "#!"},
    )
    assert _external_extensions(off) == ["tool"]
    inside = write_tree(tmp_path / "in", {"extensions": "->/opt/real", "real/tool": "#!"})
    assert _external_extensions(inside) == ["tool"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("a/f", "a/f", id="no link"),
        pytest.param("relative/f", "a/f", id="relative"),
        pytest.param("absolute/f", "a/f", id="absolute"),
        pytest.param("deep/up", "a/f", id="up again"),
        pytest.param("host", None, id="elsewhere"),
        pytest.param("prefix", None, id="a name that begins alike"),
        pytest.param("dots", None, id="out by dots"),
        pytest.param("above", None, id="above the tree"),
        pytest.param("loop", None, id="in circles"),
        pytest.param("a/f/x", None, id="below a file"),
        pytest.param("nothing", None, id="nothing"),
    ],
)
def test_paths_are_resolved_as_the_sandbox_does(
    tmp_path: Path, path: str, expected: str | None
) -> None:
    """Links are read one by one; whatever leads out of the tree is not there."""
    tree: dict[str, str | None] = {
        "a/f": "f",
        "relative": "->a",
        "absolute": "->/opt/a",
        "deep/up": "->../a/f",
        "host": "->/etc",
        "prefix": "->/optional/a",
        "dots": "->/opt/../etc",
        "above": "->../../etc",
        "loop": "->loop",
    }
    root = write_tree(tmp_path / "root", tree)
    found = resolve_inside(root, path, "/opt")
    assert found == (None if expected is None else root / expected)
