"""The answer of a function URL in RESPONSE_STREAM mode: plain HTTP, as the function's bytes come.

A function that sends the head of an HTTP response (`prelude.py`) decides on status, headers
and cookies; without one the answer is 200 with the content type that the runtime gave. What a
function that does not stream returns is the body as it is, `statusCode` and all: AWS interprets a
result in BUFFERED mode only. An error before the first byte is 502; after it the connection is cut,
since a status cannot be taken back, and a client must not take half an answer for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from lambd.http.exchanges import Exchange, ResponseStream
from lambd.model.errors import PlatformError
from lambd.model.invocations import InvocationResult, ResponseFlow, StreamHead
from lambd.urls.answers import prelude_headers
from lambd.urls.prelude import CONTENT_TYPE, BadPreludeError, PreludeParser

_log = structlog.get_logger(__name__)

Headers = list[tuple[str, str]]
# Makes the headers of the answer of the function's own: CORS, the request id.
Finish = Callable[[Headers], Headers]


class UrlStreamSink:
    """Implements `lambd.model.invocations.ResponseSink` for one request."""

    __slots__ = (
        "_exchange",
        "_fail",
        "_finish",
        "_flow",
        "_has_data",
        "_parser",
        "_request_id",
        "_stream",
    )

    def __init__(
        self,
        exchange: Exchange,
        request_id: str,
        *,
        finish: Finish,
        fail: Callable[[PlatformError | None], None],
    ) -> None:
        """Answer through the exchange.

        Args:
            exchange: the request.
            request_id: for the platform's log.
            finish: makes the answer's headers of the function's.
            fail: answers when nothing ran (an error), or when it failed before it answered (None).
        """
        self._exchange = exchange
        self._request_id = request_id
        self._finish = finish
        self._fail = fail
        self._flow: ResponseFlow | None = None
        # While the head of the function's own is still to come.
        self._parser: PreludeParser | None = None
        self._has_data = False
        self._stream: ResponseStream | None = None

    def begin(self, head: StreamHead, flow: ResponseFlow) -> None:
        """Send the head, unless the function sends one."""
        self._flow = flow
        if head.is_streamed and head.content_type == CONTENT_TYPE:
            self._parser = PreludeParser()
        else:
            self._open(200, [("Content-Type", head.content_type)])

    def write(self, data: bytes) -> bool:
        """Send a part of the body."""
        self._has_data = True
        if self._parser is not None:
            body = self._read_head(self._parser, data)
            if body is None:
                return True
            data = body
        return self._stream is None or self._stream.write(data)

    def end(self, result: InvocationResult) -> None:
        """End the answer, or cut it off."""
        if self._stream is None and result.function_error is None and not self._has_data:
            # AWS's client for Node.js sends the head with the first bytes, and so may send none.
            self._open(200, [("Content-Type", "application/octet-stream")])
        stream = self._stream
        if stream is None:
            if result.function_error is None:
                _log.warning("function_url_failed", request_id=self._request_id, error="no head")
            self._fail(None)
        elif result.function_error is None:
            stream.end()
        else:
            stream.abort()

    def fail(self, error: PlatformError | None) -> None:
        """Nothing ran."""
        self._fail(error)

    def _read_head(self, parser: PreludeParser, data: bytes) -> bytes | None:
        """The first bytes of the body, once the head is there and has been sent."""
        try:
            found = parser.feed(data)
        except BadPreludeError as error:
            _log.warning("function_url_failed", request_id=self._request_id, error=str(error))
            self._parser = None
            self._fail(None)
            if self._flow is not None:
                self._flow.discard()
            return None
        if found is None:
            return None
        self._parser = None
        prelude, body = found
        self._open(prelude.status, prelude_headers(prelude))
        return body

    def _open(self, status: int, headers: Headers) -> None:
        self._stream = self._exchange.start(status, self._finish(headers))
        if self._flow is not None:
            self._stream.follow(self._flow)
