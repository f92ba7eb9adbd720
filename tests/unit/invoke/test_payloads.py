"""What counts as JSON in an event."""

from __future__ import annotations

import pytest

from lambd.invoke.payloads import check_json
from lambd.model.errors import InvalidRequestContentError


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{}", id="object"),
        pytest.param(b' [1, "\xc3\xa4"]\n', id="utf-8"),
        pytest.param(b"12345678901234567890123", id="large-number"),
        pytest.param(b"[NaN]", id="nan"),
        pytest.param('{"a":1}'.encode("utf-16"), id="utf-16"),
    ],
)
def test_takes_json(payload: bytes) -> None:
    """Everything that was taken before orjson looked first."""
    check_json(payload)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{", id="open"),
        pytest.param(b"{'a': 1}", id="quotes"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(b"nothing", id="word"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="too-deep"),
    ],
)
def test_refuses_what_is_no_json(payload: bytes) -> None:
    """With AWS's words before the parser's."""
    with pytest.raises(InvalidRequestContentError, match="Could not parse request body into json"):
        check_json(payload)
