"""Rows <-> model for function URLs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import cast

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from lambd.model.arns import LATEST
from lambd.model.function_controls import Cors, FunctionUrl, InvokeMode, UrlAuthType
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.qualified import is_scope
from lambd.store.tables import aliases
from lambd.store.tables_controls import function_urls as table

# Of a URL's row: its scope is there. Those of deleted aliases stay, so that they can be told from
# URLs that never were.
_HAS_SCOPE = or_(
    table.c.qualifier == LATEST,
    exists().where(
        aliases.c.function_name == table.c.function_name, aliases.c.name == table.c.qualifier
    ),
)


def get_url(connection: Connection, name: str, qualifier: str) -> FunctionUrl | None:
    """The URL of a scope; None if that is an alias that is gone."""
    return _one(connection, and_(is_scope(table, name, qualifier), _HAS_SCOPE))


def get_url_by_id(connection: Connection, url_id: str) -> FunctionUrl | None:
    """The URL with this id, even if it is of an alias that is gone."""
    return _one(connection, table.c.id == url_id)


def list_urls(
    connection: Connection, name: str, *, marker: str | None, limit: int
) -> Page[FunctionUrl]:
    """The URLs of a function, by qualifier."""
    query = select(table).where(table.c.function_name == name, _HAS_SCOPE)
    if marker is not None:
        query = query.where(table.c.qualifier > decode_marker(marker)[0])
    rows = connection.execute(query.order_by(table.c.qualifier).limit(limit + 1)).mappings().all()
    items = tuple(_to_url(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_marker=encode_marker((items[-1].qualifier, 0)) if more else None)


def insert_url(connection: Connection, url: FunctionUrl) -> None:
    """Add a URL; the caller has seen that the scope has none."""
    forget_url(connection, url.function_name, url.qualifier)
    connection.execute(
        insert(table).values(
            function_name=url.function_name,
            qualifier=url.qualifier,
            id=url.id,
            created_at=url.created_at,
            **_row_values(url),
        )
    )
    notify(connection, FunctionChanged(name=url.function_name))


def replace_url(connection: Connection, url: FunctionUrl) -> None:
    """Store a changed URL."""
    where = is_scope(table, url.function_name, url.qualifier)
    connection.execute(update(table).where(where).values(**_row_values(url)))
    notify(connection, FunctionChanged(name=url.function_name))


def delete_url(connection: Connection, name: str, qualifier: str) -> bool:
    """Remove a URL; False when there was none."""
    if get_url(connection, name, qualifier) is None:
        return False
    forget_url(connection, name, qualifier)
    return True


def forget_url(connection: Connection, name: str, qualifier: str) -> None:
    """Remove a URL, also that of an alias that is gone, if there is one."""
    connection.execute(delete(table).where(is_scope(table, name, qualifier)))
    notify(connection, FunctionChanged(name=name))


def _one(connection: Connection, where: ColumnElement[bool]) -> FunctionUrl | None:
    row = connection.execute(select(table).where(where)).mappings().one_or_none()
    return None if row is None else _to_url(row)


def _to_url(row: RowMapping) -> FunctionUrl:
    mode: str | None = row["invoke_mode"]
    return FunctionUrl(
        id=row["id"],
        function_name=row["function_name"],
        qualifier=row["qualifier"],
        auth_type=UrlAuthType(row["auth_type"]),
        invoke_mode=None if mode is None else InvokeMode(mode),
        cors=None if row["cors"] is None else _to_cors(row["cors"]),
        created_at=row["created_at"],
        last_modified=row["last_modified"],
    )


def _to_cors(document: str) -> Cors:
    members = cast("dict[str, object]", json.loads(document))
    return Cors(
        **{  # type: ignore[arg-type]  # as encoded
            key: tuple(value) if isinstance(value, list) else value
            for key, value in members.items()
        }
    )


def _row_values(url: FunctionUrl) -> dict[str, object]:
    return {
        "auth_type": url.auth_type.value,
        "invoke_mode": None if url.invoke_mode is None else url.invoke_mode.value,
        "cors": None if url.cors is None else json.dumps(asdict(url.cors)),
        "last_modified": url.last_modified,
    }
