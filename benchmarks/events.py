"""What events are measured by: the disk's own flushes, rows in the queue, and a backlog made ahead."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path

from lambd.model.events import QueuedEvent
from lambd.store.database import create_sqlite_engine
from lambd.store.events import Writes, write_events

# What SQLite appends to its log for a small event: two pages.
_BLOCK = b"x" * 8192


def flushes(count: int) -> float:
    """Appends to a file, each flushed to the disk, in a second: the floor of a durable answer."""
    with tempfile.TemporaryFile(prefix="lambd-bench-") as file:
        started = time.perf_counter()
        for _ in range(count):
            os.write(file.fileno(), _BLOCK)
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - started)


def events_waiting(data_dir: Path) -> int:
    """Events of a running platform that are not done with."""
    with closing(sqlite3.connect(f"file:{data_dir}/lambd.sqlite3?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return found


def make_backlog(data_dir: Path, function: str, count: int) -> None:
    """Put events into the queue of a platform that does not run."""
    now_us = time.time_ns() // 1000
    events = [
        QueuedEvent(
            id=number + 1,
            request_id=str(uuid.uuid4()),
            function_name=function,
            qualifier=None,
            payload=b'{"key": "value"}',
            trace_header="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
            accepted_us=now_us,
            due_us=now_us,
        )
        for number in range(count)
    ]
    engine = create_sqlite_engine(data_dir / "lambd.sqlite3")
    with engine.execution_options(writes=True).begin() as connection:
        write_events(connection, Writes(added=events, updated=(), removed=()))
    engine.dispose()
