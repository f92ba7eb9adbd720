"""Rows <-> model for event-invoke configs."""

from __future__ import annotations

from sqlalchemy import RowMapping, delete, insert, select

from lambd.model.function_controls import EventInvokeConfig, StoredEventInvokeConfig
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.qualified import is_scope
from lambd.store.tables_controls import event_invoke_configs as table


def get_config(connection: Connection, name: str, qualifier: str) -> StoredEventInvokeConfig | None:
    """The config of a scope."""
    query = select(table).where(is_scope(table, name, qualifier))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_config(row)


def put_config(connection: Connection, stored: StoredEventInvokeConfig) -> None:
    """Store a config in place of the one that may be there."""
    name, qualifier, config = stored.function_name, stored.qualifier, stored.config
    delete_config(connection, name, qualifier)
    connection.execute(
        insert(table).values(
            function_name=name,
            qualifier=qualifier,
            maximum_retry_attempts=config.maximum_retry_attempts,
            maximum_event_age_s=config.maximum_event_age_s,
            on_success=config.on_success,
            on_failure=config.on_failure,
            last_modified=stored.last_modified,
        )
    )


def delete_config(connection: Connection, name: str, qualifier: str) -> bool:
    """Remove a config; False when there was none."""
    result = connection.execute(delete(table).where(is_scope(table, name, qualifier)))
    notify(connection, FunctionChanged(name=name))
    return bool(result.rowcount)


def list_configs(
    connection: Connection, name: str, *, marker: str | None, limit: int
) -> Page[StoredEventInvokeConfig]:
    """The configs of a function, by qualifier."""
    query = select(table).where(table.c.function_name == name)
    if marker is not None:
        query = query.where(table.c.qualifier > decode_marker(marker)[0])
    rows = connection.execute(query.order_by(table.c.qualifier).limit(limit + 1)).mappings().all()
    items = tuple(_to_config(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_marker=encode_marker((items[-1].qualifier, 0)) if more else None)


def _to_config(row: RowMapping) -> StoredEventInvokeConfig:
    return StoredEventInvokeConfig(
        function_name=row["function_name"],
        qualifier=row["qualifier"],
        config=EventInvokeConfig(
            maximum_retry_attempts=row["maximum_retry_attempts"],
            maximum_event_age_s=row["maximum_event_age_s"],
            on_success=row["on_success"],
            on_failure=row["on_failure"],
        ),
        last_modified=row["last_modified"],
    )
