"""Rows <-> model for the groups of EventBridge Scheduler, and the client tokens of its requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, insert, select, update

from lambd.services.scheduler.model import ScheduleGroup
from lambd.store.database import Connection, SchedulesChanged, notify
from lambd.store.paging import Page, page_rows
from lambd.store.tables_schedules import schedule_groups as table
from lambd.store.tables_schedules import schedule_tokens as tokens


def get_group(connection: Connection, name: str) -> ScheduleGroup | None:
    """The group with this name."""
    row = connection.execute(select(table).where(table.c.name == name)).mappings().one_or_none()
    return None if row is None else _to_group(row)


def count_groups(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def put_group(connection: Connection, group: ScheduleGroup) -> None:
    """Store a group, a new one (id 0) or another state of one."""
    values: Mapping[str, object] = {
        "name": group.name,
        "tags": json.dumps(dict(group.tags)),
        "created_at": group.created_at,
        "modified_at": group.modified_at,
    }
    if group.id:
        connection.execute(update(table).where(table.c.id == group.id).values(values))
    else:
        connection.execute(insert(table).values(values))


def delete_group(connection: Connection, group: ScheduleGroup) -> None:
    """Remove a group with its schedules."""
    connection.execute(delete(table).where(table.c.id == group.id))
    notify(connection, SchedulesChanged())


def list_groups(
    connection: Connection, *, prefix: str | None, marker: str | None, limit: int
) -> Page[ScheduleGroup]:
    """The groups, all or those whose names begin so."""
    query = select(table)
    if prefix is not None:
        query = query.where(func.substr(table.c.name, 1, len(prefix)) == prefix)
    rows, marker = page_rows(connection, query, table.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_group(row) for row in rows), next_marker=marker)


def _to_group(row: RowMapping) -> ScheduleGroup:
    return ScheduleGroup(
        id=row["id"],
        name=row["name"],
        tags=json.loads(row["tags"]),
        created_at=row["created_at"],
        modified_at=row["modified_at"],
    )


# --- client tokens ----------------------------------------------------------------------------


def find_token(connection: Connection, token: str) -> str | None:
    """The fingerprint of the request that was served with this token."""
    query = select(tokens.c.fingerprint).where(tokens.c.token == token)
    return connection.execute(query).scalar_one_or_none()


def add_token(connection: Connection, token: str, fingerprint: str, now: datetime) -> None:
    """Remember a token."""
    row = {"token": token, "fingerprint": fingerprint, "served_at": now}
    connection.execute(insert(tokens).values(row))


def delete_tokens(connection: Connection, before: datetime) -> None:
    """Forget the tokens of longer ago."""
    connection.execute(delete(tokens).where(tokens.c.served_at < before))
