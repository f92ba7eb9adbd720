"""Scopes of a function: `$LATEST` (also the unqualified function), its versions, its aliases.

What they have in common: a RevisionId, which changes with whatever hangs on the scope, and rows of
their own in the tables of `tables_controls.py`, which go with them.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Table, and_, delete, update

from lambd.model.arns import LATEST, is_alias_name
from lambd.store import aliases as alias_rows
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.functions import get_version
from lambd.store.tables import function_versions
from lambd.store.tables_controls import QUALIFIED
from lambd.telemetry.ids import new_id


def qualified_revision(connection: Connection, name: str, qualifier: str) -> str | None:
    """The RevisionId of a scope; None when there is no such function, version or alias."""
    if is_alias_name(qualifier):
        alias = alias_rows.get_alias(connection, name, qualifier)
        return None if alias is None else alias.revision_id
    version = get_version(connection, name, qualifier)
    return None if version is None else version.revision_id


def touch_qualified(connection: Connection, name: str, qualifier: str) -> str:
    """Give a scope that exists a new RevisionId, and return that."""
    revision_id = new_id()
    if is_alias_name(qualifier):
        alias = alias_rows.get_alias(connection, name, qualifier)
        if alias is not None:
            alias_rows.replace_alias(connection, replace(alias, revision_id=revision_id))
    else:
        number = 0 if qualifier == LATEST else int(qualifier)
        where = and_(
            function_versions.c.function_name == name, function_versions.c.number == number
        )
        connection.execute(update(function_versions).where(where).values(revision_id=revision_id))
        notify(connection, FunctionChanged(name=name))
    return revision_id


def is_scope(table: Table, name: str, qualifier: str) -> ColumnElement[bool]:
    """The row of one scope in one of its tables."""
    return and_(table.c.function_name == name, table.c.qualifier == qualifier)


def delete_scope_rows(connection: Connection, name: str, qualifier: str) -> None:
    """Remove all that hangs on a version or an alias that is being deleted."""
    for table in QUALIFIED:
        connection.execute(delete(table).where(is_scope(table, name, qualifier)))
