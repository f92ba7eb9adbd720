"""The head of an HTTP response at the beginning of a stream."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.urls.prelude import BadPreludeError, Prelude, PreludeParser, parse_prelude

DOCUMENT = {
    "statusCode": 418,
    "headers": {"Content-Type": "text/plain", "X-Number": 7, "x-twice": "hidden"},
    "multiValueHeaders": {"X-Twice": ["1", "2"]},
    "cookies": ["a=b; Secure", "c=d"],
}
PRELUDE = Prelude(
    status=418,
    headers=(
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Content-Type", "text/plain"),
        ("X-Number", "7"),
    ),
    cookies=("a=b; Secure", "c=d"),
)


@given(st.lists(st.integers(0, 400), max_size=8), st.binary(max_size=20))
def test_finds_the_head_however_the_stream_is_cut(cuts: list[int], body: bytes) -> None:
    """The bytes after the separator are the body's, NULs among them."""
    text = json.dumps(DOCUMENT).encode() + bytes(8) + body
    parser = PreludeParser()
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in itertools.pairwise(bounds):
        found = parser.feed(text[start:end])
        if found is not None:
            prelude, first = found
            assert prelude == PRELUDE
            assert first + text[end:] == body
            return
    pytest.fail("no head was found")


def test_every_member_is_optional() -> None:
    """An empty object is a plain 200."""
    assert parse_prelude(b"{}") == Prelude(status=200, headers=(), cookies=())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"nonsense", id="no-json"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b'{"statusCode": 99}', id="low-status"),
        pytest.param(b'{"statusCode": true}', id="boolean-status"),
        pytest.param(b'{"statusCode": "twohundred"}', id="status-in-words"),
        pytest.param(b'{"headers": []}', id="headers-no-object"),
        pytest.param(b'{"headers": {"a": {}}}', id="header-no-string"),
        pytest.param(b'{"headers": {"a": "b\\r\\nc: d"}}', id="line-break"),
        pytest.param(b'{"headers": {"a\\nb": "c"}}', id="line-break-in-name"),
        pytest.param(b'{"headers": {"Content-Length: 3, x": "y"}}', id="header-in-name"),
        pytest.param(b'{"headers": {"Content-Length ": "3"}}', id="space-in-name"),
        pytest.param(b'{"headers": {"": "a"}}', id="no-name"),
        pytest.param(b'{"multiValueHeaders": {"a:": ["b"]}}', id="colon-in-name"),
        pytest.param(b'{"headers": {"a": "\\u0007"}}', id="control-character"),
        pytest.param(b'{"headers": {"a": null}}', id="null"),
        pytest.param(b'{"headers": {"a": ["b"]}}', id="list"),
        pytest.param(b'{"cookies": ["a=b\\u0000"]}', id="nul-in-cookie"),
        pytest.param(b'{"headers": {"a": "\\u20ac"}}', id="no-latin-1"),
        pytest.param(b'{"multiValueHeaders": {"a": "b"}}', id="values-no-list"),
        pytest.param(b'{"cookies": "a=b"}', id="cookies-no-list"),
        pytest.param(b'{"cookies": [1, null]}', id="cookie-no-string"),
        pytest.param(b'{"a":' * 100_000, id="too-deep"),
    ],
)
def test_refuses_what_is_no_head(text: bytes) -> None:
    """Nothing that would break the HTTP head gets through."""
    with pytest.raises(BadPreludeError):
        parse_prelude(text)


def test_headers_of_the_server_are_not_the_functions() -> None:
    """Whatever is about the connection, the framing or the platform is left out."""
    headers = {
        name: ["7"]
        for name in ("content-Length", "Keep-Alive", "Trailer", "UPGRADE", "x-amzn-RequestId", "A")
    }
    prelude = parse_prelude(json.dumps({"multiValueHeaders": headers}).encode())
    assert prelude.headers == (("A", "7"),)


def test_gives_up_on_a_head_without_end() -> None:
    """A body that was meant to be no head is not collected for ever."""
    parser = PreludeParser()
    for _ in range(1024):
        assert parser.feed(b"x" * 1024) is None
    with pytest.raises(BadPreludeError):
        parser.feed(b"x")
