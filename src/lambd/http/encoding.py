"""Responses as bytes: status line, headers, Date, framing."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from lambd.http.exchanges import Headers
from lambd.http.messages import Response

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
NO_BODY_STATUSES = frozenset({204, 304})


class _Date:
    """The Date header, formatted once a second."""

    __slots__ = ("_line", "_until")

    def __init__(self) -> None:
        self._until = 0.0
        self._line = ""

    def line(self) -> str:
        now = time.time()
        if not self._until - 1 <= now < self._until:
            self._until = int(now) + 1
            self._line = f"Date: {formatdate(int(now), usegmt=True)}\r\n"
        return self._line


_date = _Date()


def encode_response(response: Response, *, keep_alive: bool, has_body: bool = True) -> bytes:
    """The bytes of one answer; the one to HEAD tells of a body that it has not."""
    body = response.body
    if response.status in NO_BODY_STATUSES:
        return encode_head(response.status, response.headers, "", keep_alive=keep_alive)
    length = f"Content-Length: {len(body)}\r\n"
    head = encode_head(response.status, response.headers, length, keep_alive=keep_alive)
    return head + body if has_body else head


def encode_head(status: int, headers: Headers, framing: str, *, keep_alive: bool) -> bytes:
    """The bytes before the body; `framing` is the header line that says where it ends, if any."""
    status_line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n"
    connection = "" if keep_alive else "Connection: close\r\n"
    text = f"{status_line}{encode_lines(headers)}{_date.line()}{framing}{connection}\r\n"
    return text.encode("latin-1")


def encode_lines(headers: Headers) -> str:
    """Header or trailer lines; a value with a line break is a fault of ours."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("line break in a response header")
    return lines
