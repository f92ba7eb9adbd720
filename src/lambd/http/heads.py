"""What the head of a request asks of its connection; sans-IO. Nothing here is on the warm path."""

from __future__ import annotations

import re

from lambd.http.messages import RawHeaders


class RequestRefusedError(Exception):
    """A request that breaks a bound, or that this server cannot serve; the connection ends with it."""

    def __init__(self, status: int, text: bytes = b"") -> None:
        super().__init__(status)
        self.status = status
        self.text = text


def origin_form(target: str) -> str:
    """A request target without scheme and authority, which clients of a proxy send."""
    if "://" not in target:
        return target
    rest = re.sub(r"^[^:]*://[^/?]*", "", target)
    return rest if rest.startswith("/") else f"/{rest}"


def announced_bytes(headers: RawHeaders) -> int:
    """The Content-Length, which a parser has checked; 0 without one."""
    for name, value in headers:
        if name.lower() == b"content-length":
            return int(value)
    return 0


def check_upgrade(method: bytes, headers: RawHeaders) -> None:
    """Refuse a tunnel, or another protocol that the client cannot do without.

    Offers of HTTP/2, as of `curl --http2` and Java's client, may be ignored (RFC 9110, section 7.8).

    Raises:
        RequestRefusedError: it is one of those.
    """
    if method == b"CONNECT":
        raise RequestRefusedError(400, b"CONNECT is not supported")
    for name, value in headers:
        if name.lower() == b"upgrade" and b"websocket" in value.lower():
            raise RequestRefusedError(400, b"WebSocket upgrades are not supported")


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: RawHeaders) -> bytes:
    """The bytes of the same head without the offer."""
    lines = [b"%b: %b\r\n" % item for item in headers if item[0].lower() != b"upgrade"]
    start = b"%b %b HTTP/%b\r\n" % (method, target, version.encode())
    return start + b"".join(lines) + b"\r\n"
