"""Settings of a whole function or of its versions, and the snapshot that invocations use."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update

from lambd.model.function_controls import (
    FunctionControls,
    RecursiveLoop,
    RuntimeManagement,
    UpdateRuntimeOn,
)
from lambd.model.policies import parse_policy
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.event_invoke import list_configs
from lambd.store.policies import list_policies
from lambd.store.provisioned import notify_claims, provisioned_total
from lambd.store.qualified import is_scope
from lambd.store.tables import functions
from lambd.store.tables_controls import function_settings, runtime_management

_ALL = 1_000_000


def read_controls(connection: Connection, name: str) -> FunctionControls | None:
    """All that invocations of a function need to know besides the version; None without one."""
    if connection.execute(select(functions.c.name).where(functions.c.name == name)).first() is None:
        return None
    return FunctionControls(
        reserved_concurrency=get_reserved_concurrency(connection, name),
        provisioned_concurrency=provisioned_total(connection, name),
        recursive_loop=get_recursive_loop(connection, name),
        policies={
            qualifier: parse_policy(document)
            for qualifier, document in list_policies(connection, name).items()
        },
        event_invoke={
            item.qualifier: item.config
            for item in list_configs(connection, name, marker=None, limit=_ALL).items
        },
    )


# --- reserved concurrency ---------------------------------------------------------------------


def get_reserved_concurrency(connection: Connection, name: str) -> int | None:
    """What is reserved for a function; None when nothing is."""
    query = select(function_settings.c.reserved_concurrency).where(
        function_settings.c.function_name == name
    )
    return connection.execute(query).scalar_one_or_none()


def put_reserved_concurrency(connection: Connection, name: str, reserved: int | None) -> None:
    """Reserve concurrency for an existing function, or with None no longer."""
    _put(connection, name, reserved_concurrency=reserved)
    notify_claims(connection)


def total_reserved_concurrency(connection: Connection) -> int:
    """What is reserved for all functions together."""
    query = select(func.coalesce(func.sum(function_settings.c.reserved_concurrency), 0))
    return int(connection.execute(query).scalar_one())


# --- recursion --------------------------------------------------------------------------------


def get_recursive_loop(connection: Connection, name: str) -> RecursiveLoop:
    """What happens to a function that calls itself in a loop."""
    query = select(function_settings.c.recursive_loop).where(
        function_settings.c.function_name == name
    )
    found = connection.execute(query).scalar_one_or_none()
    return RecursiveLoop.TERMINATE if found is None else RecursiveLoop(found)


def put_recursive_loop(connection: Connection, name: str, recursive_loop: RecursiveLoop) -> None:
    """Set it for an existing function."""
    _put(connection, name, recursive_loop=recursive_loop.value)


def _put(connection: Connection, name: str, **values: object) -> None:
    changed = connection.execute(
        update(function_settings).where(function_settings.c.function_name == name).values(**values)
    )
    if not changed.rowcount:
        connection.execute(insert(function_settings).values(function_name=name, **values))
    notify(connection, FunctionChanged(name=name))


# --- runtime management -----------------------------------------------------------------------


def get_runtime_management(connection: Connection, name: str, qualifier: str) -> RuntimeManagement:
    """The runtime management config of `$LATEST` or a version."""
    query = select(runtime_management).where(is_scope(runtime_management, name, qualifier))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return RuntimeManagement()
    return RuntimeManagement(
        update_on=UpdateRuntimeOn(row["update_on"]),
        runtime_version_arn=row["runtime_version_arn"],
    )


def put_runtime_management(
    connection: Connection, name: str, qualifier: str, config: RuntimeManagement
) -> None:
    """Set it for a version that exists."""
    connection.execute(
        delete(runtime_management).where(is_scope(runtime_management, name, qualifier))
    )
    connection.execute(
        insert(runtime_management).values(
            function_name=name,
            qualifier=qualifier,
            update_on=config.update_on.value,
            runtime_version_arn=config.runtime_version_arn,
        )
    )
    notify(connection, FunctionChanged(name=name))
