"""Handlers of the operations on layers, their versions and their policies."""

from __future__ import annotations

import json

from lambd.api.call import Call, LambdaApi, Members
from lambd.api.function_shapes import timestamp
from lambd.api.uploads import receive_archive
from lambd.control import layer_permissions, layers
from lambd.control.guards import code_sha256_text
from lambd.control.layer_permissions import AddLayerPermissionRequest
from lambd.control.layers import PublishLayerVersionRequest
from lambd.model.layers import LayerPermission, LayerVersion, layer_arn
from lambd.store.layers import LayerFilter
from lambd.store.paging import Page


async def publish_layer_version(api: LambdaApi, call: Call) -> Members:
    """PublishLayerVersion: the content is stored before the row that refers to it."""
    params = call.params
    request = PublishLayerVersionRequest(
        layer=params["LayerName"],
        code=await receive_archive(api, params["Content"]),
        description=params.get("Description", ""),
        compatible_runtimes=_texts(params, "CompatibleRuntimes"),
        compatible_architectures=_texts(params, "CompatibleArchitectures"),
        license_info=params.get("LicenseInfo"),
    )
    version = await api.database.run(
        layers.publish_layer_version, api.context(call.principal), request
    )
    return _layer_version(api, version)


async def get_layer_version(api: LambdaApi, call: Call) -> Members:
    """GetLayerVersion."""
    params = call.params
    version = await api.database.read(
        layers.get_layer_version,
        api.context(call.principal),
        params["LayerName"],
        params["VersionNumber"],
    )
    return _layer_version(api, version)


async def get_layer_version_by_arn(api: LambdaApi, call: Call) -> Members:
    """GetLayerVersionByArn."""
    arn = call.params["Arn"]
    version = await api.database.read(
        layers.get_layer_version_by_arn, api.context(call.principal), arn
    )
    return _layer_version(api, version)


async def list_layers(api: LambdaApi, call: Call) -> Members:
    """ListLayers: each with its latest version that matches."""
    page = await api.database.read(
        layers.list_layers,
        api.context(call.principal),
        _filter(call.params),
        marker=call.params.get("Marker"),
        max_items=call.params.get("MaxItems"),
    )
    items = [
        {
            "LayerName": version.name,
            "LayerArn": layer_arn(api.scope, version.name),
            "LatestMatchingVersion": _listed_version(api, version),
        }
        for version in page.items
    ]
    return _listing("Layers", items, page)


async def list_layer_versions(api: LambdaApi, call: Call) -> Members:
    """ListLayerVersions: the newest first."""
    page = await api.database.read(
        layers.list_layer_versions,
        api.context(call.principal),
        call.params["LayerName"],
        _filter(call.params),
        marker=call.params.get("Marker"),
        max_items=call.params.get("MaxItems"),
    )
    items = [_listed_version(api, version) for version in page.items]
    return _listing("LayerVersions", items, page)


async def delete_layer_version(api: LambdaApi, call: Call) -> Members:
    """DeleteLayerVersion."""
    params = call.params
    await api.database.run(
        layers.delete_layer_version,
        api.context(call.principal),
        params["LayerName"],
        params["VersionNumber"],
    )
    return {}


async def add_layer_version_permission(api: LambdaApi, call: Call) -> Members:
    """AddLayerVersionPermission; the model lets no other action through than GetLayerVersion."""
    params = call.params
    permission = LayerPermission(
        statement_id=params["StatementId"],
        principal=params["Principal"],
        organization_id=params.get("OrganizationId"),
    )
    request = AddLayerPermissionRequest(
        layer=params["LayerName"],
        number=params["VersionNumber"],
        permission=permission,
        revision_id=params.get("RevisionId"),
    )
    context = api.context(call.principal)
    policy = await api.database.run(layer_permissions.add_layer_permission, context, request)
    name = layers.layer_name(context, request.layer, "")
    arn = layer_arn(api.scope, name, request.number)
    statement = permission.statement(arn, api.scope.partition)
    return {
        "Statement": json.dumps(statement, separators=(",", ":")),
        "RevisionId": policy.revision_id,
    }


async def get_layer_version_policy(api: LambdaApi, call: Call) -> Members:
    """GetLayerVersionPolicy."""
    params = call.params
    context = api.context(call.principal)
    policy = await api.database.read(
        layer_permissions.get_layer_policy, context, params["LayerName"], params["VersionNumber"]
    )
    name = layers.layer_name(context, params["LayerName"], "")
    arn = layer_arn(api.scope, name, params["VersionNumber"])
    return {
        "Policy": policy.document(arn, api.scope.partition),
        "RevisionId": policy.revision_id,
    }


async def remove_layer_version_permission(api: LambdaApi, call: Call) -> Members:
    """RemoveLayerVersionPermission."""
    params = call.params
    await api.database.run(
        layer_permissions.remove_layer_permission,
        api.context(call.principal),
        params["LayerName"],
        params["VersionNumber"],
        params["StatementId"],
        revision_id=params.get("RevisionId"),
    )
    return {}


def _layer_version(api: LambdaApi, version: LayerVersion) -> Members:
    """`GetLayerVersionResponse`, which is `PublishLayerVersionResponse` as well."""
    return {
        "Content": {
            "Location": api.code_link(version.code.sha256),
            "CodeSha256": code_sha256_text(version.code),
            "CodeSize": version.code.size_bytes,
        },
        "LayerArn": layer_arn(api.scope, version.name),
        **_listed_version(api, version),
    }


def _listed_version(api: LambdaApi, version: LayerVersion) -> Members:
    """`LayerVersionsListItem`; what was not declared is absent."""
    members: Members = {
        "LayerVersionArn": layer_arn(api.scope, version.name, version.number),
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": timestamp(version.created_at),
    }
    if version.compatible_runtimes is not None:
        members["CompatibleRuntimes"] = list(version.compatible_runtimes)
    if version.compatible_architectures is not None:
        members["CompatibleArchitectures"] = list(version.compatible_architectures)
    if version.license_info is not None:
        members["LicenseInfo"] = version.license_info
    return members


def _texts(params: Members, member: str) -> tuple[str, ...] | None:
    return tuple(params[member]) if member in params else None


def _filter(params: Members) -> LayerFilter:
    return LayerFilter(
        runtime=params.get("CompatibleRuntime"),
        architecture=params.get("CompatibleArchitecture"),
    )


def _listing(member: str, items: list[Members], page: Page[LayerVersion]) -> Members:
    reply: Members = {member: items}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply
