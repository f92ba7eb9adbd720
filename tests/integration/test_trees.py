"""Trees that appear whole and on disk, or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.integration.test_layer_trees import Tree, write

from lambd import trees
from lambd.environments.merging import merge_listings, merge_trees
from lambd.runtimes.cache import appearing
from lambd.store.archives import list_archive, unpack_archive
from lambd.trees import DIRECTORY, SYMLINK, list_tree, making_tree, publish


def test_a_tree_appears_when_it_is_finished(tmp_path: Path) -> None:
    """Until then there is no target, afterwards nothing but the target."""
    target = tmp_path / "deep" / "tree"
    with making_tree(target) as building:
        (building / "file").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["tree"]
    assert (target / "file").read_text() == "x"


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Neither the target nor what was built."""

    def fail() -> None:
        with making_tree(tmp_path / "tree") as building:
            (building / "file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_makers_wins(tmp_path: Path) -> None:
    """The other one's tree is dropped, and it goes on as if it had made it."""
    target = tmp_path / "tree"
    with making_tree(target) as late:
        (late / "late").touch()
        with making_tree(target) as early:
            (early / "early").touch()
    assert [path.name for path in target.iterdir()] == ["early"]
    assert list(tmp_path.iterdir()) == [target]


def _make_for_a_runtime(target: Path) -> None:
    with appearing(target) as building:
        assert building is not None


_MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "published": publish,
    "unpacked": lambda source, target: unpack_archive(source / "a.zip", target, 1000),
    "merged": lambda source, target: merge_trees([source], target),
    "runtime": lambda _, target: _make_for_a_runtime(target),
}


@pytest.mark.parametrize("maker", _MAKERS)
def test_no_tree_has_its_name_before_it_is_flushed(
    maker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes it: a flush that fails is an error, and the name stays free."""

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(trees, "flush_file_system", fail)
    source = write(tmp_path / "source", {"file": "x"})
    with zipfile.ZipFile(source / "a.zip", "w") as made:
        made.writestr("file", "x")
    with pytest.raises(OSError, match="Input/output error"):
        _MAKERS[maker](source, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_tree_is_listed_with_kinds_and_sizes(tmp_path: Path) -> None:
    """Links are not followed."""
    root = write(tmp_path / "tree", {"a/file": "four", "a/empty": None, "link": "->a"})
    expected = {"a": DIRECTORY, "a/file": 4, "a/empty": DIRECTORY, "link": SYMLINK}
    assert list_tree(root) == expected


def test_an_archive_is_listed_as_its_tree_is(tmp_path: Path) -> None:
    """With the directories that its names imply, and those it names."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b/file", "x" * 1000)
        made.writestr("c/", "")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        made.writestr(link, "c")
    unpack_archive(archive, tmp_path / "tree", 10_000)
    assert list_archive(archive) == list_tree(tmp_path / "tree")


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param([{"a/x": "1", "a/y": "1"}, {"a/y": "22", "b": "2"}], id="files"),
        pytest.param([{"a/b/c": "1", "a-b": "1"}, {"a": "2"}], id="file-for-directory"),
        pytest.param([{"a": "1"}, {"a/b": "2"}], id="directory-for-file"),
        pytest.param([{"a/x": "1"}, {"a": "->nowhere"}], id="link-for-directory"),
        pytest.param([{"a": "->d", "d/x": "1"}, {"a/y": "2"}], id="directory-for-link"),
        pytest.param([{"a/b/c": "1"}, {"a": "2"}, {"a/d": "3"}], id="there-and-back"),
    ],
)
def test_listings_are_merged_as_trees_are(sources: Sequence[Tree], tmp_path: Path) -> None:
    """Without a look at the merged tree."""
    roots = [write(tmp_path / str(number), tree) for number, tree in enumerate(sources)]
    merge_trees(roots, tmp_path / "merged")
    assert merge_listings(map(list_tree, roots)) == list_tree(tmp_path / "merged")
