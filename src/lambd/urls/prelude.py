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
from lambd.urls.heads import (
    BadHeadError,
    function_cookies,
    function_headers,
    function_status,
)

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
_SEPARATOR = bytes(8)


class BadPreludeError(Exception):
    """What the function sent is no head of an HTTP response; the message tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """The head, as far as it is the function's to give (`heads.py`)."""

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
    try:
        return Prelude(
            status=function_status(document.get("statusCode", 200)),
            headers=tuple(function_headers(_headers(document))),
            cookies=tuple(function_cookies(document.get("cookies"))),
        )
    except BadHeadError as error:
        raise BadPreludeError(str(error)) from None


def _headers(document: dict[str, object]) -> Iterator[tuple[str, object]]:
    several = _table(document, "multiValueHeaders")
    for name, values in several.items():
        if not isinstance(values, list):
            raise BadPreludeError("multiValueHeaders: not lists")
        for value in values:
            yield name, value
    names = {name.lower() for name in several}
    for name, value in _table(document, "headers").items():
        if name.lower() not in names:
            yield name, value


def _table(document: dict[str, object], member: str) -> dict[str, object]:
    table = document.get(member)
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise BadPreludeError(f"{member}: not an object")
    return table
