"""Answers requests to function URLs: `http://<id>.lambda-url.<region>.localhost:<port>/`.

Told apart from the API by the Host header (`frontend/hosts.py`). The URL decides nothing but its CORS headers, who may
call it (`access.py`) and whether the answer is streamed (`streaming.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from lambd.http.exchanges import Exchange
from lambd.http.messages import Peer, Response
from lambd.invoke.pipeline import InvokePipeline
from lambd.model.arns import LATEST
from lambd.model.errors import (
    AccessDeniedError,
    NotFoundError,
    PlatformError,
    RequestTooLargeError,
    ThrottledError,
)
from lambd.model.function_controls import Cors, FunctionUrl, InvokeMode
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.store.cached import Cached
from lambd.telemetry.ids import new_trace_header
from lambd.urls.access import FORBIDDEN, SIGNATURE_ERRORS, UrlAccess
from lambd.urls.answers import BadFunctionResponseError, decode_result
from lambd.urls.cors import headers_with_cors, preflight
from lambd.urls.events import EventFrame, UrlCaller
from lambd.urls.streaming import Headers, UrlStreamSink
from lambd.wire.errors import encode_error

_log = structlog.get_logger(__name__)

# Connections to URLs whose common part of events is kept.
_FRAMES = 1000

# Reads a URL by its id from the store.
UrlReader = Callable[[str], Awaitable[FunctionUrl | None]]


class UrlHost(Protocol):
    """Whom a request is for, as its Host header says (`frontend/hosts.py`)."""

    @property
    def name(self) -> str:
        """The domain, in lower case."""

    @property
    def port(self) -> int | None:
        """None: the scheme's own."""

    @property
    def url_id(self) -> str | None:
        """None: no URL can have this name."""


class FunctionUrls:
    """See the module header; safe for concurrent calls."""

    def __init__(
        self,
        *,
        read: UrlReader,
        access: UrlAccess,
        pipeline: InvokePipeline,
        max_body_bytes: int,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._access = access
        self._pipeline = pipeline
        self._urls = Cached(read, lambda _id, url: url.function_name)
        self._frames: dict[tuple[str, int, Peer], EventFrame] = {}

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        self._urls.note(change)

    def serve(
        self, exchange: Exchange, host: UrlHost, request_id: str
    ) -> Coroutine[None, None, None] | None:
        """Answer a request, without a task unless the store has to be asked: then await it.

        Raises nothing, now or later, but for a fault of ours.
        """
        sent = exchange.request.headers.get("x-amzn-trace-id")
        visit = _Visit(exchange, host, request_id, sent or new_trace_header())
        url = None if host.url_id is None else self._urls.get_nowait(host.url_id)
        if url is None:
            return self._find(visit)
        try:
            return self._answer(visit, url)
        except PlatformError as error:
            visit.fail(error)
        return None

    async def _find(self, visit: _Visit) -> None:
        """Answer a request for a URL that is not in memory, or not there."""
        url_id = visit.host.url_id
        url = None if url_id is None else await self._urls.get(url_id)
        if url is None:
            visit.respond(_denied(None))
            return
        try:
            waiting = self._answer(visit, url)
            if waiting is not None:
                await waiting
        except PlatformError as error:
            visit.fail(error)

    def _answer(self, visit: _Visit, url: FunctionUrl) -> Coroutine[None, None, None] | None:
        exchange = visit.exchange
        request = exchange.request
        # One that is empty is none.
        if url.cors is not None and url.cors != Cors():
            if (answer := preflight(url.cors, request)) is not None:
                visit.respond(answer)
                return None
            visit.cors = url.cors
        # Before anything looks at the body: what is dropped has another signature.
        if exchange.body_exceeded or len(request.body) > self._max_body_bytes:
            raise RequestTooLargeError(
                f"Request must be smaller than {self._max_body_bytes} bytes "
                "for the InvokeFunction operation"
            )
        caller, judging = self._access.check(url, request)
        if judging is not None:
            return self._run_later(judging, visit, url, caller)
        self._run(visit, url, caller)
        return None

    async def _run_later(
        self,
        judging: Awaitable[None],
        visit: _Visit,
        url: FunctionUrl,
        caller: UrlCaller | None,
    ) -> None:
        try:
            await judging
            self._run(visit, url, caller)
        except PlatformError as error:
            visit.fail(error)

    def _run(self, visit: _Visit, url: FunctionUrl, caller: UrlCaller | None) -> None:
        """Invoke the function with the request's event."""
        event = self._frame(visit, url, caller).event(
            visit.exchange.request,
            request_id=visit.request_id,
            trace_header=visit.trace_header,
            now_ms=time.time_ns() // 1_000_000,
        )
        invocation = InvocationRequest(
            request_id=visit.request_id,
            function_name=url.function_name,
            qualifier=None if url.qualifier == LATEST else url.qualifier,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            payload=event,
            trace_header=visit.trace_header,
        )
        if url.invoke_mode is InvokeMode.RESPONSE_STREAM:
            self._pipeline.start_streaming(invocation, visit.sink())
        else:
            self._pipeline.start(invocation, visit.invoked)

    def _frame(self, visit: _Visit, url: FunctionUrl, caller: UrlCaller | None) -> EventFrame:
        """What the events of one connection to one URL have in common."""
        host, request = visit.host, visit.exchange.request
        peer = request.peer
        port = host.port or (443 if request.is_secure else 80)
        key = (host.name, port, peer)
        frame = self._frames.get(key) if caller is None else None
        if frame is None:
            frame = EventFrame(url_id=url.id, domain=host.name, port=port, peer=peer, caller=caller)
            if caller is None:
                if len(self._frames) >= _FRAMES:
                    self._frames.clear()
                self._frames[key] = frame
        return frame


@dataclass(slots=True)
class _Visit:
    """One request, and what every answer to it says."""

    exchange: Exchange
    host: UrlHost
    request_id: str
    trace_header: str
    # The URL's, once it is known.
    cors: Cors | None = None

    def headers(self, headers: Headers) -> Headers:
        """An answer's headers, of those that it has by itself."""
        if self.cors is not None:
            headers = headers_with_cors(headers, self.cors, self.exchange.request.headers)
        return [*headers, ("x-amzn-trace-id", self.trace_header)]

    def respond(self, response: Response) -> None:
        """Send an answer."""
        response.headers = self.headers(response.headers)
        self.exchange.respond(response)

    def invoked(self, outcome: InvocationResult | PlatformError | None) -> None:
        """Answer with what a buffered invocation came to."""
        if isinstance(outcome, PlatformError):
            self.fail(outcome)
        elif outcome is None or outcome.function_error is not None:
            self.fail(None)
        else:
            self.respond(_answer_of(outcome, self.request_id))

    def fail(self, error: PlatformError | None) -> None:
        """Tell what kept the function from answering; None: it failed itself."""
        self.respond(_bad_gateway() if error is None else _failure(error, self.request_id))

    def sink(self) -> UrlStreamSink:
        """What makes the answer of a streamed invocation."""
        return UrlStreamSink(self.exchange, self.request_id, finish=self.headers, fail=self.fail)


def _answer_of(result: InvocationResult, request_id: str) -> Response:
    try:
        return decode_result(result.payload)
    except BadFunctionResponseError as error:
        _log.warning("function_url_failed", request_id=request_id, error=str(error))
        return _bad_gateway()


def _failure(error: PlatformError, request_id: str) -> Response:
    """The answer to what kept the function from answering (invoke.md section 11)."""
    if isinstance(error, AccessDeniedError):
        return _denied(error.message)
    if isinstance(error, NotFoundError):
        # The alias is gone.
        return _denied(FORBIDDEN)
    if isinstance(error, (*SIGNATURE_ERRORS, ThrottledError, RequestTooLargeError)):
        return encode_error(error, None)
    _log.warning("function_url_failed", request_id=request_id, error=error.message)
    return _bad_gateway()


def _denied(message: str | None) -> Response:
    return _json(403, {"Message": message}, "AccessDeniedException")


def _json(status: int, body: Mapping[str, str | None], error: str) -> Response:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error)]
    return Response(status, headers, json.dumps(body, separators=(",", ":")).encode())


def _bad_gateway() -> Response:
    return Response(502, [("Content-Type", "text/plain")], b"Internal Server Error")
