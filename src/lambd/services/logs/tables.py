"""The tables of the log store's own SQLite file, and its engine.

Function logs are bounded and may be thrown away, so they live apart from the platform's rows: no
durable commits, no other module's transactions to wait for. What users set for a group (retention,
tags) is in its row here, and gone with the file. A file of an older release is brought up to date
when it is opened.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import event as engine_event

from lambd.model.errors import UnavailableError

# Written to the file's user_version; a file with another number is not ours to read.
SCHEMA_VERSION = 3
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
    # None: events go only when there are too many.
    Column("retention_days", Integer),
    Column("log_class", Text, nullable=False, server_default=text("'STANDARD'")),
    # JSON, an object of texts.
    Column("tags", Text, nullable=False, server_default=text("'{}'")),
)

streams = Table(
    "streams",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
    # Of the events that are kept; None before the first.
    Column("first_ms", Integer),
    Column("last_ms", Integer),
    Column("ingested_ms", Integer),
    Column("stored_bytes", Integer, nullable=False),
    # Made by somebody who will write to it: it stays when it is empty.
    Column("is_kept", Boolean, nullable=False, server_default=text("0")),
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


subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("destination_arn", Text, nullable=False),
    Column("distribution", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
    UniqueConstraint("group_id", "name"),
)


def create_engine(path: Path) -> sqlalchemy.Engine:
    """Open the file, making it and its tables if need be.

    Raises:
        UnavailableError: a later release of lambd wrote it.
    """
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    engine_event.listen(engine, "connect", _set_up)
    with engine.begin() as connection:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if not 0 <= version <= SCHEMA_VERSION:
            engine.dispose()
            raise UnavailableError(
                f"{path} was written by another release of lambd; move it away to start with no "
                "function logs."
            )
        # Version 2 had no subscriptions, whose table is made below.
        if version == 1:
            _migrate_from_1(connection)
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return engine


def _migrate_from_1(connection: sqlalchemy.Connection) -> None:
    """Version 1 had groups of functions only, and no stream without events."""
    # The driver begins transactions for INSERT and the like only.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    for statement in (
        "ALTER TABLE groups ADD COLUMN retention_days INTEGER",
        "ALTER TABLE groups ADD COLUMN log_class TEXT DEFAULT 'STANDARD' NOT NULL",
        "ALTER TABLE groups ADD COLUMN tags TEXT DEFAULT '{}' NOT NULL",
        "ALTER TABLE streams RENAME TO streams_1",
    ):
        connection.exec_driver_sql(statement)
    streams.create(connection)
    columns = "id, group_id, name, created_ms, first_ms, last_ms, ingested_ms, stored_bytes"
    connection.exec_driver_sql(
        f"INSERT INTO streams ({columns}) SELECT {columns} FROM streams_1"  # noqa: S608 - our own
    )
    connection.exec_driver_sql("DROP TABLE streams_1")


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        # A power cut may cost the last lines; it does not damage the file.
        "synchronous=NORMAL",
        f"journal_size_limit={_JOURNAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
