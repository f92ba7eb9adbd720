"""The tag operations of services: the same three everywhere, on whatever has an ARN and tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError
from lambd.model.tags import with_tags, without_tags
from lambd.services.service import Handler
from lambd.store.database import Connection, Database

TagList = Sequence[Mapping[str, str]]


class HasTags(Protocol):
    """A resource."""

    @property
    def tags(self) -> Mapping[str, str]:
        """By key."""


_R = TypeVar("_R", bound=HasTags)


@dataclass(frozen=True, slots=True)
class Tagging(Generic[_R]):
    """The verbs on the tags of one kind of resource; each in the transaction it is given."""

    # The resource with this ARN; raises NotFoundError.
    find: Callable[[Connection, ControlContext, str], _R]
    # Stores a resource with other tags.
    put: Callable[[Connection, ControlContext, _R, Mapping[str, str]], None]

    def get(self, connection: Connection, context: ControlContext, arn: str) -> Mapping[str, str]:
        """The tags of a resource; raises NotFoundError."""
        return self.find(connection, context, arn).tags

    def tag(
        self, connection: Connection, context: ControlContext, arn: str, tags: Mapping[str, str]
    ) -> None:
        """Add tags to a resource or change them.

        Raises:
            NotFoundError: it is not there.
            TooManyTagsError, InvalidParameterError: it may not have them.
        """
        resource = self.find(connection, context, arn)
        together = with_tags(resource.tags, tags, context.limits.tags_per_resource)
        self.put(connection, context, resource, together)

    def untag(
        self, connection: Connection, context: ControlContext, arn: str, keys: Collection[str]
    ) -> None:
        """Remove those of the tags that are there; raises NotFoundError."""
        resource = self.find(connection, context, arn)
        self.put(connection, context, resource, without_tags(resource.tags, keys))


def tag_handlers(
    tagging: Tagging[_R], database: Database, *, arn_member: str, is_list: bool = True
) -> dict[str, Handler]:
    """The handlers of the three operations, by operation.

    Args:
        tagging: the verbs.
        database: where the resources are.
        arn_member: how the service spells the member with the ARN.
        is_list: whether tags are lists of `Key` and `Value`, else maps.
    """

    async def list_tags(context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        tags = await database.read(tagging.get, context, params[arn_member])
        return {"Tags": tag_list(tags) if is_list else dict(tags)}

    async def tag(context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        tags = tags_of(params["Tags"]) if is_list else params["Tags"]
        await database.run(tagging.tag, context, params[arn_member], tags)
        return {}

    async def untag(context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        await database.run(tagging.untag, context, params[arn_member], params["TagKeys"])
        return {}

    return {"ListTagsForResource": list_tags, "TagResource": tag, "UntagResource": untag}


def tags_of(tags: TagList) -> dict[str, str]:
    """The tags of a list by key.

    Raises:
        InvalidParameterError: a key comes twice.
    """
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) < len(tags):
        # AWS's own text is not known.
        raise InvalidParameterError("Tag keys must be unique.")
    return found


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The tags as a list."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
