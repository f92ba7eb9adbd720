"""What functions return as HTTP responses: of their URLs, whole. Pure.

Source: AWS's developer guide, "request and response payloads" of function URLs (payload format 2.0).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from lambd.http.messages import Response
from lambd.urls.heads import (
    BadHeadError,
    function_cookies,
    function_headers,
    function_status,
)
from lambd.urls.prelude import BadPreludeError, Prelude, PreludeParser

_NO_BODY = frozenset({204, 304})
_JSON = "application/json"
# The way AWS writes JSON: without spaces, characters as they are.
_compact_text = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class BadFunctionResponseError(ValueError):
    """The function's result is no HTTP response."""


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
    return _compact_text(value).encode(errors="replace")
