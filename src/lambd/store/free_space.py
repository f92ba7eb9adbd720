"""Giving free pages of the database's file back to the disk, a few at a time.

A backlog of events that has been worked off leaves its pages in the file, to be used again. Some of
them stay for that; the rest is cut off (`auto_vacuum=INCREMENTAL`). Each step is a transaction of
the writer's, short enough not to keep others from it.
"""

from __future__ import annotations

import sqlite3

import sqlalchemy

from lambd.store.writer import driver_connection

# Kept for what comes next, bytes.
KEPT_BYTES = 16 * 1024 * 1024
# Given back in one transaction, bytes: pages from the file's end move into the gaps.
_STEP_BYTES = 4 * 1024 * 1024
# What `PRAGMA auto_vacuum` calls it.
_INCREMENTAL = 2


def prepare(connection: sqlite3.Connection) -> None:
    """Have a file's free pages listed; of one that has tables already, by writing it anew once.

    Raises:
        sqlite3.OperationalError: there is no room for a second copy.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL:
        return
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL").close()
    connection.execute("VACUUM").close()


def give_back(connection: sqlalchemy.Connection) -> bool:
    """Give back a step's worth of what is free beyond what is kept; whether there is more."""
    raw = driver_connection(connection)
    page_bytes: int = raw.execute("PRAGMA page_size").fetchone()[0]
    free: int = raw.execute("PRAGMA freelist_count").fetchone()[0]
    spare = free - KEPT_BYTES // page_bytes
    if spare <= 0:
        return False
    step = min(spare, _STEP_BYTES // page_bytes)
    # Each row that is fetched is a page.
    raw.execute(f"PRAGMA incremental_vacuum({step})").fetchall()
    return spare > step


def checkpoint(connection: sqlalchemy.Connection) -> None:
    """Take the log into the file, whose end is cut off then; waits for nobody. No transaction."""
    driver_connection(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
