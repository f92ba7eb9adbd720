"""Lists of tags."""

from __future__ import annotations

import pytest

from lambd.model.errors import InvalidParameterError
from lambd.services.tagging import tag_list, tags_of


def test_lists_are_read_and_written() -> None:
    """In order."""
    written = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": ""}]
    assert tags_of(written) == {"b": "1", "a": ""}
    assert tag_list(tags_of(written)) == written


def test_a_key_comes_once() -> None:
    """Else nobody knows which value is meant."""
    with pytest.raises(InvalidParameterError, match="must be unique"):
        tags_of([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
