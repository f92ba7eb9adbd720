"""Responses as bytes."""

from __future__ import annotations

import pytest

from lambd.http.encoding import encode_response
from lambd.http.messages import Response


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb: c", "a\rb: c"])
def test_no_header_begins_another_one(value: str) -> None:
    """Recipients differ in what ends a line; that a value has none is held here once more."""
    for header in (("x-a", value), (value, "x")):
        with pytest.raises(ValueError, match="line break"):
            encode_response(Response(200, [header]), keep_alive=True)
