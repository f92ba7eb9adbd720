"""Tags of functions, as rows. Limits and reserved prefixes are `control`'s rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, insert, select

from lambd.store.database import Connection
from lambd.store.tables import function_tags


def get_tags(connection: Connection, name: str) -> dict[str, str]:
    """All tags of a function, by key."""
    query = (
        select(function_tags.c.key, function_tags.c.value)
        .where(function_tags.c.function_name == name)
        .order_by(function_tags.c.key)
    )
    return {key: value for key, value in connection.execute(query)}  # noqa: C416 - typed rows


def put_tags(connection: Connection, name: str, tags: Mapping[str, str]) -> None:
    """Add tags to an existing function, replacing those with the same keys."""
    delete_tags(connection, name, tags)
    rows = [{"function_name": name, "key": key, "value": tags[key]} for key in tags]
    if rows:
        connection.execute(insert(function_tags), rows)


def delete_tags(connection: Connection, name: str, keys: Iterable[str]) -> None:
    """Remove the tags that are there."""
    connection.execute(
        delete(function_tags).where(
            function_tags.c.function_name == name, function_tags.c.key.in_(list(keys))
        )
    )
