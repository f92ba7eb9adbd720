"""THE table: operation -> handler. A missing row is a clean 501 and a line in docs/coverage.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lambd.api import (
    aliases,
    function_urls,
    functions,
    invocations,
    invoke_config,
    layers,
    permissions,
)
from lambd.api import concurrency as scaling
from lambd.api.call import Call, LambdaApi, Members

# Gives the members of the reply when awaited; None: it replies through the call.
Handler = Callable[[LambdaApi, Call], Awaitable[Members] | None]

HANDLERS: Mapping[str, Handler] = {
    "AddLayerVersionPermission": layers.add_layer_version_permission,
    "AddPermission": permissions.add_permission,
    "CreateAlias": aliases.create_alias,
    "CreateFunction": functions.create_function,
    "CreateFunctionUrlConfig": function_urls.create_function_url_config,
    "DeleteAlias": aliases.delete_alias,
    "DeleteFunction": functions.delete_function,
    "DeleteFunctionConcurrency": scaling.delete_function_concurrency,
    "DeleteFunctionEventInvokeConfig": invoke_config.delete_function_event_invoke_config,
    "DeleteFunctionUrlConfig": function_urls.delete_function_url_config,
    "DeleteLayerVersion": layers.delete_layer_version,
    "DeleteProvisionedConcurrencyConfig": scaling.delete_provisioned_concurrency_config,
    "DeleteResourcePolicy": permissions.delete_resource_policy,
    "GetAccountSettings": scaling.get_account_settings,
    "GetAlias": aliases.get_alias,
    "GetFunction": functions.get_function,
    "GetFunctionConcurrency": scaling.get_function_concurrency,
    "GetFunctionConfiguration": functions.get_function_configuration,
    "GetFunctionEventInvokeConfig": invoke_config.get_function_event_invoke_config,
    "GetFunctionRecursionConfig": scaling.get_function_recursion_config,
    "GetFunctionUrlConfig": function_urls.get_function_url_config,
    "GetLayerVersion": layers.get_layer_version,
    "GetLayerVersionByArn": layers.get_layer_version_by_arn,
    "GetLayerVersionPolicy": layers.get_layer_version_policy,
    "GetPolicy": permissions.get_policy,
    "GetProvisionedConcurrencyConfig": scaling.get_provisioned_concurrency_config,
    "GetResourcePolicy": permissions.get_resource_policy,
    "GetRuntimeManagementConfig": scaling.get_runtime_management_config,
    "Invoke": invocations.invoke,
    "InvokeAsync": invocations.invoke_async,
    "InvokeWithResponseStream": invocations.invoke_with_response_stream,
    "ListAliases": aliases.list_aliases,
    "ListFunctionEventInvokeConfigs": invoke_config.list_function_event_invoke_configs,
    "ListFunctionUrlConfigs": function_urls.list_function_url_configs,
    "ListFunctions": functions.list_functions,
    "ListLayerVersions": layers.list_layer_versions,
    "ListLayers": layers.list_layers,
    "ListProvisionedConcurrencyConfigs": scaling.list_provisioned_concurrency_configs,
    "ListTags": functions.list_tags,
    "ListVersionsByFunction": functions.list_versions_by_function,
    "PublishLayerVersion": layers.publish_layer_version,
    "PublishVersion": functions.publish_version,
    "PutFunctionConcurrency": scaling.put_function_concurrency,
    "PutFunctionEventInvokeConfig": invoke_config.put_function_event_invoke_config,
    "PutFunctionRecursionConfig": scaling.put_function_recursion_config,
    "PutProvisionedConcurrencyConfig": scaling.put_provisioned_concurrency_config,
    "PutResourcePolicy": permissions.put_resource_policy,
    "PutRuntimeManagementConfig": scaling.put_runtime_management_config,
    "RemoveLayerVersionPermission": layers.remove_layer_version_permission,
    "RemovePermission": permissions.remove_permission,
    "TagResource": functions.tag_resource,
    "UntagResource": functions.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateFunctionCode": functions.update_function_code,
    "UpdateFunctionConfiguration": functions.update_function_configuration,
    "UpdateFunctionEventInvokeConfig": invoke_config.update_function_event_invoke_config,
    "UpdateFunctionUrlConfig": function_urls.update_function_url_config,
}
