"""The data directory of `schema_0001`, put together from its dumps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SOURCE = Path(__file__).with_name("schema_0001")


def restore(data_dir: Path, *, runtime: str = "python3.12") -> None:
    """Make the directory; its functions can be given another runtime than they had."""
    data_dir.mkdir(parents=True)
    for dump, name in (("lambd.sql", "lambd.sqlite3"), ("logs.sql", "logs.db")):
        text = (
            (SOURCE / dump).read_text().replace('"runtime":"python3.12"', f'"runtime":"{runtime}"')
        )
        with closing(sqlite3.connect(data_dir / name)) as connection:
            connection.executescript(text)
    for archive in (SOURCE / "blobs").iterdir():
        target = data_dir / "blobs" / archive.name[:2] / archive.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.read_bytes())
