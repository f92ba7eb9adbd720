"""Which archives are accepted, read from memory; unpacking is in the integration tests."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambd.model.errors import ArtifactError
from lambd.store.archives import EmptyArchiveError, OversizeArchiveError, check_archive

MIB = 1024 * 1024


def entry(name: str, mode: int = 0, *, system: int = 3) -> zipfile.ZipInfo:
    """An entry's header with Unix mode bits, as Unix tools write it."""
    info = zipfile.ZipInfo(name)
    info.filename = name
    info.create_system = system
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def archive(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    """A zip file of these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target, warnings.catch_warnings():
        # Of names that are there twice.
        warnings.simplefilter("ignore", UserWarning)
        for info, content in entries:
            target.writestr(
                entry(info, stat.S_IFREG | 0o644) if isinstance(info, str) else info, content
            )
    return file.getvalue()


def check(data: bytes, limit: int = MIB) -> None:
    """Check an archive in memory."""
    check_archive(io.BytesIO(data), limit)


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    """A symbolic link's entry."""
    return entry(name, stat.S_IFLNK | 0o777), target.encode()


def test_accepts_an_ordinary_archive() -> None:
    """Files, directories, inner links, `./` prefixes and Windows' backslashes are fine."""
    check(
        archive(
            ("./handler.py", b"def handler(event, context): ...\n"),
            (entry("pkg/", stat.S_IFDIR | 0o755), b""),
            ("pkg/a\\b.py", b""),
            ("pkg/bin/tool", b"#!"),
            link("pkg/tool", "bin/tool"),
            link("pkg/bin/up", "../../handler.py"),
            ("pkg//x", b""),
            link("node_modules", "/opt/nodejs/node_modules"),
        )
    )


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([("../evil", b"")], id="parent directory"),
        pytest.param([("a/../../evil", b"")], id="parent directory inside"),
        pytest.param([("a/../b", b"")], id="any parent directory"),
        pytest.param([("..\\evil", b"")], id="parent directory, backslash"),
        pytest.param([("/etc/passwd", b"")], id="absolute"),
        pytest.param([("\\evil", b"")], id="absolute, backslash"),
        pytest.param([("C:/evil", b"")], id="drive letter"),
        pytest.param([("c:evil", b"")], id="drive letter, relative"),
        pytest.param([("a", b"1"), ("a", b"2")], id="twice"),
        pytest.param([("a", b"1"), ("./a", b"2")], id="twice, spelt otherwise"),
        pytest.param([("a", b""), ("a/b", b"")], id="file and directory"),
        pytest.param([("a/b", b""), ("a", b"")], id="directory and file"),
        pytest.param([link("a", "b"), ("a/b", b"")], id="below a link"),
        pytest.param([link("a", "/etc"), ("a/b", b"")], id="below an absolute link"),
        pytest.param([link("a", "../b")], id="link out"),
        pytest.param([link("d/a", "../../b")], id="link out of a directory"),
        pytest.param([link("d/x", ".."), link("y", "d/x/../z")], id="link up after down"),
        pytest.param([link("a", "")], id="link to nothing"),
        pytest.param([link("a", "x" * 5000)], id="link too long"),
        pytest.param([("x" * 300, b"")], id="long name"),
        pytest.param([("x/" * 1100 + "x", b"")], id="long path"),
        pytest.param([(entry("a", stat.S_IFCHR | 0o666), b"")], id="character device"),
        pytest.param([(entry("a", stat.S_IFBLK | 0o666), b"")], id="block device"),
        pytest.param([(entry("a", stat.S_IFIFO | 0o666), b"")], id="fifo"),
        pytest.param([(entry("a", stat.S_IFSOCK | 0o666), b"")], id="socket"),
        pytest.param([(entry("a/", stat.S_IFREG | 0o666), b"")], id="file named as directory"),
        pytest.param([(entry(".", stat.S_IFREG | 0o666), b"")], id="file without a name"),
    ],
)
def test_refuses_an_unsafe_tree(entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> None:
    """Nothing outside the tree, twice, below what is no directory, or special."""
    with pytest.raises(ArtifactError):
        check(archive(*entries))


def test_counts_what_really_comes_out() -> None:
    """A bomb is found while decompressing, however small the archive says its files are."""
    data = archive(("bomb", bytes(10 * MIB)))
    lying = data.replace(struct.pack("<L", 10 * MIB), struct.pack("<L", 10))
    assert lying != data
    with pytest.raises(ArtifactError):
        check(lying)
    with pytest.raises(OversizeArchiveError):
        check(data)


def test_counts_all_files_together() -> None:
    """The limit is for the archive; reaching it is too much."""
    parts = [(f"f{index}", bytes(MIB // 4)) for index in range(4)]
    with pytest.raises(OversizeArchiveError):
        check(archive(*parts))
    check(archive(*parts[:3], ("f", bytes(MIB // 4 - 1))))


def test_refuses_an_empty_archive() -> None:
    """A zip file without entries, or with nothing but its root, has no code."""
    with pytest.raises(EmptyArchiveError):
        check(archive())
    with pytest.raises(EmptyArchiveError):
        check(archive((entry("./", stat.S_IFDIR | 0o755), b"")))


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06", b"PK\x03\x04" + bytes(60)])
def test_refuses_what_is_no_zip_file(data: bytes) -> None:
    """Garbage is an ArtifactError, not a crash."""
    with pytest.raises(ArtifactError):
        check(data)


def test_refuses_encrypted_entries() -> None:
    """An entry whose encryption flag is set cannot be read."""
    data = bytearray(archive(("a", b"secret")))
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    with pytest.raises(ArtifactError, match="encrypted"):
        check(bytes(data))


def test_refuses_unusual_compression() -> None:
    """Only stored and deflated entries: other methods may ask for gigabytes of memory."""
    info = entry("a")
    info.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(ArtifactError, match="unusually"):
        check(archive((info, b"x")))


def test_refuses_a_wrong_checksum() -> None:
    """Damage inside a file is found."""
    info = entry("a")
    info.compress_type = zipfile.ZIP_STORED
    with pytest.raises(ArtifactError, match="damaged"):
        check(archive((info, b"content")).replace(b"content", b"cOntent"))


def test_refuses_more_entries_than_the_limit() -> None:
    """The zip directory is bounded before its entries are built in memory."""
    header = b"PK\x01\x02" + bytes(42)
    count = 200_001
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, count * 46, 0, 0)
    with pytest.raises(ArtifactError, match="too many entries"):
        check(header * count + end)


def test_special_files_of_other_systems_are_ordinary() -> None:
    """Mode bits count only where Unix wrote them, as Go's zip reader has it."""
    check(archive((entry("a", stat.S_IFCHR | 0o666, system=0), b"")))


@settings(max_examples=settings().max_examples * 3, deadline=None)
@given(st.data())
def test_damaged_archives_never_raise_anything_else(data: st.DataObject) -> None:
    """Whatever is overwritten or cut off, it is accepted or an ArtifactError."""
    whole = bytearray(
        archive(
            ("handler.py", b"print()" * 50),
            (entry("d/", stat.S_IFDIR | 0o755), b""),
            link("d/l", "../handler.py"),
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        check(bytes(whole[: data.draw(st.sampled_from([len(whole), len(whole) - 7, 100]))]))
    except ArtifactError:
        return
