"""Published versions: immutable, numbered copies of `$LATEST`. Source: api.md sections 6 and 7."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lambd.control.context import ControlContext
from lambd.control.guards import (
    code_sha256_text,
    require_changeable,
    require_code_storage,
    require_function,
)
from lambd.model.arns import FunctionReference
from lambd.model.errors import InvalidParameterError
from lambd.model.functions import Deployment, FunctionVersion, Reason, State, UpdateStatus
from lambd.store import functions as rows
from lambd.store.config_document import fingerprint
from lambd.store.database import Connection
from lambd.store.paging import Page
from lambd.telemetry.ids import new_id

# What AWS gives as the reason while code is brought up, for updates as well.
CREATING = Reason(text="The function is being created.", code="Creating")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishVersionRequest:
    """`PublishVersion`; `code_sha256` is base64, as the API writes it."""

    name: str
    code_sha256: str | None = None
    description: str | None = None
    revision_id: str | None = None


def publish_version(
    connection: Connection, context: ControlContext, request: PublishVersionRequest
) -> FunctionVersion:
    """Publish `$LATEST`, or return the last published version if nothing changed since.

    Raises:
        NotFoundError, ConflictError, PreconditionFailedError: as `require_changeable`.
        InvalidParameterError: `$LATEST` has other code than the caller expects.
        CodeStorageExceededError: no room for the copy, which counts as if it were one.
    """
    latest = require_changeable(
        connection, context, "PublishVersion", request.name, request.revision_id
    )
    current = code_sha256_text(latest.code)
    if request.code_sha256 and request.code_sha256 != current:
        raise InvalidParameterError(
            f"CodeSHA256 ({request.code_sha256}) is different from current CodeSHA256 in $LATEST "
            f"({current}). Please try again with the CodeSHA256 in $LATEST."
        )
    return publish_if_changed(connection, context, latest, description=request.description)


def publish_if_changed(
    connection: Connection,
    context: ControlContext,
    latest: FunctionVersion,
    *,
    description: str | None = None,
) -> FunctionVersion:
    """Copy `latest` under the next number, unless the last published version is its equal.

    A description given for the version takes the place of `$LATEST`'s and makes no difference to
    whether anything changed. The copy is Active at once if `latest` already serves what it shows;
    otherwise it is Pending, and the reconciler decides.
    """
    source = fingerprint(latest.config, latest.code)
    last = rows.last_published(connection, latest.name)
    if last is not None and last[1] == source:
        return last[0]
    require_code_storage(connection, context, latest.code.size_bytes)
    config = latest.config
    if description is not None:
        config = replace(config, description=description)
    deployment = Deployment(id=new_id(), config=config, code=latest.code)
    is_ready = latest.state is State.ACTIVE and latest.serving == latest.deployment
    version = FunctionVersion(
        name=latest.name,
        version=rows.next_version(connection, latest.name),
        deployment=deployment,
        serving=deployment if is_ready else None,
        revision_id=new_id(),
        last_modified=context.now,
        state=State.ACTIVE if is_ready else State.PENDING,
        state_reason=None if is_ready else CREATING,
        update_status=UpdateStatus.SUCCESSFUL if is_ready else None,
    )
    rows.insert_version(connection, version, source_fingerprint=source)
    rows.touch(connection, latest.name)
    return version


def list_versions(
    connection: Connection,
    context: ControlContext,
    name: str,
    *,
    marker: str | None = None,
    max_items: int | None = None,
) -> Page[FunctionVersion]:
    """A page of a function's versions, `$LATEST` first, then ascending.

    Raises:
        NotFoundError: there is no such function.
        InvalidParameterError: the marker is none of ours.
    """
    require_function(connection, context, "ListVersionsByFunction", FunctionReference(name=name))
    limit = page_size(context, max_items)
    return rows.list_versions(connection, name, marker=marker, limit=limit)


def page_size(context: ControlContext, max_items: int | None) -> int:
    """How many items a page holds: what the caller wants, at most the cap (api.md section 14)."""
    cap = context.limits.list_page_items
    return cap if max_items is None else min(max_items, cap)
