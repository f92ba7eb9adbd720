"""Tags of functions; `model/tags.py` has the rules of all tags. Source: api.md section 13."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lambd.control.context import ControlContext
from lambd.control.guards import refuse_during_update, require_version
from lambd.model.arns import FunctionReference, parse_function_reference
from lambd.model.errors import InvalidParameterError, NotFoundError
from lambd.model.tags import with_tags
from lambd.store import functions as rows
from lambd.store import tags as tag_rows
from lambd.store.database import Connection

# Other resources that may have tags, and how AWS says that one does not exist.
_OTHER_RESOURCES = {
    "event-source-mapping": "Event source mapping not found: {arn}",
    "code-signing-config": "The Lambda code signing configuration {arn} can not be found.",
    "capacity-provider": "Capacity provider not found: {arn}",
}
_RESOURCE_TYPE = re.compile(r"arn:[^:]*:lambda:[^:]*:[^:]*:([^:]+):")


def tag_resource(
    connection: Connection, context: ControlContext, resource: str, tags: Mapping[str, str]
) -> None:
    """Add or replace tags.

    Raises:
        InvalidParameterError: not an unqualified function ARN, no tags, too many, or reserved.
        NotFoundError: the resource does not exist.
        ConflictError: the function is being updated.
    """
    name = _require_function(connection, context, resource)
    if not tags:
        raise InvalidParameterError("An error occurred and the request cannot be processed.")
    refuse_during_update(
        require_version(connection, context, "TagResource", FunctionReference(name=name)), context
    )
    with_tags(tag_rows.get_tags(connection, name), tags, context.limits.tags_per_resource)
    tag_rows.put_tags(connection, name, tags)
    rows.touch(connection, name)


def untag_resource(
    connection: Connection, context: ControlContext, resource: str, keys: Sequence[str]
) -> None:
    """Remove those of the tags that are there.

    Raises:
        InvalidParameterError: not an unqualified function ARN.
        NotFoundError: the resource does not exist.
    """
    name = _require_function(connection, context, resource)
    tag_rows.delete_tags(connection, name, keys)
    rows.touch(connection, name)


def list_tags(connection: Connection, context: ControlContext, resource: str) -> dict[str, str]:
    """All tags of a resource.

    Raises:
        InvalidParameterError: not an unqualified function ARN.
        NotFoundError: the resource does not exist.
    """
    return tag_rows.get_tags(connection, _require_function(connection, context, resource))


def _require_function(connection: Connection, context: ControlContext, resource: str) -> str:
    match = _RESOURCE_TYPE.match(resource)
    if match is not None and match[1] in _OTHER_RESOURCES:
        raise NotFoundError(_OTHER_RESOURCES[match[1]].format(arn=resource))
    reference = parse_function_reference(resource, context.scope)
    if reference.qualifier is not None:
        raise InvalidParameterError(
            "Tags on function aliases and versions are not supported. Please specify a function "
            "ARN."
        )
    # The three operations answer alike.
    return require_version(connection, context, "TagResource", reference).name
