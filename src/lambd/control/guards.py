"""What must hold before a function is shown or changed; AWS's refusals where it does not.

Source: api.md sections 3.4, 4, 6 and 7.
"""

from __future__ import annotations

import base64

from lambd.control.context import ControlContext
from lambd.model.arns import LATEST, FunctionReference, is_alias_name
from lambd.model.errors import (
    CodeStorageExceededError,
    ConflictError,
    PlatformError,
    PreconditionFailedError,
)
from lambd.model.functions import Code, FunctionVersion, State, UpdateStatus
from lambd.model.not_found import NOT_FOUND, Missing, Named, not_found
from lambd.store import contents
from lambd.store.aliases import find_version
from lambd.store.database import Connection


def require_version(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> FunctionVersion:
    """The version that a caller named: `$LATEST` without a qualifier, an alias's main version.

    Raises:
        NotFoundError: there is none; the text is the operation's own.
    """
    version = find_version(connection, reference.name, reference.qualifier)
    if version is None:
        raise missing(
            context, operation, _missing_scope(connection, operation, reference), reference
        )
    return version


def require_function(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> FunctionVersion:
    """`$LATEST` of the function that a caller named, whatever the qualifier.

    Raises:
        NotFoundError: there is none; the text is the operation's own.
    """
    latest = find_version(connection, reference.name, None)
    if latest is None:
        raise missing(context, operation, Missing.FUNCTION, reference)
    return latest


def missing(
    context: ControlContext,
    operation: str,
    what: Missing,
    reference: FunctionReference,
    *,
    statement_id: str = "",
) -> PlatformError:
    """What an operation answers when something of a function is not there."""
    arn, name = context.scope.function_arn, reference.name
    named = Named(
        function=arn(name),
        resource=arn(name, reference.qualifier),
        scope=arn(name, reference.qualifier or LATEST),
        statement_id=statement_id,
    )
    return not_found(operation, what, named)


def _missing_scope(connection: Connection, operation: str, reference: FunctionReference) -> Missing:
    """Whether it is the function that is missing, where the operation looks for that."""
    rows, qualifier = NOT_FOUND[operation], reference.qualifier
    if Missing.FUNCTION in rows and find_version(connection, reference.name, None) is None:
        return Missing.FUNCTION
    is_alias = qualifier is not None and is_alias_name(qualifier)
    return Missing.ALIAS if is_alias else Missing.VERSION


def require_changeable(
    connection: Connection,
    context: ControlContext,
    operation: str,
    name: str,
    revision_id: str | None,
) -> FunctionVersion:
    """`$LATEST` of a function that may be changed now, by a caller who saw this revision.

    Raises:
        NotFoundError: there is no such function.
        ConflictError: it is being created, has failed, or is being updated.
        PreconditionFailedError: another `RevisionId` was given than `$LATEST` has.
    """
    latest = require_version(connection, context, operation, FunctionReference(name=name))
    if latest.state is not State.ACTIVE:
        raise ConflictError(
            "The operation cannot be performed at this time. The function is currently in the "
            f"following state: {latest.state.value}"
        )
    refuse_during_update(latest, context)
    if revision_id and revision_id != latest.revision_id:
        raise PreconditionFailedError(
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
    return latest


def refuse_during_update(latest: FunctionVersion, context: ControlContext) -> None:
    """Raise ConflictError while an update of the function is in progress."""
    if latest.update_status is UpdateStatus.IN_PROGRESS:
        arn = context.scope.function_arn(latest.name)
        raise ConflictError(
            "The operation cannot be performed at this time. An update is in progress for "
            f"resource: {arn}"
        )


def require_code_storage(connection: Connection, context: ControlContext, more_bytes: int) -> None:
    """Raise CodeStorageExceededError if the account cannot hold so much more code."""
    if more_bytes <= 0:
        return
    if contents.code_storage_bytes(connection) + more_bytes > context.limits.code_storage_bytes:
        raise CodeStorageExceededError("Code storage limit exceeded.")


def code_sha256_text(code: Code) -> str:
    """`CodeSha256` as the API writes it: base64 of the digest."""
    return base64.b64encode(bytes.fromhex(code.sha256)).decode()
