"""The client for streamed answers: one connection, one request at a time, and what of it counts."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass

_END = b"\r\n0\r\n\r\n"
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Seconds from the request to the first byte of the body, and to the end of the answer."""

    first_s: float
    whole_s: float
    # Framing included.
    size_bytes: int


def stream(address: tuple[str, int], path: str, size: int, part: int) -> Streamed:
    """Ask the runtime `function/bootstrap` for so many bytes in parts.

    Raises:
        RuntimeError: the answer is not a streamed 200, or broke off.
    """
    body = json.dumps({"bytes": size, "part": part})
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    with socket.create_connection(address, timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        connection.sendall(request)
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            received += _read(connection)
        first = time.perf_counter()
        if not received.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"not streamed: {received[:500]!r}")
        total, tail = len(received), received
        while not tail.endswith(_END):
            data = _read(connection)
            total += len(data)
            tail = (tail + data)[-len(_END) :]
        ended = time.perf_counter()
    if total < size:
        raise RuntimeError(f"{total} of {size} bytes")
    return Streamed(first_s=first - started, whole_s=ended - started, size_bytes=total)


def _read(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        raise RuntimeError("the answer broke off")
    return data
