"""Function URLs' events and responses, as pure functions."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.http.messages import Peer, Request, Response
from lambd.model.function_controls import Cors
from lambd.urls.answers import BadFunctionResponseError, decode_result
from lambd.urls.cors import preflight
from lambd.urls.events import EventFrame

NOW_MS = int(datetime(2026, 11, 24, 10, 15, 30, 123_000, tzinfo=UTC).timestamp() * 1000)


def event_of(request: Request) -> dict[str, Any]:
    """The event that a URL's function gets."""
    frame = EventFrame(
        url_id="x" * 32,
        domain="x.lambda-url.us-east-1.localhost",
        port=4566,
        peer=request.peer,
    )
    text = frame.event(request, request_id="r", trace_header="Root=1-a", now_ms=NOW_MS)
    event: dict[str, Any] = json.loads(text)
    return event


@given(st.binary(max_size=50), st.sampled_from(["", "text/plain; charset=utf-8", "image/png"]))
def test_a_body_survives(body: bytes, content_type: str) -> None:
    """Whatever it is, the function can have it back."""
    request = Request("POST", "/", "", {"content-type": content_type}, body)
    event = event_of(request)
    text = event.get("body", "")
    assert (base64.b64decode(text) if event["isBase64Encoded"] else text.encode()) == body


def test_times_and_what_is_absent() -> None:
    """As AWS writes them; no body, cookies or parameters without any."""
    event = event_of(Request("GET", "/", "", {}, b""))
    assert event["requestContext"]["time"] == "24/Nov/2026:10:15:30 +0000"
    assert event["requestContext"]["timeEpoch"] == 1_795_515_330_123
    assert not event.keys() & {"body", "cookies", "queryStringParameters"}
    assert event["isBase64Encoded"] is False


def test_repeated_headers_and_cookies() -> None:
    """Values of one name are one, without a space; cookies are a list, however they were sent."""
    raw = [(b"X-A", b"1"), (b"Cookie", b"a=1; b=2"), (b"x-a", b"2, 3"), (b"cookie", b"c=3,4;;")]
    event = event_of(Request("GET", "/", "", raw, b""))
    assert event["headers"]["x-a"] == "1,2, 3"
    assert event["cookies"] == ["a=1", "b=2", "c=3,4"]
    assert event["headers"]["cookie"] == "a=1; b=2; c=3,4"


def test_a_cookie_header_stays_as_it_is() -> None:
    """Beside the list."""
    event = event_of(Request("GET", "/", "", {"cookie": "a=1; b=2"}, b""))
    assert (event["cookies"], event["headers"]["cookie"]) == (["a=1", "b=2"], "a=1; b=2")


def test_headers_of_the_connection_stay_outside() -> None:
    """The connection is not the function's."""
    sent = {"connection": "keep-alive", "te": "trailers", "upgrade": "h2c", "accept": "*/*"}
    headers = event_of(Request("GET", "/", "", sent, b""))["headers"]
    assert headers["accept"] == "*/*"
    assert not headers.keys() & {"connection", "te", "upgrade"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a%20b/c", "/a b/c"),
        ("/100%2525", "/100%25"),
        ("/%C3%A4", "/\u00e4"),
        ("/\u00c3\u00a4", "/\u00e4"),
        ("/%", "/%"),
        ("/%FF", "/\ufffd"),
    ],
)
def test_a_path_is_decoded_once(path: str, expected: str) -> None:
    """As UTF-8; the query is not."""
    event = event_of(Request("GET", path, "a=%20", {}, b""))
    assert event["rawPath"] == expected
    assert event["requestContext"]["http"]["path"] == expected
    assert event["rawQueryString"] == "a=%20"


TEXT = st.text(st.characters(max_codepoint=255))


@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=3))
def test_any_request_is_an_event(query: str, headers: dict[str, str]) -> None:
    """What is put together by hand is JSON, and parameters are those that Python's parser finds."""
    event = event_of(Request("GET", "/", query, headers, b""))
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    expected = {name: ",".join(values) for name, values in found.items()}
    assert event.get("queryStringParameters", {}) == expected
    assert event["rawQueryString"] == query
    for name, value in headers.items():
        assert event["headers"][name] == value


def test_what_the_front_end_knows_of_the_connection() -> None:
    """Nobody else may say so: headers of that kind from the client go, save whom it stands for."""
    claims = {
        "x-amzn-tls-version": "TLSv9",
        "x-amzn-tls-cipher-suite": "none",
        "x-forwarded-proto": "gopher",
        "x-forwarded-port": "70",
        "x-forwarded-for": "10.0.0.1",
        "x-amzn-trace-id": "Root=1-b",
    }
    event = event_of(Request("GET", "/", "", claims, b""))
    assert event["headers"] == {
        "x-forwarded-proto": "http",
        "x-forwarded-port": "4566",
        "x-forwarded-for": "10.0.0.1, 127.0.0.1",
        "x-amzn-trace-id": "Root=1-a",
    }
    peer = Peer("::1", "TLSv1.3", "TLS_AES_128_GCM_SHA256")
    event = event_of(Request("GET", "/", "", claims, b"", peer))
    assert event["headers"]["x-forwarded-proto"] == "https"
    assert event["headers"]["x-forwarded-for"] == "10.0.0.1, ::1"
    assert event["headers"]["x-amzn-tls-version"] == "TLSv1.3"
    assert event["headers"]["x-amzn-tls-cipher-suite"] == "TLS_AES_128_GCM_SHA256"
    assert event["requestContext"]["http"]["sourceIp"] == "::1"


NAME = st.text(max_size=5) | st.sampled_from(
    ["statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=5),
    max_leaves=10,
)
VALUE = st.sampled_from(["a", "b c", "1"]) | st.text(max_size=3) | JSON
HEADER = st.text(max_size=5) | st.sampled_from(
    ["a", "Content-Length", "Content-Length ", "Content-Length: 3, x", "x-amzn-RequestId", "é"]
)
RESULT = JSON | st.fixed_dictionaries(
    {"statusCode": st.integers(200, 299) | JSON},
    optional={
        "headers": st.dictionaries(HEADER, VALUE, max_size=3),
        "multiValueHeaders": st.dictionaries(HEADER, st.lists(VALUE, max_size=2), max_size=2),
        "cookies": st.lists(VALUE, max_size=2),
        "body": JSON,
    },
)
OWN = {"connection", "content-length", "date", "keep-alive", "trailer", "transfer-encoding"}
OWN |= {"upgrade", "x-amzn-requestid", "x-amzn-trace-id"}


def check_head(response: Response) -> None:
    """What can be written as HTTP, and is the function's to say."""
    assert 200 <= response.status <= 599
    for name, value in response.headers:
        assert re.fullmatch(r"[!#-'*+.^-z|~0-9A-Z-]+", name)
        assert name.lower() not in OWN
        assert not any(ord(character) < 32 and character != "\t" for character in value)
        value.encode("latin-1")


@given(RESULT)
def test_any_result_is_a_response_or_refused(result: object) -> None:
    """What comes out can be written as HTTP: headers that end where they should, a status, bytes."""
    with contextlib.suppress(BadFunctionResponseError):
        response = decode_result(json.dumps(result).encode())
        check_head(response)
        assert isinstance(response.body, bytes)


@given(RESULT, st.binary(max_size=20))
def test_any_prelude_is_a_response_or_refused(result: object, body: bytes) -> None:
    """The same of the head of a stream."""
    with contextlib.suppress(BadFunctionResponseError):
        response = decode_result(json.dumps(result).encode() + bytes(8) + body)
        check_head(response)
        assert response.body == body


def test_half_characters_do_no_harm() -> None:
    """JSON may hold lone surrogates, which no encoding has."""
    assert decode_result(b'"\\ud800"').body == b"?"
    assert decode_result(b'{"statusCode":"200","body":"\\ud800"}').body == b"?"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content-Length: 3, x": "y"}, id="header-in-name"),
        pytest.param({"a": "b\r\nc: d"}, id="line-break"),
        pytest.param({"a": "\x07"}, id="control-character"),
        pytest.param({"a": None}, id="null"),
        pytest.param({"a": ["b"]}, id="list"),
        pytest.param(["a"], id="no-object"),
    ],
)
def test_headers_that_are_none_are_refused(headers: object) -> None:
    """AWS documents strings; what else it takes is not recorded, and guessing would hide a mistake."""
    with pytest.raises(BadFunctionResponseError):
        decode_result(json.dumps({"statusCode": 200, "headers": headers}).encode())


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param('["hello", 3, true]', b'["hello",3,true]', id="list"),
        pytest.param('{"a": [1, {"b": "c d"}]}', b'{"a":[1,{"b":"c d"}]}', id="object"),
        pytest.param('["\u00e4", "\\u00e4"]', '["ä","ä"]'.encode(), id="characters"),
        pytest.param(" 1.5\n", b"1.5", id="number"),
        pytest.param("true", b"true", id="boolean"),
        pytest.param('{"statusCode": 200, "body": {"a": [1, 2]}}', b'{"a":[1,2]}', id="body"),
    ],
)
def test_json_is_written_compactly(result: str, body: bytes) -> None:
    """However the function's own serializer writes it."""
    assert decode_result(result.encode()).body == body


@pytest.mark.parametrize(
    ("status", "expected"), [(200, 200), (201.0, 201), ("202", 202), (2e2, 200)]
)
def test_statuses(status: object, expected: int) -> None:
    """Some languages have one kind of number; in whole answers and in streamed ones."""
    text = json.dumps({"statusCode": status}).encode()
    assert decode_result(text).status == expected
    assert decode_result(text + bytes(8)).status == expected


@pytest.mark.parametrize("status", [200.5, 199, 600, "0200", "²00", True, None, 1e400, [200]])
def test_what_is_no_status(status: object) -> None:
    """Nothing is made up for it."""
    text = json.dumps({"statusCode": status}).encode()
    for payload in (text, text + bytes(8)):
        with pytest.raises(BadFunctionResponseError):
            decode_result(payload)


def test_null_headers_and_cookies_are_none() -> None:
    """As serializers of other languages write what was not set."""
    result = {"statusCode": 200, "headers": None, "cookies": None, "body": None}
    assert decode_result(json.dumps(result).encode()).headers == [
        ("Content-Type", "application/json")
    ]


def test_no_result_is_refused() -> None:
    """A payload that is no JSON, from a custom runtime."""
    with pytest.raises(BadFunctionResponseError):
        decode_result(b"<html>")


def test_only_preflights_are_answered() -> None:
    """An ordinary OPTIONS request is the function's."""
    cors = Cors(allow_origins=("*",))
    assert preflight(cors, Request("OPTIONS", "/", "", {"origin": "https://a"}, b"")) is None
    asked = {"origin": "https://a", "access-control-request-method": "GET"}
    assert preflight(cors, Request("GET", "/", "", asked, b"")) is None
    answer = preflight(cors, Request("OPTIONS", "/", "", asked, b""))
    assert answer is not None
    assert ("Access-Control-Allow-Origin", "*") in answer.headers
