"""Function URLs. Source: api.md sections 3.4 and 10.

A function and each of its aliases can have one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from lambd.control.context import ControlContext
from lambd.control.guards import missing, require_function, require_version
from lambd.control.versions import page_size
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import ConflictError
from lambd.model.function_controls import Cors, FunctionUrl, InvokeMode, UrlAuthType
from lambd.model.not_found import Missing
from lambd.store import function_urls as rows
from lambd.store.database import Connection
from lambd.store.paging import Page

_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrlChanges:
    """The members of Create or Update that a caller sent; None is absent."""

    function: FunctionReference
    auth_type: UrlAuthType | None = None
    invoke_mode: InvokeMode | None = None
    cors: Cors | None = None


def create_function_url(
    connection: Connection, context: ControlContext, changes: FunctionUrlChanges
) -> FunctionUrl:
    """Give a function or an alias a URL; its id is new each time.

    Raises:
        NotFoundError: there is no such function or alias.
        ConflictError: it has a URL.
    """
    name, qualifier = changes.function.name, changes.function.qualifier
    scope = qualifier or LATEST
    require_version(connection, context, "CreateFunctionUrlConfig", changes.function)
    if rows.get_url(connection, name, scope) is not None:
        raise ConflictError(
            "Failed to create function url config for [functionArn = "
            f"{context.scope.function_arn(name, qualifier)}]. Error message:  FunctionUrlConfig "
            "exists for this Lambda function"
        )
    url = FunctionUrl(
        id="".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH)),
        function_name=name,
        qualifier=scope,
        auth_type=changes.auth_type or UrlAuthType.NONE,
        invoke_mode=changes.invoke_mode,
        cors=changes.cors,
        created_at=context.now,
        last_modified=context.now,
    )
    rows.insert_url(connection, url)
    return url


def get_function_url(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> FunctionUrl:
    """The URL of a function or an alias.

    Raises:
        NotFoundError: there is none.
    """
    return _get_url(connection, context, "GetFunctionUrlConfig", reference)


def list_function_urls(
    connection: Connection,
    context: ControlContext,
    name: str,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[FunctionUrl]:
    """A page of the URLs of a function and its aliases.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the marker is none of ours.
    """
    reference = FunctionReference(name=name)
    require_function(connection, context, "ListFunctionUrlConfigs", reference)
    return rows.list_urls(connection, name, marker=marker, limit=page_size(context, max_items))


def update_function_url(
    connection: Connection, context: ControlContext, changes: FunctionUrlChanges
) -> FunctionUrl:
    """Change the members that were sent; `Cors` is replaced whole.

    Raises:
        NotFoundError: there is no such function, alias or URL.
    """
    operation = "UpdateFunctionUrlConfig"
    require_version(connection, context, operation, changes.function)
    url = _get_url(connection, context, operation, changes.function)
    changed = replace(
        url,
        auth_type=changes.auth_type or url.auth_type,
        invoke_mode=changes.invoke_mode or url.invoke_mode,
        cors=url.cors if changes.cors is None else changes.cors,
        last_modified=context.now,
    )
    rows.replace_url(connection, changed)
    return changed


def delete_function_url(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> None:
    """Remove the URL of a function or an alias.

    Raises:
        NotFoundError: there is none.
    """
    if not rows.delete_url(connection, reference.name, reference.qualifier or LATEST):
        raise missing(context, "DeleteFunctionUrlConfig", Missing.URL, reference)


def _get_url(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> FunctionUrl:
    url = rows.get_url(connection, reference.name, reference.qualifier or LATEST)
    if url is None:
        raise missing(context, operation, Missing.URL, reference)
    return url
