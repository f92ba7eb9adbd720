"""Handlers of the operations on concurrency, recursion and runtime management."""

from __future__ import annotations

from lambd.control import scaling
from lambd.control.guards import require_version
from lambd.frontend.lambda_api import Call, LambdaApi, Members
from lambd.model.arns import LATEST, FunctionReference, parse_function_reference, parse_unqualified
from lambd.model.settings import RecursiveLoop, RuntimeManagement, UpdateRuntimeOn


async def put_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """PutFunctionConcurrency."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    reserved = call.params["ReservedConcurrentExecutions"]
    await api.database.run(scaling.put_function_concurrency, api.context(), name, reserved)
    return {"ReservedConcurrentExecutions": reserved}


async def get_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """GetFunctionConcurrency: an empty document when nothing is reserved."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    reserved = await api.database.read(scaling.get_function_concurrency, api.context(), name)
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


async def delete_function_concurrency(api: LambdaApi, call: Call) -> Members:
    """DeleteFunctionConcurrency."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    await api.database.run(scaling.delete_function_concurrency, api.context(), name)
    return {}


async def put_function_recursion_config(api: LambdaApi, call: Call) -> Members:
    """PutFunctionRecursionConfig."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    recursive_loop = RecursiveLoop(call.params["RecursiveLoop"])
    await api.database.run(scaling.put_recursion_config, api.context(), name, recursive_loop)
    return {"RecursiveLoop": recursive_loop.value}


async def get_function_recursion_config(api: LambdaApi, call: Call) -> Members:
    """GetFunctionRecursionConfig."""
    name = parse_unqualified(call.params["FunctionName"], api.scope)
    found = await api.database.read(scaling.get_recursion_config, api.context(), name)
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
            require_version, api.context(), FunctionReference(name=reference.name)
        )
        current = await api.runtime_version_arn(version.config.runtime or "")
    stored = await api.database.run(
        scaling.put_runtime_management, api.context(), reference, config, current
    )
    return _runtime_management(api, reference, stored)


async def get_runtime_management_config(api: LambdaApi, call: Call) -> Members:
    """GetRuntimeManagementConfig."""
    reference = _reference(api, call.params)
    found = await api.database.read(scaling.get_runtime_management, api.context(), reference)
    return _runtime_management(api, reference, found)


async def get_account_settings(api: LambdaApi, call: Call) -> Members:
    """GetAccountSettings."""
    del call
    usage = await api.database.read(scaling.get_account_usage, api.context())
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
