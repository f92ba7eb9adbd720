"""One HTTP/1.1 connection of a server, on a plain asyncio protocol and httptools.

Requests are handled one at a time, in order; a request is handed over whole, or, once it is over
the application's limit for it, with its body dropped and `body_exceeded` set. Only requests with
the server's `stream_marker` header are handed over at the end of their head, the body to come
(`exchanges.py`); one that is pipelined behind another request is handed over whole like any other.
This is the warm path of an invocation, passed six times: keep it lean.
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
    SMALL_BODY_BYTES,
    Application,
    Exchange,
    Headers,
    ResponseStream,
    StreamedExchange,
)
from lambd.http.heads import (
    RequestRefusedError,
    announced_bytes,
    check_upgrade,
    head_without_upgrade,
    origin_form,
)
from lambd.http.messages import Peer, RawHeaders, Request, Response
from lambd.http.tls import peer_of
from lambd.model.limits import HTTP_HEADER_BYTES

_log = structlog.get_logger(__name__)

# A body over its limit is read and dropped up to this many bytes, so that the client gets to read
# the answer; beyond it the connection is cut.
DISCARD_BYTES = 256 * 1024 * 1024
# A connection with no request under way is closed after this long.
IDLE_TIMEOUT_S = 120.0
# A request that has begun to arrive has this long to arrive whole.
READ_TIMEOUT_S = 300.0


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


class HttpConnection(asyncio.Protocol):
    """One client connection: parses requests, sends answers in order."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_exceeded",
        "_body_limit",
        "_body_paused",
        "_bodyless",
        "_busy_poll",
        "_chunked",
        "_closing",
        "_current",
        "_expects_continue",
        "_head_bytes",
        "_header_count",
        "_headers",
        "_is_between",
        "_is_in_head",
        "_is_marked",
        "_is_refused",
        "_is_upgrade",
        "_keep_alive",
        "_marker",
        "_marker_length",
        "_parser",
        "_peer",
        "_pending",
        "_reading_paused",
        "_receiving",
        "_repeated",
        "_server",
        "_stream",
        "_transport",
        "_url",
        "_writing_paused",
        "last_active",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._peer = Peer()
        self._pending: deque[tuple[Exchange, bool]] = deque()
        self._current: Exchange | None = None
        # The request whose body is being read in parts, and the answer that is being sent so.
        self._receiving: StreamedExchange | None = None
        self._stream: ResponseStream | None = None
        # Framing of that answer: chunked, until the connection ends, or None: it has no body.
        self._chunked: bool | None = True
        self._busy_poll = server.busy_poll
        self._marker = server.stream_marker
        self._marker_length = len(self._marker)
        self._keep_alive = True
        self._closing = False
        self._reading_paused = False
        self._body_paused = False
        self._writing_paused = False
        self.last_active = 0.0
        # Whether the last message that began has been read to its end.
        self._is_between = True
        # Whether that is still at its head.
        self._is_in_head = False
        # Whether that offers another protocol, which this one goes on without.
        self._is_upgrade = False
        # Whether what still comes is dropped: after something that is no request.
        self._is_refused = False
        # The last request without a body, if it is to be remembered, and what it was parsed from:
        # a runtime asks for every invocation with the same bytes, which mean the same each time.
        self._bodyless: Request | None = None
        self._repeated: tuple[bytes, Request] | None = None
        self._reset_message()

    def _reset_message(self) -> None:
        self._url = b""
        self._headers: RawHeaders = []
        self._header_count = 0
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._body_limit = 0
        self._body_exceeded = False
        self._expects_continue = False
        self._is_marked = False

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

    def data_received(self, data: bytes) -> None:
        """Feed the parser; anything it does not understand ends the connection with a 400."""
        if self._is_refused:
            return
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

    def _decline_upgrade(self, data: bytes, upgrade: httptools.HttpParserUpgrade) -> None:
        """Read a request once more without its offer: the parser would not read its body."""
        rest = memoryview(data)
        offered: httptools.HttpParserUpgrade | None = upgrade
        while offered is not None:
            rest = rest[offered.args[0] :]
            offered = None
            parser = self._parser
            self._is_upgrade = False
            parser.feed_data(
                head_without_upgrade(
                    parser.get_method(), self._url, parser.get_http_version(), self._headers
                )
            )
            try:
                parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                offered = another

    def _count_head(self, size: int) -> None:
        """Count what came of a head, or of trailers, that has no end yet."""
        self._head_bytes += size
        if self._head_bytes > HTTP_HEADER_BYTES:
            raise RequestRefusedError(431)

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

    # -- httptools callbacks

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._is_between = False
        self._is_in_head = True
        self._reset_message()

    def on_url(self, url: bytes) -> None:
        """Collect the request target, which may arrive in parts."""
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one header (or trailer)."""
        self._headers.append((name, value))
        if not self._is_in_head:
            self._count_head(len(name) + len(value))
        size = len(name)
        if size == 6 and name.lower() == b"expect":
            self._expects_continue = value.lower() == b"100-continue"
        elif size == self._marker_length and name.lower() == self._marker:
            self._is_marked = True

    def on_headers_complete(self) -> None:
        """Tell a client that waits for it to send the body; hand over what comes in parts."""
        self._is_in_head = False
        if self._parser.should_upgrade():
            check_upgrade(self._parser.get_method(), self._headers)
            self._is_upgrade = True
            return
        if self._head_bytes:
            # It came in pieces; one that is whole in what a transport reads at once is within bounds.
            self._head_bytes = len(self._url)
            self._count_head(sum(len(name) + len(value) for name, value in self._headers))
            self._head_bytes = 0
        self._header_count = len(self._headers)
        is_streamed = self._is_marked and self._current is None
        if self._expects_continue:
            self._expect_body(is_streamed=is_streamed)
        if is_streamed:
            self._start_streamed()

    def _expect_body(self, *, is_streamed: bool) -> None:
        """Tell a client that waits for it to send its body, unless it is too large."""
        if self._parser.get_http_version() == "1.0":
            self._expects_continue = False
            return
        self._body_bytes = announced_bytes(self._headers)
        if self._body_bytes > SMALL_BODY_BYTES and not is_streamed and not self._is_body_allowed():
            self._body_exceeded = True
            self._hand_over(keep_alive=False)
            # The body may come all the same: nothing after this is a request.
            raise RequestRefusedError(413)
        self._body_bytes = 0
        if self._current is None:
            self._continue()

    def _continue(self) -> None:
        """Ask for the body that is waited for, now that no answer is under way."""
        if self._is_in_head or self._is_between or self._transport is None:
            return
        self._expects_continue = False
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Collect the body up to its limit, then only count it."""
        if self._receiving is not None:
            self._receive(self._receiving, body)
            return
        self._body_bytes += len(body)
        if self._body_bytes <= SMALL_BODY_BYTES or self._is_body_allowed():
            self._body.append(body)
            return
        self._body_exceeded = True
        self._body.clear()
        if self._body_bytes > DISCARD_BYTES:
            raise RequestRefusedError(413)

    def _is_body_allowed(self) -> bool:
        """Whether the body is within the application's limit so far."""
        if not self._body_limit:
            method = self._parser.get_method().decode("ascii")
            path = origin_form(self._url.decode("latin-1")).partition("?")[0]
            self._body_limit = self._server.application.body_limit(method, path, self._headers)
        return self._body_bytes <= self._body_limit

    def on_message_complete(self) -> None:
        """Take the end of a request, whose body may have been handed over in parts."""
        if self._is_upgrade:
            return
        self._is_between = True
        if self._receiving is not None:
            self._received(self._receiving)
            return
        if len(self._headers) != self._header_count:
            # Trailers of a body that was read whole are nobody's business.
            del self._headers[self._header_count :]
        self._hand_over(keep_alive=self._parser.should_keep_alive())

    def _hand_over(self, *, keep_alive: bool) -> None:
        """Hand the request over, or queue it behind the one under way."""
        body = self._body
        request = self._request(body[0] if len(body) == 1 else b"".join(body))
        exchange = Exchange(request, self, body_exceeded=self._body_exceeded)
        if self._body_bytes:
            self._body = []
            self._body_bytes = 0
            self._body_exceeded = False
        elif keep_alive:
            self._bodyless = request
        if self._current is None:
            self._start(exchange, keep_alive=keep_alive)
        else:
            # A pipelining client: hold the rest back until this one is answered.
            self._pending.append((exchange, keep_alive))
            self._pause_reading()

    def _request(self, body: bytes) -> Request:
        target = self._url.decode("latin-1")
        if target[:1] != "/":
            target = origin_form(target)
        path, _, query = target.partition("?")
        method = self._parser.get_method().decode("ascii")
        return Request(method, path, query, self._headers, body, self._peer)

    # -- requests in parts

    def _start_streamed(self) -> None:
        exchange = StreamedExchange(self._request(b""), self)
        # From here on they are trailers.
        self._headers = []
        self._receiving = exchange
        self._start(exchange, keep_alive=self._parser.should_keep_alive())

    def _receive(self, exchange: StreamedExchange, data: bytes) -> None:
        if exchange.is_open:
            exchange.received(data)
            return
        # Answered already: the sender is to read that, not to be cut off.
        self._body_bytes += len(data)
        if self._body_bytes > DISCARD_BYTES:
            raise RequestRefusedError(413)

    def _received(self, exchange: StreamedExchange) -> None:
        self._receiving = None
        self._body_paused = False
        trailers, self._headers = self._headers, []
        self._head_bytes = self._body_bytes = 0
        if exchange.is_open:
            exchange.ended(trailers)
        elif self._transport is not None:
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
            self._start(exchange, keep_alive=next_keep_alive)
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

    def _start(self, exchange: Exchange, *, keep_alive: bool) -> None:
        self._current = exchange
        self._keep_alive = keep_alive
        try:
            self._server.application.handle(exchange)
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
