"""One request and its answer, as an application sees them: whole, or in parts either way.

`Exchange` is a whole request; its answer is whole (`respond`) or in parts (`start`).
`StreamedExchange` is a request handed over at the end of its head, whose body comes in parts; the
server makes one where its `stream_marker` header was sent. Everything runs on the event loop, by
callbacks, and nothing here buffers: back-pressure goes from a slow client's transport through
`ResponseStream.write` to the application, and from it through `StreamedExchange.pause` (which
`relay.py` calls) to the transport of whoever sends. `ResponseStream.follow` is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lambd.http.messages import RawHeaders, Request, Response

Headers = Sequence[tuple[str, str]]
# Bodies up to this size are handed over whatever the application's limit for them.
SMALL_BODY_BYTES = 64 * 1024


class Connection(Protocol):
    """What exchanges need of the connection that they came on."""

    def send(self, response: Response, *, close: bool) -> None:
        """Write one whole answer and go on with the next request."""

    def start_stream(
        self, stream: ResponseStream, status: int, headers: Headers, *, close: bool
    ) -> None:
        """Write the head of an answer in parts."""

    def write_part(self, data: bytes) -> bool:
        """Write a part of the answer under way; False while the client does not keep up."""

    def end_stream(self, trailers: Headers) -> None:
        """End the answer under way."""

    def cut_stream(self) -> None:
        """Send what was written and close the connection without the answer's end."""

    def pause_body(self) -> None:
        """Read no more of the request's body."""

    def resume_body(self) -> None:
        """Go on reading."""


class Exchange:
    """One request and the one answer to it."""

    __slots__ = ("_protocol", "body_exceeded", "on_disconnect", "request", "stamps")

    def __init__(self, request: Request, protocol: Connection, *, body_exceeded: bool) -> None:
        self.request = request
        # Headers that whatever answer there is gets besides its own.
        self.stamps: list[tuple[str, str]] | None = None
        # The body was over the application's limit and has been dropped.
        self.body_exceeded = body_exceeded
        # Called if the client goes away before the answer.
        self.on_disconnect: Callable[[], None] | None = None
        self._protocol: Connection | None = protocol

    def respond(self, response: Response, *, close: bool = False) -> None:
        """Send the answer; a no-op when it was sent before or the client is gone."""
        protocol, self._protocol = self._protocol, None
        self.on_disconnect = None
        if protocol is not None:
            if self.stamps is not None:
                response.headers += self.stamps
            protocol.send(response, close=close)

    def start(self, status: int, headers: Headers, *, close: bool = False) -> ResponseStream:
        """Send the head of an answer whose body comes in parts; instead of `respond`.

        The server adds Date and the framing. Without a client the stream is closed from the start.
        """
        protocol, self._protocol = self._protocol, None
        self.on_disconnect = None
        stream = ResponseStream(protocol)
        if protocol is not None:
            if self.stamps is not None:
                headers = [*headers, *self.stamps]
            protocol.start_stream(stream, status, headers, close=close)
        return stream

    @property
    def is_open(self) -> bool:
        """Whether an answer can still be sent."""
        return self._protocol is not None

    def disconnected(self) -> None:
        """Tell the exchange that its connection is gone (called by the connection)."""
        callback, self.on_disconnect, self._protocol = self.on_disconnect, None, None
        if callback is not None:
            callback()


class StreamedExchange(Exchange):
    """A request whose body comes in parts after `handle`; `request.body` is empty.

    The application sets the callbacks in `handle`. After its answer it hears no more: the rest of
    the body is read and dropped.
    """

    __slots__ = ("_source", "on_data", "on_end", "on_truncated")

    def __init__(self, request: Request, protocol: Connection) -> None:
        super().__init__(request, protocol, body_exceeded=False)
        # Called with each part, as it arrives.
        self.on_data: Callable[[bytes], None] | None = None
        # Called once after the last part, with the trailers as they came.
        self.on_end: Callable[[RawHeaders], None] | None = None
        # Called instead if the body breaks off; with `is_open` the sender can still be answered.
        self.on_truncated: Callable[[], None] | None = None
        # The connection until the body has been read.
        self._source: Connection | None = protocol

    def pause(self) -> None:
        """Stop reading the body: the sender feels it once the buffers between are full.

        What has been read from the socket already, less than 256 KiB, still comes.
        """
        if self._source is not None:
            self._source.pause_body()

    def resume(self) -> None:
        """Go on reading."""
        if self._source is not None:
            self._source.resume_body()

    def respond(self, response: Response, *, close: bool = False) -> None:
        """Send the answer, perhaps before the body's end."""
        self._detach()
        self.resume()
        super().respond(response, close=close)

    def start(self, status: int, headers: Headers, *, close: bool = False) -> ResponseStream:
        """Not for these: an answer in parts to a body in parts has no use here."""
        raise NotImplementedError

    def disconnected(self) -> None:
        """The connection is gone, before the body's end or before the answer."""
        truncated, self._source = self.on_truncated, None
        super().disconnected()
        self._detach()
        if truncated is not None:
            truncated()

    # -- the connection's side

    def received(self, data: bytes) -> None:
        """A part of the body."""
        if self.on_data is not None:
            self.on_data(data)

    def ended(self, trailers: RawHeaders) -> None:
        """The whole body has been read."""
        callback, self._source = self.on_end, None
        self._detach()
        if callback is not None:
            callback(trailers)

    def truncated(self) -> None:
        """The sender has closed its side, though not ours, in the middle of the body."""
        callback = self.on_truncated
        self._detach()
        if callback is not None:
            callback()

    def _detach(self) -> None:
        self.on_data = self.on_end = self.on_truncated = None


class Flow(Protocol):
    """Where the parts of an answer come from, as far as its client has a say in that."""

    def resume(self) -> None:
        """Send on, after a part that was one too many."""

    def discard(self) -> None:
        """Nobody listens any more."""


class ResponseStream:
    """An answer under way in parts: chunked, or to an HTTP/1.0 client until the connection's end."""

    __slots__ = ("_connection", "on_disconnect", "on_writable")

    def __init__(self, connection: Connection | None) -> None:
        self._connection = connection
        # Called when the client keeps up again after `write` gave False.
        self.on_writable: Callable[[], None] | None = None
        # Called if the client goes away before the end.
        self.on_disconnect: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still reads."""
        return self._connection is not None

    def follow(self, flow: Flow) -> None:
        """Have whoever sends the parts wait for the client, and let go once it has gone."""
        if self._connection is None:
            flow.discard()
        else:
            self.on_writable = flow.resume
            self.on_disconnect = flow.discard

    def write(self, data: bytes) -> bool:
        """Send a part; False asks for a pause until `on_writable`. Dropped when not open."""
        return self._connection is None or not data or self._connection.write_part(data)

    def end(self, trailers: Headers = ()) -> None:
        """End the answer; HTTP/1.0 clients get no trailers. A no-op when not open."""
        connection = self._close()
        if connection is not None:
            connection.end_stream(trailers)

    def abort(self) -> None:
        """Break the answer off, so that the client sees that it is not whole."""
        connection = self._close()
        if connection is not None:
            connection.cut_stream()

    # -- the connection's side

    def writable(self) -> None:
        """The client keeps up again."""
        if self.on_writable is not None:
            self.on_writable()

    def disconnected(self) -> None:
        """The client is gone."""
        callback = self.on_disconnect
        self._close()
        if callback is not None:
            callback()

    def _close(self) -> Connection | None:
        connection, self._connection = self._connection, None
        self.on_writable = self.on_disconnect = None
        return connection


class Application(Protocol):
    """What a server calls: both are called on the event loop and must not block or raise."""

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """Largest body in bytes that this request may have.

        Less than `SMALL_BODY_BYTES` means so much: the application looks at small ones itself.
        """

    def handle(self, exchange: Exchange) -> None:
        """Answer a request now or later, once, through `exchange.respond` or `exchange.start`."""
