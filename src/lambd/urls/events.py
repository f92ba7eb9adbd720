"""HTTP requests to function URLs as events, and what functions return as HTTP. Pure.

Source: AWS's developer guide, "request and response payloads" of function URLs (payload format
2.0). What is not recorded: that a form's body is base64, as it is behind HTTP APIs.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from lambd.http.messages import Request, Response
from lambd.model.settings import Cors
from lambd.urls.heads import (
    BadHeadError,
    function_cookies,
    function_headers,
    function_status,
)
from lambd.urls.prelude import BadPreludeError, Prelude, PreludeParser

# Bodies that go into an event as text.
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.+\+(json|xml))")
_NO_BODY = frozenset({204, 304})
# Of a request: a member of its own, and what only a front end can know.
_OWN_REQUEST_HEADERS = frozenset({"cookie", "x-amzn-tls-version", "x-amzn-tls-cipher-suite"})
_JSON = "application/json"
_CORS_PREFIX = "access-control-"


class BadFunctionResponseError(ValueError):
    """The function's result is no HTTP response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCaller:
    """Who signed a request: `authorizer.iam` of its event."""

    access_key: str
    account_id: str
    user_arn: str
    # Of the user, and the caller's, which is the same but for roles.
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCall:
    """The surroundings of one request to a function URL."""

    url_id: str
    domain: str
    request_id: str
    now: datetime
    port: int
    trace_header: str
    # Who signed the request; None for URLs that anyone may call.
    caller: UrlCaller | None = None


def encode_event(request: Request, call: UrlCall) -> bytes:
    """The event, in format 2.0."""
    headers = {
        name: value for name, value in request.headers.items() if name not in _OWN_REQUEST_HEADERS
    } | _forwarded(request, call)
    cookies = _cookies(request)
    parameters: dict[str, list[str]] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True):
        parameters.setdefault(key, []).append(value)
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
    }
    if parameters:
        event["queryStringParameters"] = {
            key: ",".join(values) for key, values in parameters.items()
        }
    caller = call.caller
    event["requestContext"] = {
        "accountId": "anonymous" if caller is None else caller.account_id,
        "apiId": call.url_id,
        **({} if caller is None else {"authorizer": {"iam": _authorizer(caller)}}),
        "domainName": call.domain,
        "domainPrefix": call.url_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.peer.address,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": call.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{call.now:%d/%b/%Y:%H:%M:%S +0000}",
        "timeEpoch": int(call.now.timestamp() * 1000),
    }
    body, is_base64 = _encode_body(request.body, headers.get("content-type", ""))
    if body:
        event["body"] = body
    event["isBase64Encoded"] = is_base64
    return json.dumps(event, separators=(",", ":")).encode()


def _forwarded(request: Request, call: UrlCall) -> dict[str, str]:
    """What AWS's front end adds of the connection."""
    peer = request.peer
    before = request.headers.get("x-forwarded-for")
    headers = {
        "x-amzn-trace-id": call.trace_header,
        "x-forwarded-for": peer.address if before is None else f"{before}, {peer.address}",
        "x-forwarded-port": str(call.port),
        "x-forwarded-proto": "https" if request.is_secure else "http",
    }
    if peer.tls_version is not None and peer.cipher_suite is not None:
        headers["x-amzn-tls-version"] = peer.tls_version
        headers["x-amzn-tls-cipher-suite"] = peer.cipher_suite
    return headers


def _cookies(request: Request) -> list[str]:
    """The cookies of all Cookie headers, each `name=value`."""
    return [
        item.strip()
        for name, value in request.header_pairs()
        if name == "cookie"
        for item in value.split(";")
        if item.strip()
    ]


def _authorizer(caller: UrlCaller) -> dict[str, str | None]:
    return {
        "accessKey": caller.access_key,
        "accountId": caller.account_id,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.user_arn,
        "userId": caller.user_id,
    }


def decode_result(payload: bytes) -> Response:
    """The response that a function's result describes; a result without `statusCode` is the body.

    Raises:
        BadFunctionResponseError: it describes none.
    """
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError) as error:
        return _decode_streamed(payload, error)
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result.encode(errors="replace") if isinstance(result, str) else _compact(result)
        return Response(200, [("Content-Type", _JSON)], body)
    headers = result.get("headers") or {}
    if not isinstance(headers, dict):
        raise BadFunctionResponseError("headers is no object")
    try:
        status = function_status(result["statusCode"])
        found = function_headers(headers.items())
        cookies = function_cookies(result.get("cookies"))
    except BadHeadError as error:
        raise BadFunctionResponseError(str(error)) from None
    if not any(name.lower() == "content-type" for name, _ in found):
        found.append(("Content-Type", _JSON))
    found.extend(("Set-Cookie", cookie) for cookie in cookies)
    return Response(status, found, _decode_body(result))


def _decode_streamed(payload: bytes, error: Exception) -> Response:
    """The response of a function that streams to a caller who waits for all of it."""
    try:
        found = PreludeParser().feed(payload)
    except BadPreludeError:
        found = None
    if found is None:
        raise BadFunctionResponseError(str(error)) from None
    prelude, body = found
    return Response(prelude.status, prelude_headers(prelude), body)


def prelude_headers(prelude: Prelude) -> list[tuple[str, str]]:
    """The headers of the answer that begins with a prelude."""
    headers = list(prelude.headers)
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    if not has_type and prelude.status not in _NO_BODY:
        headers.append(("Content-Type", "application/octet-stream"))
    return headers + [("Set-Cookie", cookie) for cookie in prelude.cookies]


def preflight(cors: Cors, request: Request) -> Response | None:
    """The answer to a preflight request; None if it is another kind of request."""
    headers = request.headers
    if request.method != "OPTIONS" or "access-control-request-method" not in headers:
        return None
    reply = cors_headers(cors, headers)
    if reply:
        for name, values in (
            ("Access-Control-Allow-Methods", cors.allow_methods),
            ("Access-Control-Allow-Headers", cors.allow_headers),
        ):
            if values:
                reply.append((name, ",".join(values)))
        if cors.max_age_s is not None:
            reply.append(("Access-Control-Max-Age", str(cors.max_age_s)))
    return Response(200, reply)


def cors_headers(cors: Cors, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What any answer says to a browser; nothing if the origin is not allowed."""
    origin = headers.get("origin")
    allowed = cors.allow_origins or ()
    if origin is None or not ("*" in allowed or origin in allowed):
        return []
    reply = [
        (
            "Access-Control-Allow-Origin",
            origin if cors.allow_credentials else _shown(allowed, origin),
        ),
        ("Vary", "Origin"),
    ]
    if cors.allow_credentials:
        reply.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose_headers:
        reply.append(("Access-Control-Expose-Headers", ",".join(cors.expose_headers)))
    return reply


def headers_with_cors(
    headers: list[tuple[str, str]], cors: Cors, sent: Mapping[str, str]
) -> list[tuple[str, str]]:
    """An answer's headers with the URL's CORS headers, if the request gets any.

    Those of the function's own are never sent beside a configuration, which alone decides.
    """
    kept = [item for item in headers if not item[0].lower().startswith(_CORS_PREFIX)]
    return kept + cors_headers(cors, sent)


def _shown(allowed: tuple[str, ...], origin: str) -> str:
    return "*" if "*" in allowed else origin


def _encode_body(body: bytes, content_type: str) -> tuple[str, bool]:
    if body and _TEXT.fullmatch(content_type.split(";", maxsplit=1)[0].strip().lower()):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), bool(body)


def _decode_body(result: Mapping[str, object]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return _compact(body)
    if not result.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadFunctionResponseError(str(error)) from None


def _compact(value: object) -> bytes:
    """As JSON, the way AWS writes it: without spaces, characters as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")
