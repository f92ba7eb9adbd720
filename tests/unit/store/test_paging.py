"""Markers between the pages of a listing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.errors import InvalidParameterError
from lambd.store.paging import decode_marker, encode_marker


@given(st.text(min_size=1, max_size=64), st.integers(0, 2**31 - 1))
def test_a_marker_holds_its_key(name: str, number: int) -> None:
    """What was encoded is decoded."""
    assert decode_marker(encode_marker((name, number))) == (name, number)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_as_a_marker(text: str) -> None:
    """A marker that we never gave out is the caller's mistake, whatever it holds."""
    try:
        key = decode_marker(text)
    except InvalidParameterError:
        return
    assert encode_marker(key).rstrip("=") == text.rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("bm90IGpzb24=", id="not JSON"),
        pytest.param("WyJhIiwgLTFd", id="negative number"),
        pytest.param("WyJhIiwxLDJd", id="too many members"),
        pytest.param("W" * 100_000, id="long"),
        pytest.param("é", id="not ASCII"),
    ],
)
def test_a_malformed_marker_is_refused(text: str) -> None:
    """Each way of being malformed gives the same error."""
    with pytest.raises(InvalidParameterError, match="marker is invalid"):
        decode_marker(text)
