"""The rules of tags, which all services share: how many, which keys, and how they come together.

Source: api.md section 13 and the recorded texts of section 3.4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lambd.model.errors import InvalidParameterError, TooManyTagsError


def check_tags(tags: Mapping[str, str], limit: int) -> None:
    """See whether a resource may have these tags together.

    Raises:
        TooManyTagsError: they are more than the limit.
        InvalidParameterError: a key is reserved.
    """
    if len(tags) > limit:
        raise TooManyTagsError("Number of tags exceeds resource tag limit.")
    if any(key.lower().startswith("aws:") for key in tags):
        # AWS's own text for the reserved prefix is not recorded.
        raise InvalidParameterError("Tag keys that start with aws: are reserved for AWS use.")


def with_tags(tags: Mapping[str, str], added: Mapping[str, str], limit: int) -> dict[str, str]:
    """The tags of a resource with others added, those of the same keys replaced.

    Raises:
        TooManyTagsError, InvalidParameterError: as `check_tags`.
    """
    together = {**tags, **added}
    check_tags(together, limit)
    return together


def without_tags(tags: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """The tags without those of some keys, which need not be there."""
    return {key: value for key, value in tags.items() if key not in keys}
