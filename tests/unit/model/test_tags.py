"""The rules of tags."""

from __future__ import annotations

import pytest

from lambd.model.errors import InvalidParameterError, TooManyTagsError
from lambd.model.tags import check_tags, with_tags, without_tags


def test_tags_come_together() -> None:
    """Those of the same keys are replaced; the resource's own stay as they were."""
    own = {"a": "1", "b": "2"}
    assert with_tags(own, {"b": "3", "c": ""}, 3) == {"a": "1", "b": "3", "c": ""}
    assert without_tags(own, ["b", "never there"]) == {"a": "1"}
    assert own == {"a": "1", "b": "2"}


def test_their_number_is_limited_together() -> None:
    """One more than the limit is refused, whether they come at once or not."""
    check_tags({"a": "1", "b": "2"}, 2)
    with pytest.raises(TooManyTagsError):
        check_tags({"a": "1", "b": "2"}, 1)
    with pytest.raises(TooManyTagsError):
        with_tags({"a": "1", "b": "2"}, {"c": "3"}, 2)


@pytest.mark.parametrize("key", ["aws:k", "AWS:k", "aWs:"])
def test_keys_of_awss_own_are_refused(key: str) -> None:
    """However they are written."""
    with pytest.raises(InvalidParameterError, match="reserved for AWS use"):
        with_tags({}, {key: "v"}, 50)
