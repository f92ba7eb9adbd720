"""What callers read of an event that is no JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.invoke.payloads import check_json
from lambd.model.errors import InvalidRequestContentError

SOURCE = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
PREFIX = "Could not parse request body into json: Could not parse payload into json: "


def message(payload: bytes) -> str:
    """What is said of it."""
    with pytest.raises(InvalidRequestContentError) as caught:
        check_json(payload)
    return caught.value.message


@pytest.mark.parametrize(
    ("payload", "what", "line", "column"),
    [
        pytest.param(
            b"{c: 1}",
            "Unexpected character ('c' (code 99)): was expecting double-quote to start field name",
            *(1, 2),
            id="no quotes",
        ),
        pytest.param(
            b"'test'",
            f"Unexpected character (''' (code 39)): expected a valid value {VALUES}",
            *(1, 1),
            id="other quotes",
        ),
        pytest.param(
            b"badbod", f"Unrecognized token 'badbod': was expecting {VALUES}", 1, 7, id="token"
        ),
        pytest.param(
            b'{"a": 1 1}',
            "Unexpected character ('1' (code 49)): was expecting comma to separate Object entries",
            *(1, 9),
            id="no comma",
        ),
        pytest.param(
            b'["{", 1 1]',
            "Unexpected character ('1' (code 49)): was expecting comma to separate Array entries",
            *(1, 9),
            id="no comma in an array",
        ),
        pytest.param(
            b'{"a" 1}',
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name "
            "and value",
            *(1, 6),
            id="no colon",
        ),
        pytest.param(
            b'\n{"a":',
            "Unexpected end-of-input: expected close marker for Object (start marker at "
            f"{SOURCE}line: 2, column: 1])",
            *(2, 6),
            id="end",
        ),
        pytest.param(
            b'{"a": [1}',
            "Unexpected close marker '}': expected ']' (for Array starting at "
            f"{SOURCE}line: 1, column: 7])",
            *(1, 9),
            id="wrong close",
        ),
        pytest.param(b'"a', "Unexpected end-of-input in VALUE_STRING", 1, 3, id="open string"),
        pytest.param(b" ", "No content to map due to end-of-input", 1, 2, id="blank"),
        pytest.param(b'"\xc3-"', "Invalid UTF-8 middle byte 0x2d", 1, 3, id="middle byte"),
        pytest.param(b'"\xff"', "Invalid UTF-8 start byte 0xff", 1, 2, id="start byte"),
        pytest.param(
            b"--x",
            "Unexpected character ('-' (code 45)) in numeric value: expected digit (0-9) to follow "
            "minus sign, for valid numeric value",
            *(1, 1),
            id="minus",
        ),
    ],
)
def test_says_what_and_where_as_awss_parser(
    payload: bytes, what: str, line: int, column: int
) -> None:
    """Lines and columns count from one, columns bytes; the source is not shown."""
    assert message(payload) == f"{PREFIX}{what}\n at {SOURCE}line: {line}, column: {column}]"


@given(
    st.binary(max_size=40) | st.text(alphabet='{}[]",:\\-aN1 \n\xe4', max_size=20).map(str.encode)
)
def test_finds_words_for_every_payload(payload: bytes) -> None:
    """Whatever is refused, it is by this error."""
    said = f"{PREFIX}fine {SOURCE}"
    try:
        check_json(payload)
    except InvalidRequestContentError as error:
        said = error.message
    assert said.startswith(PREFIX)
    assert SOURCE in said
