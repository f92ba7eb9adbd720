"""The tables of the log store's own SQLite file, and its engine.

Function logs are bounded and may be thrown away, so they live apart from the platform's rows: no
migrations, no durable commits, no other module's transactions to wait for.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy import event as engine_event

from lambd.model.errors import UnavailableError

# Written to the file's user_version; a file with another number is not ours to read.
SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 10_000
# What the write-ahead log is cut back to after a checkpoint.
_JOURNAL_BYTES = 16 * 1024 * 1024

metadata = MetaData()

# All times are milliseconds since the epoch.
groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_ms", Integer, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
    # Of the events that are kept.
    Column("first_ms", Integer, nullable=False),
    Column("last_ms", Integer, nullable=False),
    Column("ingested_ms", Integer, nullable=False),
    Column("stored_bytes", Integer, nullable=False),
    UniqueConstraint("group_id", "name"),
)

events = Table(
    "events",
    metadata,
    # Order of arrival; never reused, so event ids stay unique.
    Column("id", Integer, primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("stream_id", Integer, nullable=False),
    Column("timestamp_ms", Integer, nullable=False),
    Column("ingested_ms", Integer, nullable=False),
    Column("message", Text, nullable=False),
    # What the event counts for: message and overhead.
    Column("stored_bytes", Integer, nullable=False),
    Index("events_by_group", "group_id", "timestamp_ms"),
    Index("events_by_stream", "stream_id", "timestamp_ms"),
    sqlite_autoincrement=True,
)


def create_engine(path: Path) -> sqlalchemy.Engine:
    """Open the file, making it and its tables if need be.

    Raises:
        UnavailableError: another release of lambd wrote it.
    """
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    engine_event.listen(engine, "connect", _set_up)
    with engine.begin() as connection:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version not in (0, SCHEMA_VERSION):
            engine.dispose()
            raise UnavailableError(
                f"{path} was written by another release of lambd; move it away to start with no "
                "function logs."
            )
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return engine


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        # A power cut may cost the last lines; it does not damage the file.
        "synchronous=NORMAL",
        f"journal_size_limit={_JOURNAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
