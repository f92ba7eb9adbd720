"""Resource policies of functions. Source: api.md sections 3.4 and 9; texts not recorded are marked.

A scope (the unqualified function, a version, an alias) has one document. AddPermission appends a
statement to it, PutResourcePolicy replaces it whole. Each change of the policy renews its RevisionId
and that of the scope; other changes of the scope, such as PublishVersion, leave the policy's alone.

AWS's PublicPolicyException has no case here: it needs a block of public access, which no operation
of this API sets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from lambd.control.context import ControlContext
from lambd.control.guards import missing, require_function
from lambd.model.arns import (
    LATEST,
    FunctionReference,
    is_alias_name,
    parse_function_reference,
)
from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    PolicyLengthExceededError,
    PreconditionFailedError,
)
from lambd.model.not_found import Missing
from lambd.model.policies import (
    ANYONE,
    PRINCIPAL_ARN,
    SERVICE_PRINCIPAL,
    MalformedPolicyError,
    parse_document,
    parse_policy,
)
from lambd.store import policies as rows
from lambd.store import qualified as scopes
from lambd.store.database import Connection

_URL_ACTION = "lambda:InvokeFunctionUrl"
_ACCOUNT = re.compile(r"[0-9]{12}")

# A statement or a document as JSON.
_Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPermissionRequest:
    """`AddPermission`; None is absent."""

    function: FunctionReference
    statement_id: str
    action: str
    principal: str
    source_arn: str | None = None
    source_account: str | None = None
    event_source_token: str | None = None
    principal_org_id: str | None = None
    function_url_auth_type: str | None = None
    invoked_via_function_url: bool | None = None
    revision_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDescription:
    """A scope's document as JSON text, and the scope's RevisionId."""

    document: str
    revision_id: str


def add_permission(
    connection: Connection, context: ControlContext, request: AddPermissionRequest
) -> str:
    """Append a statement to the policy of a scope; returns the statement as JSON.

    Raises:
        NotFoundError: there is no such function, version or alias.
        InvalidParameterError: the scope is `$LATEST`, or the statement is not valid.
        PreconditionFailedError: another `RevisionId` was given than the scope has.
        ConflictError: the policy has a statement with this id.
        PolicyLengthExceededError: the policy would be too long.
    """
    name, qualifier = request.function.name, request.function.qualifier
    _refuse_latest(qualifier)
    revision_id = _require_scope(connection, context, "AddPermission", request.function)
    _check_revision(request.revision_id, revision_id)
    statement = _statement(context, request)
    scope = qualifier or LATEST
    document = _load(rows.get_policy(connection, name, scope))
    statements = _statements(document)
    if any(item.get("Sid") == request.statement_id for item in statements):
        raise ConflictError(
            f"The statement id ({request.statement_id}) provided already exists. Please provide a "
            "new statement id, or remove the existing statement."
        )
    _store(connection, context, name, scope, {**document, "Statement": [*statements, statement]})
    return _dump(statement)


def remove_permission(
    connection: Connection,
    context: ControlContext,
    reference: FunctionReference,
    statement_id: str,
    revision_id: str | None = None,
) -> None:
    """Take a statement out of the policy of a scope; the last one takes the policy with it.

    Raises:
        NotFoundError: there is no such function, policy or statement.
        PreconditionFailedError: another `RevisionId` was given than the scope has.
    """
    name, scope = reference.name, reference.qualifier or LATEST
    operation = "RemovePermission"
    current = _require_scope(connection, context, operation, reference)
    stored = rows.get_policy(connection, name, scope)
    if stored is None:
        raise missing(context, operation, Missing.POLICY, reference)
    document = _load(stored)
    statements = _statements(document)
    remaining = [item for item in statements if item.get("Sid") != statement_id]
    if len(remaining) == len(statements):
        raise missing(context, operation, Missing.STATEMENT, reference, statement_id=statement_id)
    _check_revision(revision_id, current)
    if remaining:
        _store(connection, context, name, scope, {**document, "Statement": remaining})
    else:
        _drop(connection, name, scope)


def get_policy(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> PolicyDescription:
    """The policy of a scope.

    Raises:
        NotFoundError: there is no such function, version or alias, or it has no policy.
    """
    return _get_policy(connection, context, "GetPolicy", reference)


# --- whole documents --------------------------------------------------------------------------


def put_resource_policy(
    connection: Connection,
    context: ControlContext,
    resource_arn: str,
    policy: str,
    revision_id: str | None = None,
) -> PolicyDescription:
    """Replace the policy of a scope by a document, whatever is there.

    Raises:
        NotFoundError: there is no such resource.
        InvalidParameterError: the ARN is no function's, or the document is not valid.
        PreconditionFailedError: another `RevisionId` was given than the scope has.
        PolicyLengthExceededError: the policy is too long.
    """
    reference = _policy_resource(context, resource_arn)
    current = _require_scope(connection, context, "PutResourcePolicy", reference)
    _check_revision(revision_id, current)
    document = _checked_document(policy, resource_arn)
    name, scope = reference.name, reference.qualifier or LATEST
    stored = _store(connection, context, name, scope, document)
    return PolicyDescription(
        document=stored,
        revision_id=_require_scope(connection, context, "PutResourcePolicy", reference),
    )


def get_resource_policy(
    connection: Connection, context: ControlContext, resource_arn: str
) -> PolicyDescription:
    """The policy of a scope, by ARN.

    Raises:
        NotFoundError: there is no such resource, or it has no policy.
        InvalidParameterError: the ARN is no function's.
    """
    reference = _policy_resource(context, resource_arn)
    return _get_policy(connection, context, "GetResourcePolicy", reference)


def delete_resource_policy(
    connection: Connection,
    context: ControlContext,
    resource_arn: str,
    revision_id: str | None = None,
) -> None:
    """Remove the policy of a scope.

    Raises:
        NotFoundError: there is no such resource, or it has no policy.
        InvalidParameterError: the ARN is no function's.
        PreconditionFailedError: another `RevisionId` was given than the scope has.
    """
    reference = _policy_resource(context, resource_arn)
    found = _get_policy(connection, context, "DeleteResourcePolicy", reference)
    _check_revision(revision_id, found.revision_id)
    _drop(connection, reference.name, reference.qualifier or LATEST)


def _policy_resource(context: ControlContext, resource_arn: str) -> FunctionReference:
    if ":runtime/" in resource_arn:
        raise InvalidParameterError("ResourceArn: runtimes are not supported by lambd yet")
    reference = parse_function_reference(resource_arn, context.scope)
    _refuse_latest(reference.qualifier)
    return reference


def _checked_document(policy: str, resource_arn: str) -> _Json:
    try:
        parsed = parse_policy(policy)
    except MalformedPolicyError as error:
        raise InvalidParameterError(f"The provided policy is invalid: {error}") from None  # [K]
    for statement in parsed.statements:
        for resource in statement.resources:
            # Anything else would be a statement about nothing: the policy is only looked at for
            # this function.
            if resource not in (ANYONE, resource_arn) and not resource.startswith(
                f"{resource_arn}:"
            ):
                raise InvalidParameterError(  # [K]
                    f"The provided policy is invalid: Resource {resource} is not {resource_arn}."
                )
    return cast("_Json", json.loads(policy))


# --- statements -------------------------------------------------------------------------------


def _statement(context: ControlContext, request: AddPermissionRequest) -> _Json:
    """The statement that AddPermission writes; the order of members is AWS's."""
    is_url_action = request.action in (_URL_ACTION, "lambda:*", "*")
    if request.function_url_auth_type is not None and not is_url_action:
        raise InvalidParameterError(
            f"FunctionUrlAuthType is only supported for {_URL_ACTION} action"
        )
    statement: _Json = {
        "Sid": request.statement_id,
        "Effect": "Allow",
        "Principal": _principal(context, request.principal),
        "Action": request.action,
        "Resource": context.scope.function_arn(request.function.name, request.function.qualifier),
    }
    conditions = _conditions(request)
    if conditions:
        statement["Condition"] = conditions
    return statement


def _principal(context: ControlContext, principal: str) -> str | Mapping[str, str]:
    if principal == ANYONE:
        return ANYONE
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:{context.scope.partition}:iam::{principal}:root"}
    if PRINCIPAL_ARN.fullmatch(principal):
        return {"AWS": principal}
    if SERVICE_PRINCIPAL.fullmatch(principal):
        return {"Service": principal}
    raise InvalidParameterError(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _conditions(request: AddPermissionRequest) -> dict[str, dict[str, str]]:
    via_url = request.invoked_via_function_url
    wanted = (
        ("StringEquals", "AWS:SourceAccount", request.source_account),
        ("StringEquals", "aws:PrincipalOrgID", request.principal_org_id),
        ("StringEquals", "lambda:EventSourceToken", request.event_source_token),
        ("StringEquals", "lambda:FunctionUrlAuthType", request.function_url_auth_type),
        ("Bool", "lambda:InvokedViaFunctionUrl", None if via_url is None else str(via_url).lower()),
        ("ArnLike", "AWS:SourceArn", request.source_arn),
    )
    conditions: dict[str, dict[str, str]] = {}
    for operator, key, value in wanted:
        if value is not None:
            conditions.setdefault(operator, {})[key] = value
    return conditions


# --- documents in the store -------------------------------------------------------------------


def _load(document: str | None) -> _Json:
    if document is None:
        return {"Version": "2012-10-17", "Id": "default", "Statement": []}
    return cast("_Json", json.loads(document))


def _statements(document: _Json) -> list[_Json]:
    statements = document["Statement"]
    return cast("list[_Json]", statements if isinstance(statements, list) else [statements])


def _dump(document: _Json) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _store(
    connection: Connection, context: ControlContext, name: str, scope: str, document: _Json
) -> str:
    """Store a document that fits, under a new RevisionId of its scope; returns its text."""
    text = _dump(document)
    size, limit = len(text.encode()), context.limits.resource_policy_bytes
    if size > limit:
        raise PolicyLengthExceededError(
            f"The final policy size ({size}) is bigger than the limit ({limit})."
        )
    try:
        parse_document(document)
    except MalformedPolicyError as error:
        raise InvalidParameterError(str(error)) from None
    revision_id = scopes.touch_qualified(connection, name, scope)
    rows.put_policy(connection, name, scope, text, revision_id)
    return text


def _drop(connection: Connection, name: str, scope: str) -> None:
    rows.delete_policy(connection, name, scope)
    scopes.touch_qualified(connection, name, scope)


def _refuse_latest(qualifier: str | None) -> None:
    if qualifier == LATEST:
        raise InvalidParameterError("We currently do not support adding policies for $LATEST.")


def _get_policy(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> PolicyDescription:
    revision_id = _require_scope(connection, context, operation, reference)
    document = rows.get_policy(connection, reference.name, reference.qualifier or LATEST)
    if document is None:
        raise missing(context, operation, Missing.POLICY, reference)
    return PolicyDescription(document=document, revision_id=revision_id)


def _require_scope(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> str:
    """The RevisionId of a scope's policy, or its own without one; it must exist.

    The function itself is looked for first.
    """
    require_function(connection, context, operation, reference)
    qualifier = reference.qualifier or LATEST
    revision_id = scopes.qualified_revision(connection, reference.name, qualifier)
    if revision_id is None:
        what = Missing.ALIAS if is_alias_name(qualifier) else Missing.VERSION
        raise missing(context, operation, what, reference)
    return rows.get_revision(connection, reference.name, qualifier) or revision_id


def _check_revision(given: str | None, current: str) -> None:
    if given and given != current:
        raise PreconditionFailedError(
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy "
            "API to retrieve the latest Revision Id"
        )
