"""Who may use a layer version: the statements of its policy. Source: api.md sections 3.4 and 9.

A platform has one account, so that nobody else asks yet; the policy is kept and shown as AWS does.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambd.control.context import ControlContext
from lambd.control.layers import layer_name
from lambd.model.errors import (
    ConflictError,
    PolicyLengthExceededError,
    PreconditionFailedError,
)
from lambd.model.layers import LayerPermission, LayerPolicy, LayerVersion, layer_arn
from lambd.model.not_found import Missing, Named, not_found
from lambd.store import layers as rows
from lambd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLayerPermissionRequest:
    """`AddLayerVersionPermission`; its action can only be one."""

    layer: str
    number: int
    permission: LayerPermission
    revision_id: str | None = None


def add_layer_permission(
    connection: Connection, context: ControlContext, request: AddLayerPermissionRequest
) -> LayerPolicy:
    """Add a statement; returns the policy, in which it is the last.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: there is a statement of this id.
        PreconditionFailedError: another `RevisionId` was given than the policy has.
        PolicyLengthExceededError: the policy would be too large.
        AccessDeniedError: as `layer_name`.
    """
    version = _require(
        connection, context, "AddLayerVersionPermission", request.layer, request.number
    )
    policy = rows.get_policy(connection, version.name, version.number)
    permissions = () if policy is None else policy.permissions
    statement_id = request.permission.statement_id
    if any(each.statement_id == statement_id for each in permissions):
        raise ConflictError(
            f"The statement id ({statement_id}) provided already exists. Please provide a new "
            "statement id, or remove the existing statement."
        )
    _check_revision(policy, request.revision_id)
    permissions = (*permissions, request.permission)
    made = LayerPolicy(permissions=permissions, revision_id="")
    arn = layer_arn(context.scope, version.name, version.number)
    size = len(made.document(arn, context.scope.partition).encode())
    limit = context.limits.resource_policy_bytes
    if size > limit:
        raise PolicyLengthExceededError(
            f"The final policy size ({size}) is bigger than the limit ({limit})."
        )
    revision_id = rows.put_permissions(connection, version.name, version.number, permissions)
    return LayerPolicy(permissions=permissions, revision_id=revision_id)


def get_layer_policy(
    connection: Connection, context: ControlContext, layer: str, number: int
) -> LayerPolicy:
    """The policy of a version.

    Raises:
        NotFoundError: there is no such version, or it has no policy.
        AccessDeniedError: as `layer_name`.
    """
    operation = "GetLayerVersionPolicy"
    version = _require(connection, context, operation, layer, number)
    policy = rows.get_policy(connection, version.name, version.number)
    if policy is None:
        raise not_found(operation, Missing.POLICY, Named())
    return policy


def remove_layer_permission(
    connection: Connection,
    context: ControlContext,
    layer: str,
    number: int,
    statement_id: str,
    *,
    revision_id: str | None = None,
) -> None:
    """Remove a statement.

    Raises:
        NotFoundError: there is no such version, or no such statement.
        PreconditionFailedError: another `RevisionId` was given than the policy has.
        AccessDeniedError: as `layer_name`.
    """
    operation = "RemoveLayerVersionPermission"
    version = _require(connection, context, operation, layer, number)
    policy = rows.get_policy(connection, version.name, version.number)
    _check_revision(policy, revision_id)
    permissions = () if policy is None else policy.permissions
    left = tuple(each for each in permissions if each.statement_id != statement_id)
    if left == permissions:
        raise not_found(operation, Missing.STATEMENT, Named(statement_id=statement_id))
    rows.put_permissions(connection, version.name, version.number, left)


def _require(
    connection: Connection, context: ControlContext, operation: str, layer: str, number: int
) -> LayerVersion:
    name = layer_name(context, layer, f"lambda:{operation}")
    version = rows.get_version(connection, name, number)
    if version is None:
        named = Named(resource=layer_arn(context.scope, name, number))
        raise not_found(operation, Missing.LAYER_VERSION, named)
    return version


def _check_revision(policy: LayerPolicy | None, revision_id: str | None) -> None:
    if revision_id and (policy is None or policy.revision_id != revision_id):
        raise PreconditionFailedError(
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetLayerPolicy API to retrieve the latest Revision Id"
        )
