"""Handlers of the operations on concurrency, recursion and runtime management."""

from __future__ import annotations

from contextlib import suppress

from lambd.api.call import Call, LambdaApi, Members
from lambd.control import concurrency as scaling
from lambd.control import provisioned
from lambd.model.arns import LATEST, FunctionReference, parse_function_reference, parse_unqualified
from lambd.model.function_controls import RecursiveLoop, RuntimeManagement, UpdateRuntimeOn
from lambd.model.provisioned import ProvisionedConcurrency
from lambd.runtimes.prepared_runtime import RuntimeUnavailableError


async def put_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """PutFunctionConcurrency."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    reserved = call.params["ReservedConcurrentExecutions"]
    await api.database.run(
        scaling.put_function_concurrency, api.context(call.principal), name, reserved
    )
    return {"ReservedConcurrentExecutions": reserved}


async def get_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """GetFunctionConcurrency: an empty document when nothing is reserved."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    reserved = await api.database.read(
        scaling.get_function_concurrency, api.context(call.principal), name
    )
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


async def delete_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """DeleteFunctionConcurrency."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    await api.database.run(scaling.delete_function_concurrency, api.context(call.principal), name)
    return {}


async def put_function_recursion_config(api: LambdaApi, call: Call) -> Members:
    """PutFunctionRecursionConfig."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    recursive_loop = RecursiveLoop(call.params["RecursiveLoop"])
    await api.database.run(
        scaling.put_recursion_config, api.context(call.principal), name, recursive_loop
    )
    return {"RecursiveLoop": recursive_loop.value}


async def get_function_recursion_config(api: LambdaApi, call: Call) -> Members:
    """GetFunctionRecursionConfig."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    found = await api.database.read(scaling.get_recursion_config, api.context(call.principal), name)
    return {"RecursiveLoop": found.value}


async def put_runtime_management_config(api: LambdaApi, call: Call) -> Members:
    """PutRuntimeManagementConfig."""
    params = call.params
    reference = _reference(api, params)
    config = RuntimeManagement(
        update_on=UpdateRuntimeOn(params["UpdateRuntimeOn"]),
        runtime_version_arn=params.get("RuntimeVersionArn"),
    )
    current: str | None = None
    if config.runtime_version_arn is not None:
        version = await api.database.read(
            scaling.managed_version,
            api.context(call.principal),
            "PutRuntimeManagementConfig",
            reference,
        )
        # Raised: there is no version to hold on to.
        with suppress(RuntimeUnavailableError):
            current = await api.runtime_version_arn(version.config.runtime or "")
    stored = await api.database.run(
        scaling.put_runtime_management, api.context(call.principal), reference, config, current
    )
    return _runtime_management(api, reference, stored)


async def get_runtime_management_config(api: LambdaApi, call: Call) -> Members:
    """GetRuntimeManagementConfig."""
    reference = _reference(api, call.params)
    found = await api.database.read(
        scaling.get_runtime_management, api.context(call.principal), reference
    )
    return _runtime_management(api, reference, found)


async def get_account_settings(api: LambdaApi, call: Call) -> Members:
    """GetAccountSettings."""
    usage = await api.database.read(scaling.get_account_usage, api.context(call.principal))
    limits = api.limits
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.code_storage_bytes,
            "CodeSizeUnzipped": limits.unzipped_code_bytes,
            "CodeSizeZipped": limits.zipped_code_bytes,
            "ConcurrentExecutions": limits.concurrent_executions,
            "UnreservedConcurrentExecutions": usage.unreserved_concurrency,
        },
        "AccountUsage": {"TotalCodeSize": usage.code_bytes, "FunctionCount": usage.functions},
    }


async def put_provisioned_concurrency_config(api: LambdaApi, call: Call) -> Members:
    """PutProvisionedConcurrencyConfig."""
    reference = _reference(api, call.params)
    requested = call.params["ProvisionedConcurrentExecutions"]
    config = await api.database.run(
        provisioned.put_provisioned_concurrency, api.context(call.principal), reference, requested
    )
    return _provisioned(api, config)


async def get_provisioned_concurrency_config(api: LambdaApi, call: Call) -> Members:
    """GetProvisionedConcurrencyConfig."""
    reference = _reference(api, call.params)
    config = await api.database.read(
        provisioned.get_provisioned_concurrency, api.context(call.principal), reference
    )
    return _provisioned(api, config)


async def list_provisioned_concurrency_configs(api: LambdaApi, call: Call) -> Members:
    """ListProvisionedConcurrencyConfigs."""
    params = call.params
    page = await api.database.read(
        provisioned.list_provisioned_concurrency,
        api.context(call.principal),
        parse_unqualified(params["FunctionName"], api.scope),
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    configs = [
        {
            "FunctionArn": api.scope.function_arn(config.function_name, config.qualifier),
            **_provisioned(api, config),
        }
        for config in page.items
    ]
    reply: Members = {"ProvisionedConcurrencyConfigs": configs}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply


async def delete_provisioned_concurrency_config(api: LambdaApi, call: Call) -> Members:
    """DeleteProvisionedConcurrencyConfig."""
    reference = _reference(api, call.params)
    await api.database.run(
        provisioned.delete_provisioned_concurrency, api.context(call.principal), reference
    )
    return {}


def _provisioned(api: LambdaApi, config: ProvisionedConcurrency) -> Members:
    """A config with what there is of it now; LastModified has no fraction here [L]."""
    allocated, available = api.provisioned_counts(config.function_name, config.qualifier)
    reply: Members = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": available,
        "AllocatedProvisionedConcurrentExecutions": allocated,
        "Status": config.status.value,
        "LastModified": f"{config.last_modified:%Y-%m-%dT%H:%M:%S}+0000",
    }
    if config.status_reason is not None:
        reply["StatusReason"] = config.status_reason
    return reply


def _reference(api: LambdaApi, params: Members) -> FunctionReference:
    return parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))


def _runtime_management(
    api: LambdaApi, reference: FunctionReference, config: RuntimeManagement
) -> Members:
    qualifier = reference.qualifier or LATEST
    return {
        "UpdateRuntimeOn": config.update_on.value,
        "FunctionArn": api.scope.function_arn(reference.name, qualifier),
        "RuntimeVersionArn": config.runtime_version_arn,
    }
