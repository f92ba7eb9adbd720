"""Content-addressed archives: `<data_dir>/blobs/ab/abcdef...`, named by lower-case SHA-256.

A blob is complete and on disk before its name appears, and never changes afterwards. Who needs
which blob is known by the rows (`contents.references`); what nobody needs goes in
`collect_garbage`. All of it blocks on disk: call it from a worker thread.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from lambd.model.functions import Code
from lambd.trees import flush_directory

_CHUNK_BYTES = 1024 * 1024


class BlobStore:
    """The blobs of one data directory; safe for concurrent use by threads of one process."""

    def __init__(self, data_dir: Path) -> None:
        """Open the store, dropping uploads that a killed predecessor left unfinished."""
        self._root = data_dir / "blobs"
        self._incoming = self._root / "incoming"
        # Keeps a blob from being collected in the moment that it is put once more.
        self._lock = threading.Lock()
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        flush_directory(data_dir)

    def put_bytes(self, data: bytes) -> Code:
        """Store a blob; it is durable when this returns. Storing it twice is storing it once."""
        return self.put_stream([data])

    def put_file(self, source: BinaryIO) -> Code:
        """Store what is left to read of a file."""
        return self.put_stream(iter(lambda: source.read(_CHUNK_BYTES), b""))

    def put_stream(self, chunks: Iterable[bytes]) -> Code:
        """Store the chunks, in order, as one blob."""
        digest = hashlib.sha256()
        size = 0
        fd, name = tempfile.mkstemp(dir=self._incoming)
        temporary = Path(name)
        try:
            with os.fdopen(fd, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            self._publish(temporary, digest.hexdigest())
        finally:
            temporary.unlink(missing_ok=True)
        return Code(sha256=digest.hexdigest(), size_bytes=size)

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be."""
        return self._root / sha256[:2] / sha256

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        return self.path(sha256).open("rb")

    def delete(self, sha256: str) -> None:
        """Remove a blob, if it is there. Whoever has it open reads on."""
        with self._lock:
            self.path(sha256).unlink(missing_ok=True)

    def collect_garbage(
        self, referenced: AbstractSet[str], *, put_before: datetime | None = None
    ) -> int:
        """Remove the blobs that are not `referenced`; returns how many.

        A blob is put before the row that refers to it is committed: while requests are served,
        `put_before` must lie further back than any of them takes.
        """
        removed = 0
        for path in self._blobs():
            if path.name in referenced:
                continue
            with self._lock, suppress(FileNotFoundError):
                if put_before is None or path.stat().st_mtime < put_before.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def _publish(self, temporary: Path, sha256: str) -> None:
        path = self.path(sha256)
        with self._lock:
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                flush_directory(self._root)
            # Replaces an equal one: its time of putting starts anew.
            temporary.replace(path)
        flush_directory(path.parent)

    def _blobs(self) -> Iterator[Path]:
        for folder in self._root.iterdir():
            if folder != self._incoming:
                yield from folder.iterdir()
