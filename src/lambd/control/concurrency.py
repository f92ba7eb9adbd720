"""Reserved concurrency, account settings, recursion and runtime management.

Source: api.md sections 3.4 and 11, scaling.md section 1. Texts that were not recorded are marked.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambd.control.context import ControlContext
from lambd.control.guards import require_function, require_version
from lambd.model.arns import LATEST, FunctionReference, is_alias_name
from lambd.model.errors import AccountLimitError, InvalidParameterError
from lambd.model.function_controls import RecursiveLoop, RuntimeManagement, UpdateRuntimeOn
from lambd.model.functions import FunctionVersion
from lambd.store import function_controls as rows
from lambd.store.contents import code_storage_bytes
from lambd.store.database import Connection
from lambd.store.functions import count_functions
from lambd.store.provisioned import claimed_concurrency, provisioned_total


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUsage:
    """What `GetAccountSettings` tells beside the limits."""

    unreserved_concurrency: int
    code_bytes: int
    functions: int


def put_function_concurrency(
    connection: Connection, context: ControlContext, name: str, reserved: int
) -> None:
    """Reserve concurrency for a function; 0 stops it.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: too little would be left unreserved, or the function has more
            provisioned concurrency than that.
    """
    _require_function(connection, context, "PutFunctionConcurrency", name)
    provisioned = provisioned_total(connection, name)
    if reserved < provisioned:
        raise InvalidParameterError(
            f" ReservedConcurrentExecutions  {reserved} should not be lower than function's total "
            f"provisioned concurrency [{provisioned}]."
        )
    # Without a reservation, what is provisioned is what the others cannot use.
    own = rows.get_reserved_concurrency(connection, name)
    claimed = provisioned if own is None else own
    total = context.limits.concurrent_executions
    left = total - claimed_concurrency(connection) + claimed - reserved
    least = context.limits.unreserved_concurrency
    if left < least and reserved > claimed:
        raise AccountLimitError(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{least}]."
        )
    rows.put_reserved_concurrency(connection, name, reserved)


def get_function_concurrency(
    connection: Connection, context: ControlContext, name: str
) -> int | None:
    """What is reserved for a function; None when nothing is.

    Raises:
        NotFoundError: there is no such function.
    """
    _require_function(connection, context, "GetFunctionConcurrency", name)
    return rows.get_reserved_concurrency(connection, name)


def delete_function_concurrency(connection: Connection, context: ControlContext, name: str) -> None:
    """Let a function draw on the account's unreserved concurrency again.

    Raises:
        NotFoundError: there is no such function.
    """
    _require_function(connection, context, "DeleteFunctionConcurrency", name)
    rows.put_reserved_concurrency(connection, name, None)


def get_account_usage(connection: Connection, context: ControlContext) -> AccountUsage:
    """What the account uses now."""
    return AccountUsage(
        unreserved_concurrency=_unreserved(connection, context),
        code_bytes=code_storage_bytes(connection),
        functions=count_functions(connection),
    )


def put_recursion_config(
    connection: Connection, context: ControlContext, name: str, recursive_loop: RecursiveLoop
) -> None:
    """Say what happens to a function that invokes itself in a loop.

    Raises:
        NotFoundError: there is no such function.
    """
    _require_function(connection, context, "PutFunctionRecursionConfig", name)
    rows.put_recursive_loop(connection, name, recursive_loop)


def get_recursion_config(
    connection: Connection, context: ControlContext, name: str
) -> RecursiveLoop:
    """What happens to a function that invokes itself in a loop.

    Raises:
        NotFoundError: there is no such function.
    """
    _require_function(connection, context, "GetFunctionRecursionConfig", name)
    return rows.get_recursive_loop(connection, name)


def put_runtime_management(
    connection: Connection,
    context: ControlContext,
    reference: FunctionReference,
    config: RuntimeManagement,
    current_arn: str | None,
) -> RuntimeManagement:
    """Say when a version moves to another version of its runtime.

    Args:
        connection: The open transaction.
        context: The surroundings of the request.
        reference: `$LATEST` or a version.
        config: What the caller wants.
        current_arn: The version of the runtime that this machine runs it on; None if unknown.

    Raises:
        NotFoundError: there is no such function or version.
        InvalidParameterError: no ARN with Manual, or one without; or not the machine's.
    """
    version = managed_version(connection, context, "PutRuntimeManagementConfig", reference)
    given = config.runtime_version_arn
    if config.update_on is not UpdateRuntimeOn.MANUAL and given is not None:
        raise InvalidParameterError(  # [K]
            "RuntimeVersionArn can only be provided when UpdateRuntimeOn is Manual."
        )
    if config.update_on is UpdateRuntimeOn.MANUAL and given is None:
        raise InvalidParameterError(  # [K]
            "RuntimeVersionArn is required when UpdateRuntimeOn is Manual."
        )
    if given is not None and given != current_arn:
        # DEVIATION: a machine has one version of each runtime, so it is the only one to hold on to.
        raise InvalidParameterError(
            f"RuntimeVersionArn {given} is not available: this platform provides {current_arn}."
        )
    rows.put_runtime_management(connection, version.name, version.version, config)
    return config


def get_runtime_management(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> RuntimeManagement:
    """When a version moves to another version of its runtime.

    Raises:
        NotFoundError: there is no such function or version.
    """
    version = managed_version(connection, context, "GetRuntimeManagementConfig", reference)
    return rows.get_runtime_management(connection, version.name, version.version)


def _require_function(
    connection: Connection, context: ControlContext, operation: str, name: str
) -> None:
    require_function(connection, context, operation, FunctionReference(name=name))


def managed_version(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> FunctionVersion:
    """The version whose runtime an operation looks after.

    Raises:
        NotFoundError: there is no such function or version.
        InvalidParameterError: the qualifier is an alias.
    """
    if is_alias_name(reference.qualifier or LATEST):
        raise InvalidParameterError(  # [K]
            "Runtime management configuration is not supported on aliases."
        )
    return require_version(connection, context, operation, reference)


def _unreserved(connection: Connection, context: ControlContext) -> int:
    total = context.limits.concurrent_executions
    return max(0, total - rows.total_reserved_concurrency(connection))
