"""Rows <-> model for aliases, and from a qualifier to the versions behind it.

That an alias's versions exist is held by foreign keys as well as by `control`'s rules.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from lambd.model.aliases import AdditionalVersion, Alias, Route
from lambd.model.arns import LATEST, is_alias_name
from lambd.model.functions import FunctionVersion
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.functions import get_version, version_number, version_text
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.tables import aliases


def get_alias(connection: Connection, function_name: str, name: str) -> Alias | None:
    """An alias; None when there is no such function or alias."""
    query = select(aliases).where(_is_alias(function_name, name))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_alias(row)


def list_aliases(
    connection: Connection,
    function_name: str,
    *,
    version: str | None = None,
    marker: str | None,
    limit: int,
) -> Page[Alias]:
    """The aliases of a function by name; with `version` those that lead to it, however rarely."""
    query = select(aliases).where(aliases.c.function_name == function_name)
    if version is not None:
        query = query.where(_leads_to(version))
    if marker is not None:
        query = query.where(aliases.c.name > decode_marker(marker)[0])
    found = connection.execute(query.order_by(aliases.c.name).limit(limit + 1)).mappings().all()
    items = tuple(_to_alias(row) for row in found[:limit])
    more = len(found) > limit
    return Page(items=items, next_marker=encode_marker((items[-1].name, 0)) if more else None)


def names_leading_to(connection: Connection, function_name: str, version: str) -> list[str]:
    """The names of the aliases that lead to a version, in order."""
    query = (
        select(aliases.c.name)
        .where(aliases.c.function_name == function_name, _leads_to(version))
        .order_by(aliases.c.name)
    )
    return list(connection.execute(query).scalars())


def count_aliases(connection: Connection, function_name: str) -> int:
    """How many aliases a function has."""
    query = select(func.count()).where(aliases.c.function_name == function_name)
    return connection.execute(query).scalar_one()


def insert_alias(connection: Connection, alias: Alias) -> None:
    """Add an alias; the caller has seen that its name is free and its versions exist."""
    connection.execute(
        insert(aliases).values(
            function_name=alias.function_name, name=alias.name, **_row_values(alias)
        )
    )
    notify(connection, FunctionChanged(name=alias.function_name))


def replace_alias(connection: Connection, alias: Alias) -> None:
    """Store a changed alias."""
    where = _is_alias(alias.function_name, alias.name)
    connection.execute(update(aliases).where(where).values(**_row_values(alias)))
    notify(connection, FunctionChanged(name=alias.function_name))


def delete_alias(connection: Connection, function_name: str, name: str) -> bool:
    """Remove an alias; False when there was none."""
    result = connection.execute(delete(aliases).where(_is_alias(function_name, name)))
    if result.rowcount:
        notify(connection, FunctionChanged(name=function_name))
    return bool(result.rowcount)


# --- from a qualifier to versions --------------------------------------------------------------


def find_version(
    connection: Connection, function_name: str, qualifier: str | None
) -> FunctionVersion | None:
    """The version that a qualifier names: `$LATEST` without one, an alias's main version."""
    if qualifier is not None and is_alias_name(qualifier):
        alias = get_alias(connection, function_name, qualifier)
        return None if alias is None else get_version(connection, function_name, alias.version)
    return get_version(connection, function_name, qualifier or LATEST)


def find_route(connection: Connection, function_name: str, qualifier: str) -> Route | None:
    """What invocations by a qualifier may run; None when there is nothing of that name."""
    if not is_alias_name(qualifier):
        version = get_version(connection, function_name, qualifier)
        return None if version is None else Route(version=version)
    alias = get_alias(connection, function_name, qualifier)
    if alias is None:
        return None
    version = get_version(connection, function_name, alias.version)
    if version is None or alias.additional is None:
        return None if version is None else Route(version=version)
    return Route(
        version=version,
        additional=get_version(connection, function_name, alias.additional.version),
        additional_weight=alias.additional.weight,
    )


# --- rows --------------------------------------------------------------------------------------


def _is_alias(function_name: str, name: str) -> ColumnElement[bool]:
    return and_(aliases.c.function_name == function_name, aliases.c.name == name)


def _leads_to(version: str) -> ColumnElement[bool]:
    number = version_number(version)
    if number is None:
        return false()
    return or_(aliases.c.version_number == number, aliases.c.additional_number == number)


def _to_alias(row: RowMapping) -> Alias:
    additional: AdditionalVersion | None = None
    if row["additional_number"] is not None:
        additional = AdditionalVersion(
            version=str(row["additional_number"]), weight=row["additional_weight"]
        )
    return Alias(
        function_name=row["function_name"],
        name=row["name"],
        version=version_text(row["version_number"]),
        description=row["description"],
        additional=additional,
        revision_id=row["revision_id"],
    )


def _row_values(alias: Alias) -> dict[str, object]:
    additional = alias.additional
    return {
        "version_number": version_number(alias.version),
        "description": alias.description,
        "additional_number": None if additional is None else version_number(additional.version),
        "additional_weight": None if additional is None else additional.weight,
        "revision_id": alias.revision_id,
    }
