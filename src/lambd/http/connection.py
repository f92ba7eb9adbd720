"""One HTTP/1.1 connection of a server, on a plain asyncio protocol: requests in, answers out, in order.

Requests, as `request_reader.py` gives them, are handled one at a time; those that are pipelined behind
another one wait. This is the warm path of an invocation, passed six times: keep it lean.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol, cast

import httptools
import structlog

from lambd.http.busy_poll import BusyPoll
from lambd.http.encoding import NO_BODY_STATUSES, encode_head, encode_lines, encode_response
from lambd.http.exchanges import (
    Application,
    Exchange,
    Headers,
    ResponseStream,
    StreamedExchange,
)
from lambd.http.heads import RequestRefusedError
from lambd.http.messages import Request, Response
from lambd.http.request_reader import RequestReader
from lambd.http.tls import peer_of

_log = structlog.get_logger(__name__)

# A connection with no request under way is closed after this long.
IDLE_TIMEOUT_S = 120.0
# A request that has begun to arrive has this long to arrive whole.
READ_TIMEOUT_S = 300.0
# Of the requests that come in one piece so many are started at once; each other one, and each that
# waits for an answer before it, in a turn of the loop of its own.
STARTS_AT_ONCE = 8
# Requests that wait behind the one under way; with more the connection ends.
PENDING_REQUESTS = 256


class Server(Protocol):
    """What a connection needs of its server."""

    application: Application
    # A header's name in lower case, or empty.
    stream_marker: bytes
    busy_poll: BusyPoll | None

    def admit(self, connection: HttpConnection) -> bool:
        """Count a new connection; False when there are too many."""

    def forget(self, connection: HttpConnection) -> None:
        """Drop a connection that is gone."""


class HttpConnection(RequestReader, asyncio.Protocol):
    """One client connection: takes requests from its reader, sends answers in order."""

    __slots__ = (
        "_busy_poll",
        "_chunked",
        "_closing",
        "_is_refused",
        "_keep_alive",
        "_pending",
        "_reading_paused",
        "_repeated",
        "_server",
        "_started",
        "_stream",
        "_transport",
        "_writing_paused",
        "last_active",
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server.application, server.stream_marker)
        self._server = server
        self._transport: asyncio.Transport | None = None
        # Requests behind the one under way, with whether the connection outlives them.
        self._pending: deque[tuple[Exchange, bool]] = deque()
        # Requests of what came at once that were started at once.
        self._started = 0
        # The answer that is being sent in parts.
        self._stream: ResponseStream | None = None
        # Framing of that answer: chunked, until the connection ends, or None: it has no body.
        self._chunked: bool | None = True
        self._busy_poll = server.busy_poll
        self._keep_alive = True
        self._closing = False
        self._reading_paused = False
        self._writing_paused = False
        self.last_active = 0.0
        # Whether what still comes is dropped: after something that is no request.
        self._is_refused = False
        # A request without a body, and what it was parsed from: a runtime asks for every invocation
        # with the same bytes, which mean the same each time.
        self._repeated: tuple[bytes, Request] | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, or refuse when the server has enough connections."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._peer = peer_of(self._transport)
        self.last_active = time.monotonic()
        if not self._server.admit(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for this client that it is gone."""
        del exc
        self._closing = True
        self._server.forget(self)
        self._transport = None
        stream, self._stream = self._stream, None
        self._receiving = None
        for each in [stream, self._current, *(pending for pending, _ in self._pending)]:
            if each is not None:
                each.disconnected()
        self._current = None
        self._pending.clear()
        self._repeated = None
        self._release()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; anything it does not understand ends the connection with a 400."""
        if self._is_refused:
            return
        self._started = 0
        is_between = self._is_between
        repeated = self._repeated
        if repeated is not None and data == repeated[0] and is_between and self._current is None:
            self._start(Exchange(repeated[1], self, body_exceeded=False), keep_alive=True)
            if self._busy_poll is not None:
                self._busy_poll.touch()
            return
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._decline_upgrade(data, upgrade)
            bodyless, self._bodyless = self._bodyless, None
            if bodyless is not None and is_between and data.count(b"\r\n\r\n") == 1:
                self._repeated = (data, bodyless)
            if self._is_in_head:
                self._count_head(len(data))
        except (RequestRefusedError, httptools.HttpParserError) as error:
            self._refuse(error)
        if self._busy_poll is not None:
            self._busy_poll.touch()

    def eof_received(self) -> None:
        """Take the client's end for its leaving: nobody half-closes, and a dead runtime must show."""
        if self._receiving is not None:
            self._receiving.truncated()

    def pause_writing(self) -> None:
        """Read no further requests while the client does not take its answers."""
        self._writing_paused = True
        if self._stream is None:
            self._pause_reading()

    def resume_writing(self) -> None:
        """Go on reading, and sending."""
        self._writing_paused = False
        self._resume_reading()
        if self._stream is not None:
            self._stream.writable()

    # -- requests: lambd.http.request_reader

    def _take(self, request: Request, *, body_exceeded: bool, keep_alive: bool) -> None:
        exchange = Exchange(request, self, body_exceeded=body_exceeded)
        if self._current is None:
            self._started += 1
            if self._started <= STARTS_AT_ONCE:
                self._start(exchange, keep_alive=keep_alive)
            else:
                self._start_later(exchange, keep_alive=keep_alive)
        else:
            # A pipelining client: hold the rest back until this one is answered.
            if len(self._pending) >= PENDING_REQUESTS:
                raise RequestRefusedError(429, b"Too many requests on one connection")
            self._pending.append((exchange, keep_alive))
            self._pause_reading()

    def _take_head(self, request: Request, *, keep_alive: bool) -> None:
        self._receiving = exchange = StreamedExchange(request, self)
        self._start(exchange, keep_alive=keep_alive)

    def _continue(self) -> None:
        if self._is_in_head or self._is_between or self._transport is None:
            return
        self._expects_continue = False
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _body_dropped(self) -> None:
        if self._transport is not None:
            self._answered(self._transport, keep_alive=self._keep_alive)

    def pause_body(self) -> None:
        """Read no more of the body."""
        self._body_paused = True
        self._pause_reading()

    def resume_body(self) -> None:
        """Go on reading the body."""
        self._body_paused = False
        self._resume_reading()

    # -- answers

    def send(self, response: Response, *, close: bool) -> None:
        """Write one whole answer and go on with the next request."""
        transport = self._transport
        if transport is None:
            return
        keep_alive = self._keep_alive and not close and not self._closing
        encoded = response.encoded if keep_alive else None
        current = self._current
        is_head = current is not None and current.request.method == "HEAD"
        transport.write(
            encoded or encode_response(response, keep_alive=keep_alive, has_body=not is_head)
        )
        if self._receiving is not None:
            # The rest of the body comes first.
            self._keep_alive = keep_alive
            return
        self._answered(transport, keep_alive=keep_alive)

    def _answered(self, transport: asyncio.Transport, *, keep_alive: bool) -> None:
        """Go on with the next request, or close."""
        self._current = None
        self.last_active = time.monotonic()
        if not keep_alive:
            self._closing = True
            transport.close()
        elif self._pending:
            exchange, next_keep_alive = self._pending.popleft()
            self._start_later(exchange, keep_alive=next_keep_alive)
        else:
            if self._expects_continue:
                self._continue()
            if self._reading_paused:
                self._resume_reading()

    # -- answers in parts: lambd.http.exchanges.Connection

    def start_stream(
        self, stream: ResponseStream, status: int, headers: Headers, *, close: bool
    ) -> None:
        """Write the head of an answer in parts."""
        if self._transport is None or self._current is None:
            return
        self._stream = stream
        self._keep_alive = self._keep_alive and not close
        if status in NO_BODY_STATUSES or self._current.request.method == "HEAD":
            self._chunked = None
        else:
            self._chunked = self._parser.get_http_version() != "1.0"
            self._keep_alive = self._keep_alive and self._chunked
        framing = "Transfer-Encoding: chunked\r\n" if self._chunked else ""
        keep_alive = self._keep_alive and not self._closing
        self._transport.write(encode_head(status, headers, framing, keep_alive=keep_alive))

    def write_part(self, data: bytes) -> bool:
        """Write a part of the answer under way; False while the client does not keep up."""
        if self._transport is None or self._chunked is None:
            return True
        if self._chunked:
            self._transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))
        else:
            self._transport.write(data)
        return not self._writing_paused

    def end_stream(self, trailers: Headers) -> None:
        """End the answer under way and go on with the next request."""
        self._stream = None
        transport = self._transport
        if transport is None:
            return
        if self._chunked:
            transport.write(f"0\r\n{encode_lines(trailers)}\r\n".encode("latin-1"))
        self._answered(transport, keep_alive=self._keep_alive and not self._closing)

    def cut_stream(self) -> None:
        """Close after what was written, without the answer's end."""
        self._stream = None
        if self._transport is not None:
            self._answered(self._transport, keep_alive=False)

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
        limit = IDLE_TIMEOUT_S if self._is_between else READ_TIMEOUT_S
        return now - self.last_active > limit

    def _start_later(self, exchange: Exchange, *, keep_alive: bool) -> None:
        """Start a request in a turn of the loop of its own, so that others get theirs between."""
        self._current = exchange
        self._keep_alive = keep_alive
        self._pause_reading()
        asyncio.get_running_loop().call_soon(self._start_current, exchange)

    def _start_current(self, exchange: Exchange) -> None:
        # Unless the client has gone meanwhile.
        if exchange is self._current:
            self._start(exchange, keep_alive=self._keep_alive)

    def _start(self, exchange: Exchange, *, keep_alive: bool) -> None:
        self._current = exchange
        self._keep_alive = keep_alive
        try:
            self._application.handle(exchange)
        except Exception:  # noqa: BLE001 - a request root: a fault of ours is not the client's 400
            _log.exception("request_crashed", method=exchange.request.method)
            exchange.respond(Response(500), close=True)

    def _refuse(self, error: Exception) -> None:
        """Answer what is no request we can serve, and close.

        Requests before it are answered first, and then nothing else: the last of those answers says
        that the connection ends with it. What still comes is read and dropped, since closing a
        socket with something unread in it can take the answer from the client.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._is_refused = True
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        if self._pending:
            self._pending.append((self._pending.pop()[0], False))
        elif self._current is not None and self._receiving is None:
            self._keep_alive = False
        else:
            self._closing = True
            if self._current is None:
                transport.write(encode_response(_refusal(error), keep_alive=False))
            transport.close()

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        held_back = self._pending or self._body_paused
        if self._reading_paused and self._transport is not None and not held_back:
            self._reading_paused = False
            self._transport.resume_reading()


def _refusal(error: Exception) -> Response:
    """The answer to what the parser, or one of its callbacks, has refused."""
    cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
    status, text = 400, b"Bad Request"
    if isinstance(cause, RequestRefusedError):
        status, text = cause.status, cause.text
    return Response(status, [("Content-Type", "text/plain")], text)
