"""What counts as JSON in an event."""

from __future__ import annotations

import pytest

from lambd.invoke.payloads import check_json
from lambd.model.errors import InvalidRequestContentError

WORDS = (b"NaN", b"Infinity", b"-Infinity")
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{}", id="object"),
        pytest.param(b' [1, "\xc3\xa4"]\n', id="utf-8"),
        pytest.param(b"12345678901234567890123", id="large-number"),
        pytest.param(b'"\\ud800"', id="half-character"),
    ],
)
def test_takes_json(payload: bytes) -> None:
    """What orjson takes, and a little that it does not."""
    check_json(payload)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{", id="open"),
        pytest.param(b"{'a': 1}", id="quotes"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(b"nothing", id="word"),
        *(pytest.param(b"[%b]" % word, id=word.decode()) for word in WORDS),
        *(pytest.param('{"a":1}'.encode(name), id=name) for name in ENCODINGS),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="too-deep"),
    ],
)
def test_refuses_what_is_no_json(payload: bytes) -> None:
    """With AWS's words before the parser's."""
    with pytest.raises(InvalidRequestContentError, match="Could not parse request body into json"):
        check_json(payload)
