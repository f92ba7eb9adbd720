"""Functions: create, read, list, change, delete. Source: api.md sections 3 to 7 and 14.

Each takes the open transaction, changes rows and returns the version that AWS's reply shows.
Bringing deployments up, and the states that follow from it, are the reconciler's: it finds them by
`store.functions.list_in_transition` and answers by `mark_ready` or `mark_failed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lambd.control.configuration import ConfigurationChanges, apply_changes, check_role
from lambd.control.context import ControlContext
from lambd.control.function_layers import check_unpacked_size, resolve_layers
from lambd.control.guards import (
    require_changeable,
    require_code_storage,
    require_function,
    require_version,
)
from lambd.control.versions import CREATING, page_size, publish_if_changed
from lambd.model.arns import LATEST, FunctionReference, is_alias_name
from lambd.model.errors import ConflictError, InvalidParameterError
from lambd.model.functions import (
    Code,
    Deployment,
    FunctionConfig,
    FunctionVersion,
    State,
    UpdateStatus,
)
from lambd.model.tags import check_tags
from lambd.store import functions as rows
from lambd.store import tags as tag_rows
from lambd.store.aliases import names_leading_to
from lambd.store.database import Connection
from lambd.store.function_controls import get_reserved_concurrency
from lambd.store.paging import Page
from lambd.store.provisioned import delete_config, notify_claims, provisioned_total
from lambd.store.qualified import delete_scope_rows
from lambd.telemetry.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunctionRequest:
    """`CreateFunction`; the code has been received into the blob store."""

    name: str
    role: str
    code: Code
    configuration: ConfigurationChanges = field(default_factory=ConfigurationChanges)
    # ARNs of layer versions, in order.
    layers: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    publish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCodeRequest:
    """`UpdateFunctionCode`; the code has been received, or only checked for a dry run."""

    name: str
    code: Code
    # None: unchanged.
    architectures: tuple[str, ...] | None = None
    publish: bool = False
    dry_run: bool = False
    revision_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfigurationRequest:
    """`UpdateFunctionConfiguration`."""

    name: str
    changes: ConfigurationChanges
    # None: unchanged.
    layers: Sequence[str] | None = None
    revision_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDescription:
    """What `GetFunction` tells."""

    version: FunctionVersion
    tags: Mapping[str, str]
    # None: nothing is reserved for the function.
    reserved_concurrency: int | None


def create_function(
    connection: Connection, context: ControlContext, request: CreateFunctionRequest
) -> FunctionVersion:
    """Create a function in state Pending; returns its first version when it is published at once.

    Raises:
        ConflictError: the name is taken.
        InvalidParameterError, ConstraintViolationError: configuration or tags are not valid.
        AccessDeniedError: the role is another account's.
        CodeStorageExceededError: no room for the code.
    """
    check_role(request.role, context)
    config = apply_changes(FunctionConfig(role=request.role), request.configuration, context)
    config = replace(config, layers=resolve_layers(connection, context, request.layers))
    check_unpacked_size(context, config, request.code)
    check_tags(request.tags, context.limits.tags_per_resource)
    if rows.get_version(connection, request.name, LATEST) is not None:
        raise ConflictError(f"Function already exist: {request.name}")
    require_code_storage(connection, context, request.code.size_bytes)
    latest = FunctionVersion(
        name=request.name,
        version=LATEST,
        deployment=Deployment(id=new_id(), config=config, code=request.code),
        serving=None,
        revision_id=new_id(),
        last_modified=context.now,
        state=State.PENDING,
        state_reason=CREATING,
    )
    rows.insert_function(connection, latest)
    tag_rows.put_tags(connection, latest.name, request.tags)
    return publish_if_changed(connection, context, latest) if request.publish else latest


def get_function(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> FunctionDescription:
    """A version, and the tags of its function.

    Raises:
        NotFoundError: there is no such function or version.
    """
    return FunctionDescription(
        version=require_version(connection, context, "GetFunction", reference),
        tags=tag_rows.get_tags(connection, reference.name),
        reserved_concurrency=get_reserved_concurrency(connection, reference.name),
    )


def get_configuration(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> FunctionVersion:
    """A version.

    Raises:
        NotFoundError: there is no such function or version.
    """
    return require_version(connection, context, "GetFunctionConfiguration", reference)


def list_functions(
    connection: Connection,
    context: ControlContext,
    *,
    all_versions: bool = False,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[FunctionVersion]:
    """A page of functions by name: `$LATEST` of each, or with `all_versions` every version.

    Raises:
        InvalidParameterError: the marker is none of ours.
    """
    list_rows = rows.list_all_versions if all_versions else rows.list_latest
    return list_rows(connection, marker=marker, limit=page_size(context, max_items))


def update_code(
    connection: Connection, context: ControlContext, request: UpdateCodeRequest
) -> FunctionVersion:
    """Give `$LATEST` other code; returns the new version when it is published at once.

    A dry run returns `$LATEST` as it would be and changes nothing.

    Raises:
        NotFoundError, ConflictError, PreconditionFailedError: as `require_changeable`.
        CodeStorageExceededError: no room for the code.
        InvalidParameterError: code and layers are too large together.
    """
    latest = require_changeable(
        connection, context, "UpdateFunctionCode", request.name, request.revision_id
    )
    require_code_storage(connection, context, request.code.size_bytes - latest.code.size_bytes)
    config = latest.config
    if request.architectures is not None:
        config = replace(config, architectures=request.architectures)
    check_unpacked_size(context, config, request.code)
    deployment = Deployment(id=new_id(), config=config, code=request.code)
    if request.dry_run:
        return replace(latest, deployment=deployment)
    updated = _begin_update(connection, context, latest, deployment)
    return publish_if_changed(connection, context, updated) if request.publish else updated


def update_configuration(
    connection: Connection, context: ControlContext, request: UpdateConfigurationRequest
) -> FunctionVersion:
    """Change the configuration of `$LATEST`.

    Raises:
        NotFoundError, ConflictError, PreconditionFailedError: as `require_changeable`.
        InvalidParameterError, ConstraintViolationError: the configuration is not valid.
    """
    latest = require_changeable(
        connection, context, "UpdateFunctionConfiguration", request.name, request.revision_id
    )
    config = apply_changes(latest.config, request.changes, context)
    if request.layers is not None:
        config = replace(config, layers=resolve_layers(connection, context, request.layers))
    check_unpacked_size(context, config, latest.code)
    deployment = Deployment(id=new_id(), config=config, code=latest.code)
    return _begin_update(connection, context, latest, deployment)


def delete_function(
    connection: Connection, context: ControlContext, reference: FunctionReference
) -> None:
    """Delete a whole function, or with a qualifier one published version (if it is there).

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the qualifier is `$LATEST` or an alias.
        ConflictError: an alias leads to the version.
    """
    name, qualifier = reference.name, reference.qualifier
    if qualifier == LATEST:
        raise InvalidParameterError(
            "$LATEST version cannot be deleted without deleting the function."
        )
    if qualifier is not None and is_alias_name(qualifier):
        raise InvalidParameterError("Deletion of aliases is not currently supported.")  # [K]
    require_function(connection, context, "DeleteFunction", reference)
    if qualifier is None:
        has_claims = (
            get_reserved_concurrency(connection, name) is not None
            or provisioned_total(connection, name) > 0
        )
        rows.delete_function(connection, name)
        if has_claims:
            notify_claims(connection)
    elif (version := rows.get_version(connection, name, qualifier)) is not None:
        if names := names_leading_to(connection, name, qualifier):
            raise ConflictError(
                "Unable to delete version because the following aliases reference it: "
                f"[{', '.join(names)}]"
            )
        rows.delete_version(connection, version)
        delete_config(connection, name, qualifier)
        delete_scope_rows(connection, name, qualifier)


def _begin_update(
    connection: Connection,
    context: ControlContext,
    latest: FunctionVersion,
    deployment: Deployment,
) -> FunctionVersion:
    """Show the new deployment while `serving` goes on, until the reconciler has brought it up."""
    return rows.replace_version(
        connection,
        replace(
            latest,
            deployment=deployment,
            last_modified=context.now,
            update_status=UpdateStatus.IN_PROGRESS,
            update_reason=CREATING,
        ),
    )
