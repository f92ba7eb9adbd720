"""Groups of EventBridge Scheduler: create, delete, tag; and requests that are sent twice.

Source: its API reference; texts are AWS's where they were found in public reports, and marked where
not. The group `default` is there from the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from lambd.control.context import ControlContext
from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    QuotaExceededError,
)
from lambd.model.limits import CLIENT_TOKEN_HOURS, SCHEDULE_GROUPS
from lambd.model.tags import check_tags
from lambd.services.scheduler import group_rows as rows
from lambd.services.scheduler.model import DEFAULT_GROUP, ScheduleGroup, group_arn
from lambd.services.tagging import Tagging
from lambd.store.database import Connection


def is_repeated(
    connection: Connection, context: ControlContext, token: str | None, fingerprint: str
) -> bool:
    """Whether a request was served before; if not, remember that it is now.

    Args:
        connection: the transaction that serves the request.
        context: its surroundings.
        token: the client's, if it sent one.
        fingerprint: of the operation and its parameters.

    Raises:
        ConflictError: the token came with another request.
    """
    if token is None:
        return False
    rows.delete_tokens(connection, context.now - timedelta(hours=CLIENT_TOKEN_HOURS))
    known = rows.find_token(connection, token)
    if known is None:
        rows.add_token(connection, token, fingerprint, context.now)
        return False
    if known != fingerprint:
        # AWS's own text is not known.
        raise ConflictError("The client token was used with other parameters before.")
    return True


def require_group(connection: Connection, name: str) -> ScheduleGroup:
    """The group with this name.

    Raises:
        NotFoundError: there is none.
    """
    group = rows.get_group(connection, name)
    if group is None:
        raise NotFoundError(f"Schedule group {name} does not exist.")
    return group


def create_group(
    connection: Connection, context: ControlContext, name: str, tags: Mapping[str, str]
) -> None:
    """Create a group.

    Raises:
        ConflictError: there is one with this name.
        InvalidParameterError: it is the one that is always there, or may not have these tags.
        QuotaExceededError: there are as many as there may be.
    """
    _refuse_default(name)
    if rows.get_group(connection, name) is not None:
        raise ConflictError(f"Schedule group {name} already exists.")
    if rows.count_groups(connection) >= SCHEDULE_GROUPS:
        # AWS's own text is not known.
        raise QuotaExceededError(f"There can be {SCHEDULE_GROUPS} schedule groups at most.")
    check_tags(tags, context.limits.tags_per_resource)
    group = ScheduleGroup(name=name, tags=tags, created_at=context.now, modified_at=context.now)
    rows.put_group(connection, group)


def delete_group(connection: Connection, name: str) -> None:
    """Remove a group and all that is in it, at once.

    Raises:
        NotFoundError: there is none.
        InvalidParameterError: it is the one that is always there.
    """
    _refuse_default(name)
    rows.delete_group(connection, require_group(connection, name))


def _refuse_default(name: str) -> None:
    if name == DEFAULT_GROUP:
        raise InvalidParameterError(
            f"This operation cannot be performed on schedule group {DEFAULT_GROUP}."
        )


# --- tags -------------------------------------------------------------------------------------


def _group_of(connection: Connection, context: ControlContext, arn: str) -> ScheduleGroup:
    name = arn.rpartition("/")[2]
    if group_arn(context.scope, name) != arn:
        raise NotFoundError(f"Schedule group {name} does not exist.")
    return require_group(connection, name)


def _put_tags(
    connection: Connection, context: ControlContext, group: ScheduleGroup, tags: Mapping[str, str]
) -> None:
    rows.put_group(connection, replace(group, tags=tags, modified_at=context.now))


TAGGING = Tagging(_group_of, _put_tags)
