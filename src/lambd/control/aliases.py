"""Aliases: create, read, list, change, delete. Source: api.md sections 3.4 and 8.

Each takes the open transaction and returns the alias that AWS's reply shows. A change of an alias
changes the RevisionId of neither its function nor its versions [L].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lambd.control.context import ControlContext
from lambd.control.guards import missing, require_function, require_version
from lambd.control.provisioned import check_alias_targets
from lambd.control.versions import page_size
from lambd.model.aliases import AdditionalVersion, Alias
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    AccountLimitError,
    AliasLimitExceededError,
    ConflictError,
    InvalidParameterError,
    PreconditionFailedError,
)
from lambd.model.functions import FunctionVersion
from lambd.model.not_found import Missing
from lambd.store import aliases as rows
from lambd.store.database import Connection
from lambd.store.function_urls import forget_url
from lambd.store.paging import Page
from lambd.store.provisioned import delete_config, get_config, renew_allocation
from lambd.store.qualified import delete_scope_rows
from lambd.telemetry.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAliasRequest:
    """`CreateAlias`; `weights` is version number -> share, empty for one version only."""

    function_name: str
    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAliasRequest:
    """`UpdateAlias`; None leaves as it is, empty `weights` make it lead to one version."""

    function_name: str
    name: str
    version: str | None = None
    description: str | None = None
    weights: Mapping[str, float] | None = None
    revision_id: str | None = None


def create_alias(
    connection: Connection, context: ControlContext, request: CreateAliasRequest
) -> Alias:
    """Give a version, or two with a weight, a name.

    Raises:
        NotFoundError: there is no such function or version.
        ConflictError: the function has such an alias.
        InvalidParameterError: the two versions do not go together.
        AliasLimitExceededError: the function has as many aliases as it may.
    """
    main = _require_target(
        connection, context, "CreateAlias", request.function_name, request.version
    )
    if rows.get_alias(connection, request.function_name, request.name) is not None:
        arn = context.scope.function_arn(request.function_name, request.name)
        raise ConflictError(f"Alias already exists: {arn}")
    alias = Alias(
        function_name=request.function_name,
        name=request.name,
        version=request.version,
        description=request.description,
        additional=_additional(request.weights),
        revision_id=new_id(),
    )
    _check_routing(connection, context, "CreateAlias", alias, main)
    if rows.count_aliases(connection, alias.function_name) >= context.limits.aliases_per_function:
        # AWS publishes neither the number nor the text.
        raise AliasLimitExceededError(
            "The maximum number of aliases for this function has been reached."
        )
    # Of an alias of this name that was there before.
    forget_url(connection, alias.function_name, alias.name)
    rows.insert_alias(connection, alias)
    return alias


def get_alias(
    connection: Connection, context: ControlContext, function_name: str, name: str
) -> Alias:
    """An alias.

    Raises:
        NotFoundError: there is no such function or alias.
    """
    reference = FunctionReference(name=function_name, qualifier=name)
    require_function(connection, context, "GetAlias", reference)
    alias = rows.get_alias(connection, function_name, name)
    if alias is None:
        raise missing(context, "GetAlias", Missing.ALIAS, reference)
    return alias


def list_aliases(
    connection: Connection,
    context: ControlContext,
    function_name: str,
    *,
    version: str | None = None,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[Alias]:
    """A page of a function's aliases by name; with `version` those that may invoke it.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the marker is none of ours.
    """
    require_function(connection, context, "ListAliases", FunctionReference(name=function_name))
    limit = page_size(context, max_items)
    return rows.list_aliases(connection, function_name, version=version, marker=marker, limit=limit)


def update_alias(
    connection: Connection, context: ControlContext, request: UpdateAliasRequest
) -> Alias:
    """Change an alias; it has another RevisionId afterwards even if nothing else changed [L].

    Raises:
        NotFoundError: there is no such function, alias or version.
        PreconditionFailedError: another `RevisionId` was given than the alias has.
        InvalidParameterError: the two versions do not go together.
        ConflictError: the alias has provisioned concurrency, and so has such a version.
    """
    reference = FunctionReference(name=request.function_name, qualifier=request.name)
    require_function(connection, context, "UpdateAlias", reference)
    alias = rows.get_alias(connection, request.function_name, request.name)
    if alias is None:
        raise missing(context, "UpdateAlias", Missing.ALIAS, reference)
    if request.revision_id and request.revision_id != alias.revision_id:
        raise PreconditionFailedError(
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
    changed = replace(
        alias,
        version=alias.version if request.version is None else request.version,
        description=alias.description if request.description is None else request.description,
        additional=alias.additional if request.weights is None else _additional(request.weights),
        revision_id=new_id(),
    )
    main = _require_target(
        connection, context, "UpdateAlias", changed.function_name, changed.version
    )
    _check_routing(connection, context, "UpdateAlias", changed, main)
    rows.replace_alias(connection, changed)
    if (changed.version, changed.additional) != (alias.version, alias.additional):
        _move_provisioned(connection, changed)
    return changed


def delete_alias(
    connection: Connection, context: ControlContext, function_name: str, name: str
) -> None:
    """Delete an alias, if it is there.

    Raises:
        NotFoundError: there is no such function.
    """
    require_function(connection, context, "DeleteAlias", FunctionReference(name=function_name))
    if rows.delete_alias(connection, function_name, name):
        delete_config(connection, function_name, name)
        delete_scope_rows(connection, function_name, name)


def _move_provisioned(connection: Connection, alias: Alias) -> None:
    """Let an alias's provisioned concurrency follow it to other versions."""
    if get_config(connection, alias.function_name, alias.name) is not None:
        check_alias_targets(connection, alias.function_name, alias.name)
        renew_allocation(connection, alias.function_name, alias.name)


def _additional(weights: Mapping[str, float]) -> AdditionalVersion | None:
    if len(weights) > 1:
        raise InvalidParameterError(
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
    for version, weight in weights.items():
        return AdditionalVersion(version=version, weight=weight)
    return None


def _require_target(
    connection: Connection,
    context: ControlContext,
    operation: str,
    function_name: str,
    version: str,
) -> FunctionVersion:
    """A version that an alias is to lead to."""
    reference = FunctionReference(name=function_name, qualifier=version)
    return require_version(connection, context, operation, reference)


def _check_routing(
    connection: Connection,
    context: ControlContext,
    operation: str,
    alias: Alias,
    main: FunctionVersion,
) -> None:
    """Raise unless the additional version exists and may stand in for the main one."""
    if alias.additional is None:
        return
    if alias.version == LATEST:
        raise AccountLimitError(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )
    version = alias.additional.version
    if version == alias.version:
        raise InvalidParameterError(
            f"Invalid function version {version}. Function version {version} is already included "
            "in routing configuration."
        )
    additional = _require_target(connection, context, operation, alias.function_name, version)
    if additional.config.role != main.config.role:
        # As users report it from AWS.
        raise InvalidParameterError(
            "Specified versions must be associated with the same execution role"
        )
    if additional.config.dead_letter_arn != main.config.dead_letter_arn:
        # The text is ours, after the one above.
        raise InvalidParameterError(
            "Specified versions must be associated with the same dead-letter queue"
        )
