"""The table of the event queue; see `tables.py` for the rest.

It names functions and does not refer to them: an event of a function that is gone is given up when
its turn comes, not with the function in one long transaction.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from lambd.store.tables import UtcTime, metadata

events = Table(
    "events",
    metadata,
    # In order of arrival; the queue numbers them itself.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String(36), nullable=False),
    Column("function_name", String(64), nullable=False),
    Column("qualifier", String(128), nullable=True),
    Column("payload", LargeBinary, nullable=False),
    Column("trace_header", Text, nullable=False),
    Column("accepted_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("faults", Integer, nullable=False),
    # JSON: the last answer without its payload, the last fault, the outcome; see events.py.
    Column("progress", Text, nullable=True),
    # The payload of the last answer.
    Column("response", LargeBinary, nullable=True),
    Index("ix_events_function_name", "function_name", "due_at"),
)
