"""Resource policies of functions, as the JSON documents that callers read."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.qualified import is_scope
from lambd.store.tables_controls import resource_policies


def get_policy(connection: Connection, name: str, qualifier: str) -> str | None:
    """The document of a scope."""
    query = select(resource_policies.c.document).where(is_scope(resource_policies, name, qualifier))
    return connection.execute(query).scalar_one_or_none()


def get_revision(connection: Connection, name: str, qualifier: str) -> str | None:
    """The document's own RevisionId; None without a document, or where it is the scope's."""
    query = select(resource_policies.c.revision_id).where(
        is_scope(resource_policies, name, qualifier)
    )
    return connection.execute(query).scalar_one_or_none()


def put_policy(
    connection: Connection, name: str, qualifier: str, document: str, revision_id: str
) -> None:
    """Store a document in place of the one that may be there."""
    delete_policy(connection, name, qualifier)
    connection.execute(
        insert(resource_policies).values(
            function_name=name, qualifier=qualifier, document=document, revision_id=revision_id
        )
    )


def delete_policy(connection: Connection, name: str, qualifier: str) -> None:
    """Remove the document that may be there."""
    connection.execute(
        delete(resource_policies).where(is_scope(resource_policies, name, qualifier))
    )
    notify(connection, FunctionChanged(name=name))


def list_policies(connection: Connection, name: str) -> dict[str, str]:
    """All documents of a function, by qualifier."""
    query = select(resource_policies.c.qualifier, resource_policies.c.document).where(
        resource_policies.c.function_name == name
    )
    return {qualifier: document for qualifier, document in connection.execute(query)}  # noqa: C416 - typed rows
