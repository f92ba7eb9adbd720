"""HTTP/1.1 on plain asyncio protocols and httptools.

One `HttpServer` serves any number of listening sockets (the platform's API, and one Runtime API
socket per sandbox) for one `Application`. Requests of a connection are handled one at a time, in
order; a request is handed over whole, or, once it is over the application's limit for it, with its
body dropped and `body_exceeded` set. The application answers when it likes: from the callback, or
later from a task. This is the warm path of an invocation, passed six times: keep it lean.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from lambd.http.messages import RawHeaders, Request, Response
from lambd.model.limits import HTTP_HEADER_BYTES

# A body over its limit is read and dropped up to this many bytes, so that the client gets to read
# the answer; beyond it the connection is cut.
DISCARD_BYTES = 256 * 1024 * 1024
# A connection with no request under way is closed after this long.
IDLE_TIMEOUT_S = 120.0
# A request that has begun to arrive has this long to arrive whole.
READ_TIMEOUT_S = 300.0

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NO_BODY_STATUSES = frozenset({204, 304})


class Application(Protocol):
    """What a server calls: both are called on the event loop and must not block or raise."""

    def body_limit(self, method: str, path: str) -> int:
        """Largest body in bytes that this request may have."""

    def handle(self, exchange: Exchange) -> None:
        """Answer a request now or later, once, through `exchange.respond`."""


class Exchange:
    """One request and the one answer to it."""

    __slots__ = ("_protocol", "body_exceeded", "on_disconnect", "request")

    def __init__(self, request: Request, protocol: HttpConnection, *, body_exceeded: bool) -> None:
        self.request = request
        # The body was over the application's limit and has been dropped.
        self.body_exceeded = body_exceeded
        # Called if the client goes away before the answer.
        self.on_disconnect: Callable[[], None] | None = None
        self._protocol: HttpConnection | None = protocol

    def respond(self, response: Response, *, close: bool = False) -> None:
        """Send the answer; a no-op when it was sent before or the client is gone."""
        protocol, self._protocol = self._protocol, None
        self.on_disconnect = None
        if protocol is not None:
            protocol.send(response, close=close)

    @property
    def is_open(self) -> bool:
        """Whether an answer can still be sent."""
        return self._protocol is not None

    def disconnected(self) -> None:
        """Tell the exchange that its connection is gone (called by the connection)."""
        callback, self.on_disconnect, self._protocol = self.on_disconnect, None, None
        if callback is not None:
            callback()


class HttpConnection(asyncio.Protocol):
    """One client connection: parses requests, sends answers in order."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_limit",
        "_closing",
        "_current",
        "_expects_continue",
        "_head_bytes",
        "_headers",
        "_keep_alive",
        "_parser",
        "_pending",
        "_reading_paused",
        "_server",
        "_transport",
        "_url",
        "last_active",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._pending: deque[tuple[Exchange, bool]] = deque()
        self._current: Exchange | None = None
        self._keep_alive = True
        self._closing = False
        self._reading_paused = False
        self.last_active = 0.0
        self._reset_message()

    def _reset_message(self) -> None:
        self._url = b""
        self._headers: RawHeaders = []
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._body_limit = 0
        self._expects_continue = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, or refuse when the server has enough connections."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.last_active = time.monotonic()
        if not self._server.admit(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for this client that it is gone."""
        del exc
        self._closing = True
        self._server.forget(self)
        self._transport = None
        for exchange in [self._current, *(pending for pending, _ in self._pending)]:
            if exchange is not None:
                exchange.disconnected()
        self._current = None
        self._pending.clear()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; anything it does not understand ends the connection with a 400."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(426, b"Upgrade is not supported")
        except _RequestRefusedError as refused:
            self._refuse(refused.status, b"")
        except httptools.HttpParserCallbackError as error:
            refused_error = error.__context__
            status = (
                refused_error.status if isinstance(refused_error, _RequestRefusedError) else 400
            )
            self._refuse(status, b"")
        except httptools.HttpParserError:
            self._refuse(400, b"Bad Request")

    def eof_received(self) -> None:
        """Take the client's end for its leaving: nobody half-closes, and a dead runtime must show."""

    def pause_writing(self) -> None:
        """Read no further requests while the client does not take its answers."""
        self._pause_reading()

    def resume_writing(self) -> None:
        """Go on reading."""
        self._resume_reading()

    # -- httptools callbacks

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._reset_message()

    def on_url(self, url: bytes) -> None:
        """Collect the request target, which may arrive in parts."""
        self._url = self._url + url if self._url else url
        self._head_bytes += len(url)
        if self._head_bytes > HTTP_HEADER_BYTES:
            raise _RequestRefusedError(431)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one header (or trailer)."""
        self._headers.append((name, value))
        if len(name) == 6 and name.lower() == b"expect":
            self._expects_continue = True
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HTTP_HEADER_BYTES:
            raise _RequestRefusedError(431)

    def on_headers_complete(self) -> None:
        """Tell a client that waits for it to send the body."""
        if self._expects_continue and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Collect the body up to its limit, then only count it."""
        if not self._body_bytes:
            method = self._parser.get_method().decode("ascii")
            path = self._url.split(b"?", 1)[0].decode("latin-1")
            self._body_limit = self._server.application.body_limit(method, path)
        self._body_bytes += len(body)
        if self._body_bytes <= self._body_limit:
            self._body.append(body)
            return
        self._body.clear()
        if self._body_bytes > DISCARD_BYTES:
            raise _RequestRefusedError(413)

    def on_message_complete(self) -> None:
        """Hand the request over, or queue it behind the one under way."""
        target = self._url.decode("latin-1")
        path, _, query = target.partition("?")
        body = self._body
        exchange = Exchange(
            Request(
                self._parser.get_method().decode("ascii"),
                path,
                query,
                self._headers,
                body[0] if len(body) == 1 else b"".join(body),
            ),
            self,
            body_exceeded=self._body_bytes > self._body_limit,
        )
        keep_alive = self._parser.should_keep_alive()
        self._body = []
        self._body_bytes = 0
        self._body_limit = 0
        if self._current is None:
            self._start(exchange, keep_alive=keep_alive)
        else:
            # A pipelining client: hold the rest back until this one is answered.
            self._pending.append((exchange, keep_alive))
            self._pause_reading()

    # -- answers

    def send(self, response: Response, *, close: bool) -> None:
        """Write one whole answer and go on with the next request."""
        transport = self._transport
        if transport is None:
            return
        keep_alive = self._keep_alive and not close and not self._closing
        encoded = response.encoded if keep_alive else None
        transport.write(encoded or _encode(response, keep_alive=keep_alive))
        self._current = None
        self.last_active = time.monotonic()
        if not keep_alive:
            self._closing = True
            transport.close()
        elif self._pending:
            exchange, next_keep_alive = self._pending.popleft()
            self._start(exchange, keep_alive=next_keep_alive)
        elif self._reading_paused:
            self._resume_reading()

    def close_when_idle(self) -> None:
        """Close now, or after the answer under way."""
        self._closing = True
        if self._current is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def is_stale(self, now: float) -> bool:
        """Whether the connection has been without an answer to give, or a request, too long."""
        if self._current is not None:
            return False
        limit = READ_TIMEOUT_S if self._head_bytes or self._body_bytes else IDLE_TIMEOUT_S
        return now - self.last_active > limit

    def _start(self, exchange: Exchange, *, keep_alive: bool) -> None:
        self._current = exchange
        self._keep_alive = keep_alive
        self._head_bytes = 0
        self._server.application.handle(exchange)

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer what is no request we can serve, and close."""
        if self._transport is None or self._transport.is_closing():
            return
        self._closing = True
        if self._current is None:
            self._transport.write(
                _encode(Response(status, [("Content-Type", "text/plain")], text), keep_alive=False)
            )
        self._transport.close()

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None and not self._pending:
            self._reading_paused = False
            self._transport.resume_reading()


class HttpServer:
    """Serves one application on any number of listening sockets."""

    def __init__(self, application: Application, *, max_connections: int = 10_000) -> None:
        self.application = application
        self._max_connections = max_connections
        self._connections: set[HttpConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._no_connections = asyncio.Event()
        self._no_connections.set()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a listening socket, which the server owns from now on."""
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_server(lambda: HttpConnection(self), sock=sock))

    def admit(self, connection: HttpConnection) -> bool:
        """Count a new connection; False when there are too many."""
        if len(self._connections) >= self._max_connections:
            return False
        self._connections.add(connection)
        self._no_connections.clear()
        return True

    def forget(self, connection: HttpConnection) -> None:
        """Drop a connection that is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._no_connections.set()

    async def run_sweeper(self, interval_s: float = 30.0) -> None:
        """Close connections that have been silent too long; runs until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            now = time.monotonic()
            for connection in [c for c in self._connections if c.is_stale(now)]:
                connection.abort()

    def stop_accepting(self) -> None:
        """Close the listening sockets; connections go on."""
        for listener in self._listeners:
            listener.close()

    async def drain(self, timeout_s: float) -> None:
        """Wait until every answer under way is sent, at most `timeout_s`, then cut the rest."""
        for connection in list(self._connections):
            connection.close_when_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._no_connections.wait()
        self.close()

    def close(self) -> None:
        """Stop at once."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.abort()


class _RequestRefusedError(Exception):
    """Raised inside parser callbacks to end a request that breaks a bound."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _DateHeader:
    """The Date header, formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = f"Date: {formatdate(second, usegmt=True)}\r\n"
        return self._line


_date = _DateHeader()


def _encode(response: Response, *, keep_alive: bool) -> bytes:
    """The bytes of one answer; a header value with a line break is a fault of ours."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    if lines.count("\n") != len(response.headers):
        raise ValueError("line break in a response header")
    status_line = _STATUS_LINES.get(response.status) or b"HTTP/1.1 %d Unknown\r\n" % response.status
    has_body = response.status not in _NO_BODY_STATUSES
    length = f"Content-Length: {len(response.body)}\r\n" if has_body else ""
    connection = "" if keep_alive else "Connection: close\r\n"
    head = f"{lines}{_date.line()}{length}{connection}\r\n".encode("latin-1")
    return b"".join((status_line, head, response.body if has_body else b""))
