"""The head of an HTTP response at the beginning of a streamed one; sans-IO.

A function that streams with the content type CONTENT_TYPE sends JSON, eight NUL bytes and the body:
{"statusCode": 200, "headers": {...}, "multiValueHeaders": {...}, "cookies": ["a=b"]}, every member
optional (runtime.md section 5, after AWS's client for Node.js). JSON text holds no NUL itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lambd.model.limits import HTTP_HEADER_BYTES

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
_SEPARATOR = bytes(8)
# Statuses that begin no answer of their own.
_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599


class BadPreludeError(Exception):
    """What the function sent is no head of an HTTP response; the message tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """The head, as the function gave it; nothing that would break an HTTP head is left in it."""

    status: int
    # With one entry for each value; without the cookies.
    headers: tuple[tuple[str, str], ...]
    # `name=value; attributes`: the values of Set-Cookie headers.
    cookies: tuple[str, ...]


class PreludeParser:
    """Finds the head in the parts of a stream."""

    __slots__ = ("_received",)

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> tuple[Prelude, bytes] | None:
        """Take a part.

        Returns:
            The head and the first bytes of the body, once all of the head is there: do not feed
            more. None until then.

        Raises:
            BadPreludeError: it is not one, or longer than any HTTP head.
        """
        received = self._received
        # What has been searched need not be again, save that a separator may begin in it.
        searched = max(0, len(received) - len(_SEPARATOR) + 1)
        received += data
        end = received.find(_SEPARATOR, searched)
        if (len(received) if end < 0 else end) > HTTP_HEADER_BYTES:
            raise BadPreludeError(f"longer than {HTTP_HEADER_BYTES} bytes")
        if end < 0:
            return None
        return parse_prelude(bytes(received[:end])), bytes(received[end + len(_SEPARATOR) :])


def parse_prelude(text: bytes) -> Prelude:
    """The head in a JSON text.

    Raises:
        BadPreludeError: it is not one.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPreludeError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadPreludeError("not a JSON object")
    cookies = document.get("cookies") or []
    if not isinstance(cookies, list):
        raise BadPreludeError("cookies: not a list")
    return Prelude(
        status=_status(document.get("statusCode", 200)),
        headers=tuple(_headers(document)),
        cookies=tuple(_text("cookies", cookie) for cookie in cookies),
    )


def _status(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        return value
    raise BadPreludeError(f"statusCode: {str(value)[:100]!r} is none")


def _headers(document: dict[str, object]) -> Iterator[tuple[str, str]]:
    several = _table(document, "multiValueHeaders")
    for name, values in several.items():
        if not isinstance(values, list):
            raise BadPreludeError("multiValueHeaders: not lists")
        for value in values:
            yield _text("headers", name), _text("headers", value)
    names = {name.lower() for name in several}
    for name, value in _table(document, "headers").items():
        if name.lower() not in names:
            yield _text("headers", name), _text("headers", value)


def _table(document: dict[str, object], member: str) -> dict[str, object]:
    table = document.get(member)
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise BadPreludeError(f"{member}: not an object")
    return table


def _text(member: str, value: object) -> str:
    """A string that can stand in an HTTP head; numbers and booleans as JSON writes them."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise BadPreludeError(f"{member}: not a string")
    if any(character in value for character in "\r\n\0"):
        raise BadPreludeError(f"{member}: a line break or NUL in a value")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise BadPreludeError(f"{member}: not Latin-1") from None
    return value
