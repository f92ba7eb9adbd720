"""Rows <-> model for provisioned concurrency, and the concurrency that is spoken for."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import RowMapping, and_, delete, func, insert, select, update

from lambd.model.functions import State
from lambd.model.provisioned import (
    Allocation,
    AllocationStatus,
    ProvisionedConcurrency,
    split,
)
from lambd.store.aliases import find_route
from lambd.store.database import Connection, FunctionChanged, ReservationsChanged, notify
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.qualified import is_scope
from lambd.store.tables_controls import function_settings
from lambd.store.tables_controls import provisioned_concurrency as table
from lambd.telemetry.ids import new_id


def get_config(connection: Connection, name: str, qualifier: str) -> ProvisionedConcurrency | None:
    """The config of a version or an alias."""
    query = select(table).where(is_scope(table, name, qualifier))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_config(row)


def put_config(connection: Connection, config: ProvisionedConcurrency) -> None:
    """Store a config in place of the one that may be there."""
    name, qualifier = config.function_name, config.qualifier
    connection.execute(delete(table).where(is_scope(table, name, qualifier)))
    connection.execute(
        insert(table).values(
            function_name=name,
            qualifier=qualifier,
            requested=config.requested,
            allocation_id=config.allocation_id,
            status=config.status.value,
            status_reason=config.status_reason,
            last_modified=config.last_modified,
        )
    )
    _changed(connection, name)


def delete_config(connection: Connection, name: str, qualifier: str) -> bool:
    """Remove a config; False when there was none."""
    result = connection.execute(delete(table).where(is_scope(table, name, qualifier)))
    if result.rowcount:
        _changed(connection, name)
    return bool(result.rowcount)


def list_configs(
    connection: Connection, name: str, *, marker: str | None, limit: int
) -> Page[ProvisionedConcurrency]:
    """The configs of a function, by qualifier."""
    query = select(table).where(table.c.function_name == name)
    if marker is not None:
        query = query.where(table.c.qualifier > decode_marker(marker)[0])
    rows = connection.execute(query.order_by(table.c.qualifier).limit(limit + 1)).mappings().all()
    items = tuple(_to_config(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_marker=encode_marker((items[-1].qualifier, 0)) if more else None)


def renew_allocation(connection: Connection, name: str, qualifier: str) -> None:
    """Have a config allocated anew, if there is one: its alias leads elsewhere."""
    config = get_config(connection, name, qualifier)
    if config is not None:
        status = AllocationStatus.IN_PROGRESS
        put_config(
            connection,
            replace(config, allocation_id=new_id(), status=status, status_reason=None),
        )


# --- what is spoken for -----------------------------------------------------------------------


def provisioned_total(connection: Connection, name: str) -> int:
    """Provisioned concurrency of all versions and aliases of a function."""
    query = select(func.coalesce(func.sum(table.c.requested), 0)).where(
        table.c.function_name == name
    )
    return int(connection.execute(query).scalar_one())


def claimed_concurrency(connection: Connection) -> int:
    """What the account's other functions cannot use.

    Of each function what it has reserved, or without a reservation what it has provisioned.
    """
    reserved = select(func.coalesce(func.sum(function_settings.c.reserved_concurrency), 0))
    has_reservation = and_(
        function_settings.c.function_name == table.c.function_name,
        function_settings.c.reserved_concurrency.is_not(None),
    )
    provisioned = (
        select(func.coalesce(func.sum(table.c.requested), 0))
        .select_from(table.outerjoin(function_settings, has_reservation))
        .where(function_settings.c.function_name.is_(None))
    )
    return int(connection.execute(reserved).scalar_one()) + int(
        connection.execute(provisioned).scalar_one()
    )


def notify_claims(connection: Connection) -> None:
    """Tell subscribers what is spoken for now."""
    notify(connection, ReservationsChanged(total=claimed_concurrency(connection)))


def _changed(connection: Connection, name: str) -> None:
    notify(connection, FunctionChanged(name=name))
    notify_claims(connection)


# --- the allocator's side ---------------------------------------------------------------------


def restart_allocations(connection: Connection) -> None:
    """After a restart nothing is allocated: what was READY is IN_PROGRESS again."""
    connection.execute(
        update(table)
        .where(table.c.status == AllocationStatus.READY.value)
        .values(status=AllocationStatus.IN_PROGRESS.value)
    )


def configured_functions(connection: Connection) -> list[str]:
    """The functions that have provisioned concurrency."""
    return list(connection.execute(select(table.c.function_name).distinct()).scalars())


def list_allocations(connection: Connection, name: str) -> list[Allocation]:
    """What is to be allocated for a function; no shares while a version is not Active."""
    found = []
    for row in connection.execute(select(table).where(table.c.function_name == name)).mappings():
        config = _to_config(row)
        route = find_route(connection, name, config.qualifier)
        shares = () if route is None else split(config.requested, route)
        if any(share.version.state is not State.ACTIVE for share in shares):
            shares = ()
        found.append(Allocation(config=config, shares=shares))
    return found


def settle_allocation(connection: Connection, config: ProvisionedConcurrency) -> bool:
    """Write down the status of an allocation; False when another one has begun since."""
    where = and_(
        is_scope(table, config.function_name, config.qualifier),
        table.c.allocation_id == config.allocation_id,
    )
    values = {"status": config.status.value, "status_reason": config.status_reason}
    return bool(connection.execute(update(table).where(where).values(values)).rowcount)


def _to_config(row: RowMapping) -> ProvisionedConcurrency:
    return ProvisionedConcurrency(
        function_name=row["function_name"],
        qualifier=row["qualifier"],
        requested=row["requested"],
        allocation_id=row["allocation_id"],
        status=AllocationStatus(row["status"]),
        status_reason=row["status_reason"],
        last_modified=row["last_modified"],
    )
