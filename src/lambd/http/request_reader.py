"""What comes on one connection, as requests: on httptools, without the transport and without answers.

A request is given whole, or, once it is over the application's limit for it, with its body dropped.
Only requests with the server's `stream_marker` header are given at the end of their head, the body to
come (`exchanges.py`), and only while no other is under way. `connection.py` goes on from here. This
is the warm path of an invocation, passed six times: keep it lean.
"""

from __future__ import annotations

import httptools

from lambd.http.exchanges import SMALL_BODY_BYTES, Application, Exchange, StreamedExchange
from lambd.http.heads import (
    RequestRefusedError,
    announced_bytes,
    check_upgrade,
    head_without_upgrade,
    origin_form,
)
from lambd.http.messages import Peer, RawHeaders, Request
from lambd.model.limits import HTTP_HEADER_BYTES

# A body over its limit is read and dropped up to this many bytes, so that the client gets to read
# the answer; beyond it the connection is cut.
DISCARD_BYTES = 256 * 1024 * 1024


class RequestReader:
    """See the module header. The methods that raise NotImplementedError are the connection's."""

    __slots__ = (
        "_application",
        "_body",
        "_body_bytes",
        "_body_exceeded",
        "_body_limit",
        "_body_paused",
        "_bodyless",
        "_current",
        "_expects_continue",
        "_head_bytes",
        "_header_count",
        "_headers",
        "_is_between",
        "_is_in_head",
        "_is_marked",
        "_is_upgrade",
        "_marker",
        "_marker_length",
        "_parser",
        "_peer",
        "_receiving",
        "_url",
    )

    def __init__(self, application: Application, marker: bytes) -> None:
        """Args:
        application: for its limits.
        marker: the `stream_marker`.
        """
        self._application = application
        self._parser = httptools.HttpRequestParser(self)
        self._peer = Peer()
        # The request under way, and the one whose body is being read in parts.
        self._current: Exchange | None = None
        self._receiving: StreamedExchange | None = None
        # Whether whoever takes that body has asked for a pause.
        self._body_paused = False
        self._marker = marker
        self._marker_length = len(marker)
        # Whether the last message that began has been read to its end.
        self._is_between = True
        # Whether that is still at its head.
        self._is_in_head = False
        # Whether that offers another protocol, which this one goes on without.
        self._is_upgrade = False
        # The last request without a body, if it is to be remembered.
        self._bodyless: Request | None = None
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

    def _release(self) -> None:
        """Drop the parser and what has been read; nothing more comes.

        The parser and this object hold each other, and the collector that would find them hardly
        ever runs: what is left of a body would stay for good.
        """
        del self._parser
        self._bodyless = None
        self._reset_message()

    # -- the connection's

    def _take(self, request: Request, *, body_exceeded: bool, keep_alive: bool) -> None:
        """Take a request that is whole, or whose body is too large."""
        raise NotImplementedError

    def _take_head(self, request: Request, *, keep_alive: bool) -> None:
        """Take a request whose body comes in parts: set `_receiving`."""
        raise NotImplementedError

    def _continue(self) -> None:
        """Ask for the body that is waited for, now that no answer is under way."""
        raise NotImplementedError

    def _body_dropped(self) -> None:
        """Go on after the body of a request that was answered before its end."""
        raise NotImplementedError

    # -- beside the parser

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
            request = self._request(b"")
            # From here on they are trailers.
            self._headers = []
            self._take_head(request, keep_alive=self._parser.should_keep_alive())

    def _expect_body(self, *, is_streamed: bool) -> None:
        """Tell a client that waits for it to send its body, unless it is too large."""
        if self._parser.get_http_version() == "1.0":
            self._expects_continue = False
            return
        self._body_bytes = announced_bytes(self._headers)
        if self._body_bytes > SMALL_BODY_BYTES and not is_streamed and not self._is_body_allowed():
            self._take(self._request(b""), body_exceeded=True, keep_alive=False)
            # The body may come all the same: nothing after this is a request.
            raise RequestRefusedError(413)
        self._body_bytes = 0
        if self._current is None:
            self._continue()

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
            self._body_limit = self._application.body_limit(method, path, self._headers)
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
        body = self._body
        request = self._request(body[0] if len(body) == 1 else b"".join(body))
        exceeded = self._body_exceeded
        keep_alive = self._parser.should_keep_alive()
        if self._body_bytes:
            self._body = []
            self._body_bytes = 0
            self._body_exceeded = False
        elif keep_alive:
            self._bodyless = request
        self._take(request, body_exceeded=exceeded, keep_alive=keep_alive)

    def _request(self, body: bytes) -> Request:
        target = self._url.decode("latin-1")
        if target[:1] != "/":
            target = origin_form(target)
        path, _, query = target.partition("?")
        method = self._parser.get_method().decode("ascii")
        return Request(method, path, query, self._headers, body, self._peer)

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
        else:
            self._body_dropped()
