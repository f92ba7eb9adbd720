"""Layers: publish, read, list, delete. Source: api.md sections 3.4, 12 and 14.

What functions do with layers is in `function_layers.py`, who may use one in `layer_permissions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambd.control.context import ControlContext
from lambd.control.guards import require_code_storage
from lambd.control.versions import page_size
from lambd.model.errors import AccessDeniedError, InvalidParameterError, NotFoundError
from lambd.model.functions import Code
from lambd.model.layers import LayerVersion, parse_layer_arn
from lambd.model.not_found import Missing, Named, not_found
from lambd.store import layers as rows
from lambd.store.database import Connection
from lambd.store.layers import LayerFilter
from lambd.store.paging import Page

# What is in another region reads the same as what is nowhere.
_NOT_FOUND = "The resource you requested does not exist."


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishLayerVersionRequest:
    """`PublishLayerVersion`; the content has been received into the blob store."""

    layer: str
    code: Code
    description: str = ""
    # None: not sent.
    compatible_runtimes: tuple[str, ...] | None = None
    compatible_architectures: tuple[str, ...] | None = None
    license_info: str | None = None


def publish_layer_version(
    connection: Connection, context: ControlContext, request: PublishLayerVersionRequest
) -> LayerVersion:
    """Add a version to a layer, which is there from its first version on.

    Raises:
        AccessDeniedError, NotFoundError: as `layer_name`.
        CodeStorageExceededError: no room for the content.
    """
    name = layer_name(context, request.layer, "lambda:PublishLayerVersion")
    require_code_storage(connection, context, request.code.size_bytes)
    return rows.insert_version(
        connection,
        name=name,
        code=request.code,
        created_at=context.now,
        description=request.description,
        compatible_runtimes=request.compatible_runtimes,
        compatible_architectures=request.compatible_architectures,
        license_info=request.license_info,
    )


def get_layer_version(
    connection: Connection, context: ControlContext, layer: str, number: int
) -> LayerVersion:
    """A version.

    Raises:
        InvalidParameterError: the number is below 1.
        NotFoundError: there is no such version.
        AccessDeniedError: as `layer_name`.
    """
    _check_number(number)
    name = layer_name(context, layer, "lambda:GetLayerVersion")
    version = rows.get_version(connection, name, number)
    if version is None:
        raise not_found("GetLayerVersion", Missing.LAYER_VERSION, Named())
    return version


def get_layer_version_by_arn(
    connection: Connection, context: ControlContext, arn: str
) -> LayerVersion:
    """A version by its ARN.

    Raises:
        NotFoundError: there is no such version.
        AccessDeniedError: as `layer_name`.
    """
    parsed = parse_layer_arn(arn)
    # AWS's own layers, `arn:aws:lambda:::awslayer:<name>`, are nowhere but there.
    if parsed is None or not parsed.number:
        raise not_found("GetLayerVersionByArn", Missing.LAYER_VERSION, Named())
    name = layer_name(context, arn.rpartition(":")[0], "lambda:GetLayerVersion")
    return get_layer_version(connection, context, name, parsed.number)


def list_layers(
    connection: Connection,
    context: ControlContext,
    matching: LayerFilter,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[LayerVersion]:
    """A page of layers by name: of each the latest version that matches; others are left out.

    Raises:
        InvalidParameterError: the marker is none of ours.
    """
    limit = page_size(context, max_items)
    return rows.list_layers(connection, matching, marker=marker, limit=limit)


def list_layer_versions(
    connection: Connection,
    context: ControlContext,
    layer: str,
    matching: LayerFilter,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[LayerVersion]:
    """A page of a layer's versions, the newest first; none of a layer that is not there.

    Raises:
        AccessDeniedError, NotFoundError: as `layer_name`.
        InvalidParameterError: the marker is none of ours.
    """
    name = layer_name(context, layer, "lambda:ListLayerVersions")
    limit = page_size(context, max_items)
    return rows.list_versions(connection, name, matching, marker=marker, limit=limit)


def delete_layer_version(
    connection: Connection, context: ControlContext, layer: str, number: int
) -> None:
    """Delete a version, if it is there; functions that use it go on using it.

    Raises:
        InvalidParameterError: the number is below 1.
        AccessDeniedError, NotFoundError: as `layer_name`.
    """
    _check_number(number)
    name = layer_name(context, layer, "lambda:DeleteLayerVersion")
    rows.delete_version(connection, name, number)


def layer_name(context: ControlContext, layer: str, action: str) -> str:
    """The name of a layer that a caller named, or gave the ARN of.

    Raises:
        AccessDeniedError: it is another account's.
        NotFoundError: it is in another region.
    """
    parsed = parse_layer_arn(layer)
    if parsed is None:
        return layer
    scope = context.scope
    if (parsed.partition, parsed.account_id) != (scope.partition, scope.account_id):
        raise not_authorized(context, layer, action)
    if parsed.region != scope.region:
        raise NotFoundError(_NOT_FOUND)
    return parsed.name


def not_authorized(context: ControlContext, arn: str, action: str) -> AccessDeniedError:
    """What a caller reads of a layer in another account."""
    scope = context.scope
    return AccessDeniedError(
        f"User: arn:{scope.partition}:iam::{scope.account_id}:root is not authorized to perform: "
        f"{action} on resource: {arn} because no resource-based policy allows the {action} action"
    )


def _check_number(number: int) -> None:
    if number < 1:
        raise InvalidParameterError("Layer Version Cannot be less than 1")
