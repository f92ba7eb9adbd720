"""Tags as lists of keys and values, the form of EventBridge and its Scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambd.model.errors import InvalidParameterError

TagList = Sequence[Mapping[str, str]]


def tags_of(tags: TagList) -> dict[str, str]:
    """The tags by key.

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
