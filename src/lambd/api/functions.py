"""Handlers of the operations on functions, their versions and their tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambd.api.call import Call, LambdaApi, Members
from lambd.api.function_shapes import (
    configuration,
    configuration_changes,
    listed_configuration,
    requested_qualifier,
)
from lambd.api.uploads import receive_archive
from lambd.control import functions, tags, versions
from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    UpdateConfigurationRequest,
)
from lambd.control.versions import PublishVersionRequest
from lambd.model.arns import (
    FunctionReference,
    parse_function_reference,
    parse_latest,
    parse_new_name,
    parse_unqualified,
)
from lambd.model.functions import FunctionVersion
from lambd.store.paging import Page

_T = TypeVar("_T")


async def create_function(api: LambdaApi, call: Call) -> Members:
    """CreateFunction: the code is stored before the row that refers to it."""
    params = call.params
    name = parse_new_name(params["FunctionName"], api.scope)
    request = CreateFunctionRequest(
        name=name,
        role=params["Role"],
        code=await receive_archive(api, params["Code"]),
        configuration=configuration_changes(params),
        layers=params.get("Layers", ()),
        tags=params.get("Tags", {}),
        publish=params.get("Publish", False),
    )
    made = await api.database.run(functions.create_function, api.context(call.principal), request)
    # Unqualified even when it is version 1 that the reply shows [L].
    return await configuration(api, made, arn_qualifier=None)


async def get_function(api: LambdaApi, call: Call) -> Members:
    """GetFunction: configuration, a link to the code, tags."""
    reference = _reference(api, call.params)
    found = await api.database.read(functions.get_function, api.context(call.principal), reference)
    version = found.version
    reply: Members = {
        "Configuration": await configuration(
            api, version, arn_qualifier=requested_qualifier(version, reference.qualifier)
        ),
        "Code": {
            "RepositoryType": "S3",
            "Location": api.code_link(version.code.sha256),
        },
    }
    if found.reserved_concurrency is not None:
        reply["Concurrency"] = {"ReservedConcurrentExecutions": found.reserved_concurrency}
    if found.tags:
        reply["Tags"] = dict(found.tags)
    return reply


async def get_function_configuration(api: LambdaApi, call: Call) -> Members:
    """GetFunctionConfiguration."""
    reference = _reference(api, call.params)
    version = await api.database.read(
        functions.get_configuration, api.context(call.principal), reference
    )
    return await configuration(
        api, version, arn_qualifier=requested_qualifier(version, reference.qualifier)
    )


async def list_functions(api: LambdaApi, call: Call) -> Members:
    """ListFunctions: `$LATEST` of each, or every version with FunctionVersion=ALL."""
    params = call.params
    if params.get("MasterRegion") not in (None, "ALL", api.scope.region):
        # Lambda@Edge replicas, of which there are none.
        return {"Functions": []}
    all_versions = params.get("FunctionVersion") == "ALL"
    page = await api.database.read(
        functions.list_functions,
        api.context(call.principal),
        all_versions=all_versions,
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    return _listing(
        "Functions",
        page,
        lambda version: listed_configuration(
            api, version, arn_qualifier=version.version if all_versions else None
        ),
    )


async def update_function_code(api: LambdaApi, call: Call) -> Members:
    """UpdateFunctionCode; a dry run stores nothing."""
    params = call.params
    name = parse_latest(params["FunctionName"], api.scope)
    dry_run = params.get("DryRun", False)
    architectures = params.get("Architectures")
    request = UpdateCodeRequest(
        name=name,
        code=await receive_archive(api, params, store=not dry_run),
        architectures=tuple(architectures) if architectures else None,
        publish=params.get("Publish", False),
        dry_run=dry_run,
        revision_id=params.get("RevisionId"),
    )
    updated = await api.database.run(functions.update_code, api.context(call.principal), request)
    return await configuration(api, updated, arn_qualifier=requested_qualifier(updated, None))


async def update_function_configuration(api: LambdaApi, call: Call) -> Members:
    """UpdateFunctionConfiguration: absent members stay as they are."""
    params = call.params
    request = UpdateConfigurationRequest(
        name=parse_latest(params["FunctionName"], api.scope),
        changes=configuration_changes(params),
        layers=params.get("Layers"),
        revision_id=params.get("RevisionId"),
    )
    updated = await api.database.run(
        functions.update_configuration, api.context(call.principal), request
    )
    return await configuration(api, updated, arn_qualifier=None)


async def delete_function(api: LambdaApi, call: Call) -> Members:
    """DeleteFunction: 204 and no body, as recorded from AWS."""
    reference = _reference(api, call.params)
    await api.database.run(functions.delete_function, api.context(call.principal), reference)
    return {"StatusCode": 204}


async def publish_version(api: LambdaApi, call: Call) -> Members:
    """PublishVersion."""
    params = call.params
    request = PublishVersionRequest(
        name=parse_latest(params["FunctionName"], api.scope),
        code_sha256=params.get("CodeSha256"),
        description=params.get("Description"),
        revision_id=params.get("RevisionId"),
    )
    version = await api.database.run(versions.publish_version, api.context(call.principal), request)
    return await configuration(api, version, arn_qualifier=version.version)


async def list_versions_by_function(api: LambdaApi, call: Call) -> Members:
    """ListVersionsByFunction: `$LATEST` first, then ascending, each with its qualified ARN."""
    params = call.params
    page = await api.database.read(
        versions.list_versions,
        api.context(call.principal),
        parse_unqualified(params["FunctionName"], api.scope),
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    return _listing(
        "Versions",
        page,
        lambda version: listed_configuration(api, version, arn_qualifier=version.version),
    )


async def tag_resource(api: LambdaApi, call: Call) -> Members:
    """TagResource."""
    params = call.params
    await api.database.run(
        tags.tag_resource, api.context(call.principal), params["Resource"], params["Tags"]
    )
    return {}


async def untag_resource(api: LambdaApi, call: Call) -> Members:
    """UntagResource."""
    params = call.params
    await api.database.run(
        tags.untag_resource, api.context(call.principal), params["Resource"], params["TagKeys"]
    )
    return {}


async def list_tags(api: LambdaApi, call: Call) -> Members:
    """ListTags."""
    resource = call.params["Resource"]
    return {"Tags": await api.database.read(tags.list_tags, api.context(call.principal), resource)}


def _reference(api: LambdaApi, params: Members) -> FunctionReference:
    return parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))


def _listing(
    member: str, page: Page[FunctionVersion], shape: Callable[[FunctionVersion], Members]
) -> Members:
    reply: Members = {member: [shape(item) for item in page.items]}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply
