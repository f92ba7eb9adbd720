"""THE table: operation -> handler. A missing row is a clean 501 and a line in docs/coverage.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lambd.frontend import aliases, functions, invocations, layers
from lambd.frontend.lambda_api import Call, LambdaApi, Members

Handler = Callable[[LambdaApi, Call], Awaitable[Members]]

HANDLERS: Mapping[str, Handler] = {
    "AddLayerVersionPermission": layers.add_layer_version_permission,
    "CreateAlias": aliases.create_alias,
    "CreateFunction": functions.create_function,
    "DeleteAlias": aliases.delete_alias,
    "DeleteFunction": functions.delete_function,
    "DeleteLayerVersion": layers.delete_layer_version,
    "GetAlias": aliases.get_alias,
    "GetFunction": functions.get_function,
    "GetFunctionConfiguration": functions.get_function_configuration,
    "GetLayerVersion": layers.get_layer_version,
    "GetLayerVersionByArn": layers.get_layer_version_by_arn,
    "GetLayerVersionPolicy": layers.get_layer_version_policy,
    "Invoke": invocations.invoke,
    "InvokeAsync": invocations.invoke_async,
    "ListAliases": aliases.list_aliases,
    "ListFunctions": functions.list_functions,
    "ListLayerVersions": layers.list_layer_versions,
    "ListLayers": layers.list_layers,
    "ListTags": functions.list_tags,
    "ListVersionsByFunction": functions.list_versions_by_function,
    "PublishLayerVersion": layers.publish_layer_version,
    "PublishVersion": functions.publish_version,
    "RemoveLayerVersionPermission": layers.remove_layer_version_permission,
    "TagResource": functions.tag_resource,
    "UntagResource": functions.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateFunctionCode": functions.update_function_code,
    "UpdateFunctionConfiguration": functions.update_function_configuration,
}
