"""Headers that a function gives the answer of its URL: one rule for whole answers and streamed ones.

A function decides on names and values, never on where the answer's head ends, how its body is framed
or what becomes of the connection: names are tokens and values field text (RFC 9110, section 5), and
headers that are the server's own are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-zA-Z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# About the connection (RFC 9110, section 7.6.1), or written by the server and the platform.
_OWN_HEADERS = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "trailer"),
        *("transfer-encoding", "upgrade", "content-length", "date"),
        *("x-amzn-requestid", "x-amzn-trace-id"),
    }
)


class BadHeaderError(ValueError):
    """What the function gave cannot stand in an HTTP head; the message tells why."""


def function_headers(pairs: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """The headers that are the function's to give, as text, in their order.

    Raises:
        BadHeaderError: a name or a value is none.
    """
    headers: list[tuple[str, str]] = []
    for name, value in pairs:
        if _NAME.fullmatch(name) is None:
            raise BadHeaderError(f"headers: {name[:100]!r} is no name")
        if name.lower() not in _OWN_HEADERS:
            headers.append((name, _text("headers", value)))
    return headers


def function_cookies(cookies: object) -> list[str]:
    """The values of the answer's Set-Cookie headers; none for null.

    Raises:
        BadHeaderError: it is no list, or a value in it is none.
    """
    if cookies is None:
        return []
    if not isinstance(cookies, list):
        raise BadHeaderError("cookies: not a list")
    return [_text("cookies", cookie) for cookie in cookies]


def _text(member: str, value: object) -> str:
    """A value as text; numbers and booleans as JSON writes them."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise BadHeaderError(f"{member}: not a string")
    if _VALUE.fullmatch(value) is None:
        raise BadHeaderError(f"{member}: a control character, or one that is not Latin-1")
    return value
