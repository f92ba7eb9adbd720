"""Signature Version 4: what botocore signs is accepted, and nothing else that is like it."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lambd.access.sigv4 import Key, is_signed, signed_region, verify
from lambd.http.messages import Request
from lambd.model.errors import (
    IncompleteSignatureError,
    InvalidSignatureError,
    PlatformError,
    UnrecognizedClientError,
)

KEYS = {
    "AKIDEXAMPLE": Key(secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    "ASIATEMPORARY": Key(secret="other", session_token="token+/="),
}
HOST = "x.lambda-url.us-east-1.localhost:4566"


def sign(
    method: str = "GET",
    target: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    key: str = "AKIDEXAMPLE",
    expires_s: int | None = None,
    region: str = "us-east-1",
    service: str = "lambda",
) -> Request:
    """A request as botocore signs it, and as a server receives it."""
    if expires_s is not None:
        # botocore takes a body for parameters there.
        body = b""
    made = AWSRequest(method=method, url=f"http://{HOST}{target}", data=body)
    for name, value in headers:
        made.headers.add_header(name, value)
    credentials = Credentials(key, KEYS[key].secret, KEYS[key].session_token)
    signer: Any = (
        SigV4Auth(credentials, service, region)
        if expires_s is None
        else SigV4QueryAuth(credentials, service, region, expires=expires_s)
    )
    signer.add_auth(made)
    # A presigned one is bytes, which botocore's stubs do not know.
    url: Any = made.url
    url = url.decode() if isinstance(url, bytes) else url
    parts = urlsplit(url)
    raw = [(b"Host", HOST.encode())]
    raw += [(name.encode(), str(value).encode("latin-1")) for name, value in made.headers.items()]
    return Request(method, parts.path, parts.query, raw, body)


def check(request: Request, *, after: timedelta = timedelta()) -> str:
    """Verify a request, perhaps later."""
    now = datetime.now(UTC) + after  # noqa: TID251 - botocore signs with the wall clock
    return verify(request, keys=KEYS, region="us-east-1", now=now)


def changed(request: Request, **changes: Any) -> Request:
    """A copy of a request with something else in it."""
    members: dict[str, Any] = {
        name: getattr(request, name) for name in ("method", "path", "query", "body")
    }
    members["headers"] = dict(request.headers)
    members |= changes
    return Request(**members)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SEGMENT = TEXT.map(lambda text: quote(text, safe="")) | st.sampled_from([".", "..", "", "a*b(c)"])
PATH = st.lists(SEGMENT, max_size=5).map(lambda parts: "/" + "/".join(parts))
QUERY = st.lists(st.tuples(TEXT, TEXT), max_size=4).map(
    lambda pairs: "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in pairs)
)
HEADER = st.tuples(
    st.sampled_from(["X-Custom", "X-Amz-Meta", "Accept"]),
    st.text(string.ascii_letters + " ,;=\t", max_size=10),
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    PATH,
    QUERY,
    st.lists(HEADER, max_size=3),
    st.binary(max_size=20),
    st.sampled_from([None, 60]),
)
def test_what_botocore_signs_is_accepted(
    method: str,
    path: str,
    query: str,
    headers: list[tuple[str, str]],
    body: bytes,
    expires_s: int | None,
) -> None:
    """Whatever the path, the parameters, the headers and the body, in both forms."""
    target = f"{path}?{query}" if query else path
    request = sign(method, target, headers, body, expires_s=expires_s)
    assert is_signed(request)
    assert check(request) == "AKIDEXAMPLE"


@pytest.mark.parametrize("expires_s", [None, 60], ids=["header", "presigned"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"method": "PUT"}, id="method"),
        pytest.param({"path": "/other"}, id="path"),
        pytest.param({"body": b"other"}, id="body"),
        pytest.param({"query": "a=2"}, id="parameter"),
        pytest.param({"headers": {"host": "elsewhere"}}, id="host"),
    ],
)
def test_a_changed_request_is_refused(expires_s: int | None, changes: dict[str, Any]) -> None:
    """Each of the things that are signed."""
    request = sign("POST", "/path?a=1", body=b"body", expires_s=expires_s)
    if "query" in changes:
        changes = {"query": request.query.replace("a=1", changes["query"])}
    if "headers" in changes:
        changes = {"headers": request.headers | changes["headers"]}
    with pytest.raises(InvalidSignatureError, match="we calculated does not match"):
        check(changed(request, **changes))


@given(st.data())
def test_a_changed_signature_is_refused(data: st.DataObject) -> None:
    """Whichever character of the Authorization header it is, but for white space and case."""
    request = sign()
    header = request.headers["authorization"]
    at = data.draw(st.integers(0, len(header) - 1))
    character = data.draw(st.sampled_from(string.ascii_letters + string.digits + "/=;,"))
    other = header[:at] + character + header[at + 1 :]
    if other.lower() == header.lower():
        return
    with pytest.raises(PlatformError):
        check(changed(request, headers=request.headers | {"authorization": other}))


@given(st.text(st.characters(max_codepoint=255, exclude_characters=",&"), max_size=70))
def test_no_text_is_taken_for_a_signature(text: str) -> None:
    """Bytes that are no ASCII are refused like any other guess."""
    request = sign()
    header = request.headers["authorization"]
    guess = header[: header.index("Signature=")] + f"Signature={text}"
    with pytest.raises(PlatformError):
        check(changed(request, headers=request.headers | {"authorization": guess}))
    presigned = sign(expires_s=60)
    query = presigned.query[: presigned.query.index("X-Amz-Signature=")]
    with pytest.raises(PlatformError):
        check(changed(presigned, query=f"{query}X-Amz-Signature={quote(text, encoding='latin-1')}"))


def test_signed_headers_are_bound_and_others_are_not() -> None:
    """A header that is not named in the signature may be added on the way."""
    request = sign(headers=[("X-Custom", "a"), ("X-Custom", "b")])
    assert check(request) == "AKIDEXAMPLE"
    plain = dict(request.headers) | {"x-custom": "a,b"}
    assert check(changed(request, headers=plain | {"x-added": "1"})) == "AKIDEXAMPLE"
    with pytest.raises(InvalidSignatureError):
        check(changed(request, headers=plain | {"x-custom": "a,c"}))
    del plain["x-custom"]
    with pytest.raises(InvalidSignatureError):
        check(changed(request, headers=plain))


@pytest.mark.parametrize("expires_s", [None, 900], ids=["header", "presigned"])
def test_a_session_token_must_be_the_keys(expires_s: int | None) -> None:
    """Temporary keys need theirs, long-lived ones have none."""
    request = sign(key="ASIATEMPORARY", expires_s=expires_s)
    assert check(request) == "ASIATEMPORARY"
    stolen = replace(KEYS["ASIATEMPORARY"], session_token="another")
    for keys in (
        {"ASIATEMPORARY": stolen},
        {"ASIATEMPORARY": replace(stolen, session_token=None)},
        {},
    ):
        with pytest.raises(UnrecognizedClientError, match="security token included"):
            verify(request, keys=keys, region="us-east-1", now=datetime.now(UTC))  # noqa: TID251


@pytest.mark.parametrize("expires_s", [None, 900], ids=["header", "presigned"])
def test_a_key_that_is_not_temporary_may_have_a_token_too(expires_s: int | None) -> None:
    """Then it is sent or not; another one is refused."""
    keys = {
        "ASIATEMPORARY": replace(KEYS["ASIATEMPORARY"], may_omit_token=True),
        "AKIDEXAMPLE": replace(KEYS["AKIDEXAMPLE"], session_token="own", may_omit_token=True),
    }
    with_token = sign(key="ASIATEMPORARY", expires_s=expires_s)
    without = sign(key="AKIDEXAMPLE", expires_s=expires_s)
    now = datetime.now(UTC)  # noqa: TID251
    for request in (with_token, without):
        assert verify(request, keys=keys, region="us-east-1", now=now) in keys
    keys["ASIATEMPORARY"] = replace(keys["ASIATEMPORARY"], session_token="another")
    with pytest.raises(UnrecognizedClientError):
        verify(with_token, keys=keys, region="us-east-1", now=now)


def test_another_secret_is_refused() -> None:
    """A known id is not enough."""
    keys = {"AKIDEXAMPLE": Key(secret="guess")}
    with pytest.raises(InvalidSignatureError):
        verify(sign(), keys=keys, region="us-east-1", now=datetime.now(UTC))  # noqa: TID251


@pytest.mark.parametrize(
    ("after", "expires_s", "message"),
    [
        pytest.param(timedelta(minutes=4, seconds=55), None, None, id="late enough"),
        pytest.param(timedelta(minutes=-4, seconds=-55), None, None, id="early enough"),
        pytest.param(timedelta(minutes=5, seconds=2), None, "Signature expired: ", id="late"),
        pytest.param(timedelta(minutes=-5, seconds=-2), None, "not yet current: ", id="early"),
        pytest.param(timedelta(hours=1), 3610, None, id="presigned"),
        pytest.param(timedelta(hours=1), 3590, "Signature expired: ", id="presigned, late"),
        pytest.param(timedelta(hours=-1), 3590, "not yet current: ", id="presigned, early"),
    ],
)
def test_when_a_signature_holds(
    after: timedelta, expires_s: int | None, message: str | None
) -> None:
    """Five minutes either way; a presigned URL until its end."""
    request = sign(expires_s=expires_s)
    if message is None:
        assert check(request, after=after) == "AKIDEXAMPLE"
    else:
        with pytest.raises(InvalidSignatureError, match=message):
            check(request, after=after)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"region": "eu-west-1"}, "scoped to a valid region", id="region"),
        pytest.param({"service": "s3"}, "correct service: 'lambda'", id="service"),
    ],
)
def test_a_signature_is_for_one_service_and_region(arguments: dict[str, str], message: str) -> None:
    """And no other."""
    with pytest.raises(InvalidSignatureError, match=message):
        check(sign(**arguments))  # type: ignore[arg-type]  # texts all


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param("AWS4-HMAC-SHA256 ", "requires 'Credential' parameter", id="nothing"),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x", "slash", id="scope"
        ),
        pytest.param("AWS4-ECDSA-P256-SHA256 Credential=a", "Unsupported AWS 'algo", id="4A"),
        pytest.param("Basic dTpw", "Unsupported AWS 'algo", id="basic"),
    ],
)
def test_a_signature_with_parts_missing(header: str, message: str) -> None:
    """Names what is missing."""
    headers = {"host": HOST, "authorization": header, "x-amz-date": "20261124T101530Z"}
    with pytest.raises(IncompleteSignatureError, match=message):
        check(Request("GET", "/", "", headers, b""))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("X-Amz-Expires=60", "X-Amz-Expires=604801", id="too long"),
        pytest.param("X-Amz-Expires=60", "X-Amz-Expires=x", id="no number"),
        pytest.param("X-Amz-SignedHeaders=host", "", id="no headers"),
        pytest.param("X-Amz-Date=2", "X-Amz-Date=x", id="no date"),
    ],
)
def test_a_presigned_url_with_parts_missing(old: str, new: str) -> None:
    """Or with parts that say nothing."""
    request = sign(expires_s=60)
    assert old in request.query
    with pytest.raises(IncompleteSignatureError):
        check(changed(request, query=request.query.replace(old, new)))


def test_an_unsigned_payload_is_refused() -> None:
    """Lambda takes none, whatever the header says."""
    request = sign("POST", "/", [("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")], b"body")
    with pytest.raises(InvalidSignatureError):
        check(request)


def test_the_date_header_serves_too() -> None:
    """In the form that HTTP has for it, or in the signature's own."""
    request = sign(headers=[("Date", "Tue, 24 Nov 2026 10:15:30 GMT")])
    assert "x-amz-date" not in request.headers
    assert check(request) == "AKIDEXAMPLE"


def test_unencoded_characters_may_be_signed_as_sent() -> None:
    """As botocore does; other signers encode them first."""
    assert check(sign(target="/?a=b+c&d=e*f&g")) == "AKIDEXAMPLE"


def test_aws_own_vector() -> None:
    """`get-vanilla-query-order-key-case` of AWS's test suite."""
    request = Request(
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        {
            "host": "example.amazonaws.com",
            "x-amz-date": "20150830T123600Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
            "aws4_request, SignedHeaders=host;x-amz-date, Signature="
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        },
        b"",
    )
    keys = {"AKIDEXAMPLE": Key(secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}
    now = datetime(2015, 8, 30, 12, 37, tzinfo=UTC)
    assert verify(request, keys=keys, region="us-east-1", now=now, service="service") in keys


@pytest.mark.parametrize("expires_s", [None, 60], ids=["header", "query"])
def test_the_region_of_a_signature_is_told_without_verifying_it(expires_s: int | None) -> None:
    """In either form; what is signed otherwise, or not at all, names none."""
    assert signed_region(sign(region="eu-west-1", expires_s=expires_s)) == "eu-west-1"


@pytest.mark.parametrize("text", ["Bearer x", "AWS4-HMAC-SHA256 Credential=a/b, Signature=c", ""])
def test_what_names_no_region_has_none(text: str) -> None:
    """It goes to the default region, and is judged there."""
    request = Request("GET", "/", "", {"host": HOST, "authorization": text}, b"")
    assert signed_region(request) is None
