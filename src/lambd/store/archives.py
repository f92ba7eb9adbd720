"""Function archives (zip): what is in one, whether that is safe, and unpacking it.

An archive is hostile. It is read only as far as it stays within bounds, sizes are counted while
decompressing and never believed, and nothing is written before the whole tree has been checked:
no name outside the tree, none twice, nothing below a file or a symbolic link, relative links that
stay inside, plain files, directories and links only, not encrypted. `control` words the refusals.

Absolute links are kept: `node_modules` -> `/opt/nodejs/node_modules` means a place inside the
sandbox. On the host they mean another one, so nobody here may ever follow a link of a tree.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from lambd.model.errors import ArtifactError
from lambd.model.limits import ARCHIVE_DIRECTORY_BYTES, ARCHIVE_ENTRIES, SYMLINK_TARGET_BYTES
from lambd.trees import DIRECTORY, SYMLINK, Listing, making_tree

_CHUNK_BYTES = 64 * 1024
# `create_system` of entries whose attributes are Unix modes: Unix itself and macOS.
_UNIX_SYSTEMS = (3, 19)
_ENCRYPTED = 0x1
_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAME_BYTES, _PATH_BYTES = 255, 2048
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o644
_CENTRAL_ENTRY = b"PK\x01\x02"
_DRIVE = re.compile("[A-Za-z]:")
# All that zipfile raises on malformed archives (found by fuzzing as well as by reading it).
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    struct.error,
    ValueError,
)


class OversizeArchiveError(ArtifactError):
    """The archive's files are larger than allowed when unpacked."""


class EmptyArchiveError(ArtifactError):
    """The archive has no entries."""


class Kind(Enum):
    """What an entry becomes."""

    FILE = auto()
    DIRECTORY = auto()
    SYMLINK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One checked entry. `mode` holds permission bits only."""

    info: zipfile.ZipInfo
    kind: Kind
    mode: int


def check_archive(source: BinaryIO, max_unpacked_bytes: int) -> int:
    """Read a whole archive, writing nothing; returns how many bytes it has unpacked.

    Raises:
        OversizeArchiveError: its files have `max_unpacked_bytes` or more.
        EmptyArchiveError: there is nothing in it.
        ArtifactError: it must not be unpacked; the message says why.
    """
    with _reading(source) as archive:
        entries = _checked_entries(archive)
        if not entries:
            raise EmptyArchiveError
        contents = _Contents(archive, max_unpacked_bytes)
        for path, entry in entries.items():
            if entry.kind is Kind.SYMLINK:
                _link_target(contents, path, entry)
            elif entry.kind is Kind.FILE:
                deque(contents.read(entry), maxlen=0)
        return contents.bytes_read


def unpack_archive(archive_path: Path, target: Path, max_unpacked_bytes: int) -> None:
    """Unpack a checked archive into the directory `target`, which appears complete or not at all.

    A target that is there already is taken to be this archive's and left alone; of concurrent
    calls one wins. Modes are the archive's (0644 and 0755 where it has none), readable for everyone
    and without setuid, setgid and sticky bits, whatever the umask.

    Raises:
        ArtifactError: the archive is missing, or not one that `check_archive` accepts.
    """
    if target.is_dir():
        return
    with making_tree(target) as building, _opened(archive_path) as archive:
        _unpack(archive, building, max_unpacked_bytes)


def list_archive(archive_path: Path) -> Listing:
    """What a checked archive's tree has at each path, by its directory.

    Raises:
        ArtifactError: the archive is missing, or not one that `check_archive` accepts.
    """
    with _opened(archive_path) as archive:
        entries = _checked_entries(archive)
    sizes = {Kind.DIRECTORY: DIRECTORY, Kind.SYMLINK: SYMLINK}
    return dict.fromkeys(_parents(entries), DIRECTORY) | {
        path: sizes.get(entry.kind, entry.info.file_size) for path, entry in entries.items()
    }


@contextmanager
def _opened(archive_path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        source = archive_path.open("rb")
    except FileNotFoundError as exc:
        raise ArtifactError(f"The archive {archive_path.name} is missing.") from exc
    with source, _reading(source) as archive:
        yield archive


def _unpack(archive: zipfile.ZipFile, root: Path, max_unpacked_bytes: int) -> None:
    entries = _checked_entries(archive)
    contents = _Contents(archive, max_unpacked_bytes)
    modes = dict.fromkeys(_parents(entries), _DIRECTORY_MODE) | {
        path: entry.mode for path, entry in entries.items() if entry.kind is Kind.DIRECTORY
    }
    for path in sorted(modes):
        (root / path).mkdir(mode=0o700)
    for path, entry in entries.items():
        if entry.kind is Kind.FILE:
            _write_file(root / path, contents.read(entry), entry.mode)
    # Last, so that nothing is ever written through one.
    for path, entry in entries.items():
        if entry.kind is Kind.SYMLINK:
            (root / path).symlink_to(_link_target(contents, path, entry))
    for path in sorted(modes, reverse=True):
        (root / path).chmod(modes[path])
    root.chmod(_DIRECTORY_MODE)


def _write_file(path: Path, chunks: Iterator[bytes], mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        os.fchmod(file.fileno(), mode)


# --- the tree ----------------------------------------------------------------------------------


def _checked_entries(archive: zipfile.ZipFile) -> dict[str, ArchiveEntry]:
    """Entries by normalised path (`a/b`), in the archive's order, known to fit together."""
    entries: dict[str, ArchiveEntry] = {}
    for info in archive.infolist():
        path, entry = _path(info), _entry(info)
        if not path and entry.kind is Kind.DIRECTORY:
            continue
        if not path or path in entries:
            raise ArtifactError(f"The entry {info.filename!r} has no name of its own.")
        entries[path] = entry
    for path in _parents(entries):
        if path in entries and entries[path].kind is not Kind.DIRECTORY:
            raise ArtifactError(f"The entry {path!r} is a directory and something else.")
    return entries


def _parents(entries: Mapping[str, ArchiveEntry]) -> set[str]:
    """Every directory that the paths imply."""
    parents: set[str] = set()
    for path in entries:
        parent = path.rpartition("/")[0]
        while parent and parent not in parents:
            parents.add(parent)
            if len(parents) + len(entries) > ARCHIVE_ENTRIES:
                raise ArtifactError("The archive has too many directories.")
            parent = parent.rpartition("/")[0]
    return parents


def _path(info: zipfile.ZipInfo) -> str:
    name = info.filename
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
        raise ArtifactError(f"The entry {name!r} is outside the archive's tree.")
    path = "/".join(parts)
    sizes = [len(part.encode()) for part in parts]
    if "\0" in info.orig_filename or sum(sizes) + len(sizes) > _PATH_BYTES:
        raise ArtifactError(f"The name of entry {name!r} is malformed.")
    if any(size > _NAME_BYTES for size in sizes):
        raise ArtifactError(f"The name of entry {name!r} is too long.")
    return path


def _entry(info: zipfile.ZipInfo) -> ArchiveEntry:
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _COMPRESSION:
        raise ArtifactError(f"The entry {info.filename!r} is encrypted or compressed unusually.")
    attributes = info.external_attr >> 16 if info.create_system in _UNIX_SYSTEMS else 0
    match stat.S_IFMT(attributes), info.is_dir():
        case (0, False) | (stat.S_IFREG, False):
            kind = Kind.FILE
        case (0, True) | (stat.S_IFDIR, _):
            kind = Kind.DIRECTORY
        case (stat.S_IFLNK, False):
            kind = Kind.SYMLINK
        case _:
            raise ArtifactError(f"The entry {info.filename!r} is a special file.")
    default, readable = (_DIRECTORY_MODE, 0o555) if kind is Kind.DIRECTORY else (_FILE_MODE, 0o444)
    mode = attributes & 0o777 if attributes else default
    # DEVIATION: AWS takes the bits as they are, and a function whose files its unprivileged user
    # cannot read fails; Python's own `ZipFile.writestr` makes such archives. Here they are readable.
    return ArchiveEntry(info=info, kind=kind, mode=mode | readable)


def _link_target(contents: _Contents, path: str, entry: ArchiveEntry) -> str:
    """Where a link points: to an absolute path, or inside the tree whatever other links do.

    Of a relative one, the link's own directory is a real one. Going up from there first and only then down through
    names (which may be links of the same sort) cannot leave the tree; `a/../b` could, if `a` is a
    link, and is refused.
    """
    data = b""
    for chunk in contents.read(entry):
        data += chunk
        if len(data) > SYMLINK_TARGET_BYTES:
            raise ArtifactError(f"The link {path!r} points too far.")
    target = os.fsdecode(data)
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = parts.count("..")
    if (
        not target
        or "\0" in target
        or (
            not target.startswith("/")
            and (any(part != ".." for part in parts[:ups]) or ups > path.count("/"))
        )
    ):
        raise ArtifactError(f"The link {path!r} points outside the archive's tree.")
    return target


# --- reading -----------------------------------------------------------------------------------


class _BoundedReads:
    """A file whose single reads are bounded: zipfile reads a zip's directory in one go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        most = ARCHIVE_DIRECTORY_BYTES + 1
        data = self._file.read(most if size < 0 else min(size, most))
        if len(data) == most or data.count(_CENTRAL_ENTRY) > ARCHIVE_ENTRIES:
            raise zipfile.BadZipFile("The archive has too many entries.")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """The file is its opener's."""


@contextmanager
def _reading(source: BinaryIO) -> Iterator[zipfile.ZipFile]:
    with _malformed_is_artifact_error():
        archive = zipfile.ZipFile(_BoundedReads(source))
    with archive:
        yield archive


@contextmanager
def _malformed_is_artifact_error() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as exc:
        raise ArtifactError(f"The archive is damaged: {exc}") from exc


class _Contents:
    """What entries decompress to, bounded for all of them together."""

    def __init__(self, archive: zipfile.ZipFile, max_bytes: int) -> None:
        self._archive = archive
        self._max_bytes = self._left = max_bytes

    @property
    def bytes_read(self) -> int:
        """All together so far."""
        return self._max_bytes - self._left

    def read(self, entry: ArchiveEntry) -> Iterator[bytes]:
        """The bytes of an entry, in chunks; the checksum is verified at the end."""
        with _malformed_is_artifact_error():
            stream = self._archive.open(entry.info)
        with stream:
            while True:
                with _malformed_is_artifact_error():
                    chunk = stream.read(_CHUNK_BYTES)
                if not chunk:
                    return
                self._left -= len(chunk)
                if self._left <= 0:
                    raise OversizeArchiveError
                yield chunk
