"""Rows of groups and streams that users make and set: blocking functions within a transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import sqlalchemy
from sqlalchemy import insert, select, update

from lambd.model.errors import ConflictError
from lambd.model.tags import check_tags, with_tags, without_tags
from lambd.services.logs.queries import group_id
from lambd.services.logs.tables import groups, streams

_MAX_TAGS = 50


def create_group(
    connection: sqlalchemy.Connection,
    name: str,
    *,
    log_class: str,
    tags: Mapping[str, str],
    now_ms: int,
) -> None:
    """Make a group.

    Raises:
        ConflictError: there is one by this name.
        TooManyTagsError, InvalidParameterError: it may not have these tags.
    """
    check_tags(tags, _MAX_TAGS)
    if connection.scalar(select(groups.c.id).where(groups.c.name == name)) is not None:
        raise ConflictError("The specified log group already exists")
    row = {"name": name, "created_ms": now_ms, "log_class": log_class, "tags": json.dumps(tags)}
    connection.execute(insert(groups), row)


def create_stream(connection: sqlalchemy.Connection, group: str, name: str, now_ms: int) -> None:
    """Make a stream without events, which stays.

    Raises:
        NotFoundError: there is no such group.
        ConflictError: it has a stream by this name.
    """
    within = group_id(connection, group)
    same = (streams.c.group_id == within) & (streams.c.name == name)
    if connection.scalar(select(streams.c.id).where(same)) is not None:
        raise ConflictError("The specified log stream already exists")
    row = {"group_id": within, "name": name, "created_ms": now_ms, "stored_bytes": 0}
    connection.execute(insert(streams), row | {"is_kept": True})


def set_retention(connection: sqlalchemy.Connection, group: str, days: int | None) -> None:
    """Say how long a group keeps events; None: for ever.

    Raises:
        NotFoundError: there is no such group.
    """
    found = groups.c.id == group_id(connection, group)
    connection.execute(update(groups).where(found).values(retention_days=days))


def retention_of(connection: sqlalchemy.Connection, group: str) -> int | None:
    """How many days a group keeps events; None: for ever.

    Raises:
        NotFoundError: there is no such group.
    """
    found = groups.c.id == group_id(connection, group)
    days: int | None = connection.scalar(select(groups.c.retention_days).where(found))
    return days


def tags_of(connection: sqlalchemy.Connection, group: str) -> dict[str, str]:
    """The tags of a group.

    Raises:
        NotFoundError: there is no such group.
    """
    found = groups.c.id == group_id(connection, group)
    tags: dict[str, str] = json.loads(connection.scalar(select(groups.c.tags).where(found)) or "{}")
    return tags


def change_tags(
    connection: sqlalchemy.Connection,
    group: str,
    *,
    added: Mapping[str, str],
    removed: Collection[str],
) -> None:
    """Set and remove tags of a group.

    Raises:
        NotFoundError: there is no such group.
        TooManyTagsError: it would have too many.
        InvalidParameterError: a key is reserved.
    """
    tags = with_tags(without_tags(tags_of(connection, group), removed), added, _MAX_TAGS)
    found = groups.c.name == group
    connection.execute(update(groups).where(found).values(tags=json.dumps(tags)))
