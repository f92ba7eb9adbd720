"""The head that a function gives the answer of its URL: one rule for whole answers and streamed ones.

A function decides on status, names and values, never on where the answer's head ends, how its body is framed
or what becomes of the connection: names are tokens and values field text (RFC 9110, section 5), and
headers that are the server's own are left out. AWS documents strings as values; what it makes of
lists and null is not recorded, and refusing them hides no mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-zA-Z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599
# About the connection (RFC 9110, section 7.6.1), or written by the server and the platform.
_OWN_HEADERS = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "trailer"),
        *("transfer-encoding", "upgrade", "content-length", "date"),
        *("x-amzn-requestid", "x-amzn-trace-id"),
    }
)


class BadHeadError(ValueError):
    """What the function gave cannot stand in an HTTP head; the message tells why."""


def function_status(value: object) -> int:
    """The status; a number of three digits may be text, and a whole one may be written as 200.0.

    Raises:
        BadHeadError: it is none, or begins no answer of its own.
    """
    is_text = isinstance(value, str) and re.fullmatch("[0-9]{3}", value) is not None
    number = float(str(value)) if is_text else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, int) and _LOWEST_STATUS <= number <= _HIGHEST_STATUS:
        return number
    raise BadHeadError(f"statusCode: {str(value)[:100]!r} is none")


def function_headers(pairs: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """The headers that are the function's to give, as text, in their order.

    Raises:
        BadHeadError: a name or a value is none.
    """
    headers: list[tuple[str, str]] = []
    for name, value in pairs:
        if _NAME.fullmatch(name) is None:
            raise BadHeadError(f"headers: {name[:100]!r} is no name")
        if name.lower() not in _OWN_HEADERS:
            headers.append((name, _text("headers", value)))
    return headers


def function_cookies(cookies: object) -> list[str]:
    """The values of the answer's Set-Cookie headers; none for null.

    Raises:
        BadHeadError: it is no list, or a value in it is none.
    """
    if cookies is None:
        return []
    if not isinstance(cookies, list):
        raise BadHeadError("cookies: not a list")
    return [_text("cookies", cookie) for cookie in cookies]


def _text(member: str, value: object) -> str:
    """A value as text; numbers and booleans as JSON writes them."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise BadHeadError(f"{member}: not a string")
    if _VALUE.fullmatch(value) is None:
        raise BadHeadError(f"{member}: a control character, or one that is not Latin-1")
    return value
