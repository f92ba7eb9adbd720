"""Function URLs' events and responses, as pure functions."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.frontend.url_events import (
    BadFunctionResponseError,
    UrlCall,
    decode_result,
    encode_event,
    preflight,
)
from lambd.http.messages import Request
from lambd.model.settings import Cors

CALL = UrlCall(
    url_id="x" * 32,
    domain="x.lambda-url.us-east-1.localhost",
    request_id="r",
    now=datetime(2026, 11, 24, 10, 15, 30, 123_000, tzinfo=UTC),
    port=4566,
)


@given(st.binary(max_size=50), st.sampled_from(["", "text/plain; charset=utf-8", "image/png"]))
def test_a_body_survives(body: bytes, content_type: str) -> None:
    """Whatever it is, the function can have it back."""
    request = Request("POST", "/", "", {"content-type": content_type}, body)
    event = json.loads(encode_event(request, CALL))
    text = event.get("body", "")
    assert (base64.b64decode(text) if event["isBase64Encoded"] else text.encode()) == body


def test_times_and_what_is_absent() -> None:
    """As AWS writes them; no body, cookies or parameters without any."""
    event = json.loads(encode_event(Request("GET", "/", "", {}, b""), CALL))
    assert event["requestContext"]["time"] == "24/Nov/2026:10:15:30 +0000"
    assert event["requestContext"]["timeEpoch"] == 1_795_515_330_123
    assert not event.keys() & {"body", "cookies", "queryStringParameters"}
    assert event["isBase64Encoded"] is False


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["statusCode", "headers", "cookies", "body", "isBase64Encoded", "é"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_result_is_a_response_or_refused(result: object) -> None:
    """What comes out can be written as HTTP: no line ends in headers, a status, bytes."""
    with contextlib.suppress(BadFunctionResponseError):
        response = decode_result(json.dumps(result).encode())
        assert 200 <= response.status <= 599
        for name, value in response.headers:
            assert "\r" not in name + value
            assert "\n" not in name + value
            (name + value).encode("latin-1")
        assert isinstance(response.body, bytes)


def test_half_characters_do_no_harm() -> None:
    """JSON may hold lone surrogates, which no encoding has."""
    assert decode_result(b'"\\ud800"').body == b"?"
    assert decode_result(b'{"statusCode":"200","body":"\\ud800"}').body == b"?"


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
