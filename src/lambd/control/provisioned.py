"""Provisioned concurrency: put, get, list, delete. Source: api.md 3.4 and 11, scaling.md section 2.

Rows only: `environments/allocator.py` brings the environments up and writes down how that went.
"""

from __future__ import annotations

from lambd.control.context import ControlContext
from lambd.control.guards import missing, require_function, require_version
from lambd.control.versions import page_size
from lambd.model.arns import LATEST, FunctionReference, is_alias_name
from lambd.model.errors import (
    AccountLimitError,
    ConflictError,
    InvalidParameterError,
)
from lambd.model.not_found import Missing
from lambd.model.provisioned import AllocationStatus, ProvisionedConcurrency
from lambd.store import provisioned as rows
from lambd.store.aliases import find_route, names_leading_to
from lambd.store.database import Connection
from lambd.store.function_controls import get_reserved_concurrency
from lambd.store.paging import Page
from lambd.telemetry.ids import new_id

UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
ALREADY_PROVISIONED = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"


def put_provisioned_concurrency(
    connection: Connection, context: ControlContext, reference: FunctionReference, requested: int
) -> ProvisionedConcurrency:
    """Have so many environments of a version or an alias kept initialised.

    Raises:
        InvalidParameterError: `$LATEST`, or more than the function or the account may have.
        NotFoundError: there is no such function, version or alias.
        ConflictError: an alias and the version it leads to cannot both have some.
    """
    name, qualifier = reference.name, reference.qualifier or LATEST
    if qualifier == LATEST:
        raise InvalidParameterError(UNPUBLISHED)
    require_version(connection, context, "PutProvisionedConcurrencyConfig", reference)
    _check_limits(connection, context, name, qualifier, requested)
    if is_alias_name(qualifier):
        check_alias_targets(connection, name, qualifier)
    elif any(
        rows.get_config(connection, name, alias) is not None
        for alias in names_leading_to(connection, name, qualifier)
    ):
        raise ConflictError("Version is pointed by a Provisioned Concurrency alias")
    config = ProvisionedConcurrency(
        function_name=name,
        qualifier=qualifier,
        requested=requested,
        allocation_id=new_id(),
        status=AllocationStatus.IN_PROGRESS,
        last_modified=context.now,
    )
    rows.put_config(connection, config)
    return config


def get_provisioned_concurrency(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> ProvisionedConcurrency:
    """The config of a version or an alias.

    Raises:
        InvalidParameterError: `$LATEST`.
        NotFoundError: there is no such function, version or alias.
        ProvisionedConcurrencyNotFoundError: it has none.
    """
    operation = "GetProvisionedConcurrencyConfig"
    qualifier = _require_published(connection, context, operation, reference)
    config = rows.get_config(connection, reference.name, qualifier)
    if config is None:
        raise missing(context, operation, Missing.PROVISIONED_CONCURRENCY, reference)
    return config


def list_provisioned_concurrency(
    connection: Connection,
    context: ControlContext,
    name: str,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[ProvisionedConcurrency]:
    """A page of a function's configs, by qualifier.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the marker is none of ours.
    """
    reference = FunctionReference(name=name)
    require_function(connection, context, "ListProvisionedConcurrencyConfigs", reference)
    return rows.list_configs(connection, name, marker=marker, limit=page_size(context, max_items))


def delete_provisioned_concurrency(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> None:
    """Let the environments go; nothing happens when there is no config.

    Raises:
        InvalidParameterError: `$LATEST`.
        NotFoundError: there is no such function, version or alias.
    """
    qualifier = _require_published(
        connection, context, "DeleteProvisionedConcurrencyConfig", reference
    )
    rows.delete_config(connection, reference.name, qualifier)


def check_alias_targets(connection: Connection, name: str, alias: str) -> None:
    """Raise unless an alias leads to versions that it may have provisioned concurrency with.

    Raises:
        InvalidParameterError: it leads to `$LATEST`.
        ConflictError: a version it leads to has some of its own.
    """
    route = find_route(connection, name, alias)
    versions = [] if route is None else [route.version, route.additional]
    for version in versions:
        if version is None:
            continue
        if version.is_latest:
            raise InvalidParameterError(UNPUBLISHED)  # [K]
        if rows.get_config(connection, name, version.version) is not None:
            raise ConflictError(ALREADY_PROVISIONED)


def _require_published(
    connection: Connection, context: ControlContext, operation: str, reference: FunctionReference
) -> str:
    if reference.qualifier in {None, LATEST}:
        raise InvalidParameterError(
            "The function resource provided must be an alias or a published version."
        )
    require_version(connection, context, operation, reference)
    return reference.qualifier or LATEST


def _check_limits(
    connection: Connection, context: ControlContext, name: str, qualifier: str, requested: int
) -> None:
    current = rows.get_config(connection, name, qualifier)
    own = 0 if current is None else current.requested
    reserved = get_reserved_concurrency(connection, name)
    if reserved is not None:
        if rows.provisioned_total(connection, name) - own + requested > reserved:
            raise InvalidParameterError(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    limits = context.limits
    free = limits.concurrent_executions - rows.claimed_concurrency(connection) + own
    if requested > free:
        raise AccountLimitError(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{free}]."
        )
    if free - requested < limits.unreserved_concurrency and requested > own:
        raise AccountLimitError(
            "Specified ConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of "
            f"[{limits.unreserved_concurrency}]."
        )
