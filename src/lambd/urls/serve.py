"""Answers requests to function URLs: `http://<id>.lambda-url.<region>.localhost:<port>/`.

Told apart from the API by the Host header (`frontend/hosts.py`). The URL decides nothing but its CORS headers, who may
call it (`access.py`) and whether the answer is streamed (`streaming.py`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from lambd.http.exchanges import Exchange
from lambd.http.messages import Response
from lambd.invoke.pipeline import InvokePipeline
from lambd.model.arns import LATEST
from lambd.model.errors import (
    AccessDeniedError,
    NotFoundError,
    PlatformError,
    RequestTooLargeError,
    ThrottledError,
)
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.settings import Cors, FunctionUrl, InvokeMode
from lambd.store.database import FunctionChanged
from lambd.telemetry.ids import new_trace_header
from lambd.urls.access import FORBIDDEN, SIGNATURE_ERRORS, UrlAccess
from lambd.urls.events import (
    BadFunctionResponseError,
    UrlCall,
    decode_result,
    encode_event,
    headers_with_cors,
    preflight,
)
from lambd.urls.streaming import Headers, UrlStreamSink
from lambd.wire.errors import encode_error

_log = structlog.get_logger(__name__)

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
    """See the module header."""

    def __init__(
        self,
        *,
        read: UrlReader,
        access: UrlAccess,
        pipeline: InvokePipeline,
        max_body_bytes: int,
    ) -> None:
        self._read = read
        self._max_body_bytes = max_body_bytes
        self._access = access
        self._pipeline = pipeline
        # By function name, then by id; dropped when the function changes.
        self._ids: dict[str, FunctionUrl] = {}
        self._changes = 0

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self._changes += 1
            for url in [url for url in self._ids.values() if url.function_name == change.name]:
                del self._ids[url.id]

    async def serve(self, exchange: Exchange, host: UrlHost, request_id: str) -> None:
        """Answer a request; never raises but for a fault of ours."""
        sent = exchange.request.headers.get("x-amzn-trace-id")
        visit = _Visit(exchange, request_id, sent or new_trace_header())
        try:
            await self._answer(visit, host)
        except PlatformError as error:
            visit.fail(error)

    async def _answer(self, visit: _Visit, host: UrlHost) -> None:
        exchange = visit.exchange
        request = exchange.request
        url = None if host.url_id is None else await self._find(host.url_id)
        if url is None:
            visit.respond(_denied(None))
            return
        # One that is empty is none.
        if url.cors is not None and url.cors != Cors():
            if (answer := preflight(url.cors, request)) is not None:
                visit.respond(answer)
                return
            visit.cors = url.cors
        # Before anything looks at the body: what is dropped has another signature.
        if exchange.body_exceeded or len(request.body) > self._max_body_bytes:
            raise RequestTooLargeError(
                f"Request must be smaller than {self._max_body_bytes} bytes "
                "for the InvokeFunction operation"
            )
        call = UrlCall(
            url_id=url.id,
            domain=host.name,
            request_id=visit.request_id,
            trace_header=visit.trace_header,
            now=datetime.now(UTC),  # noqa: TID251 - an edge
            port=host.port or (443 if request.is_secure else 80),
            caller=await self._access.check(url, request),
        )
        invocation = InvocationRequest(
            request_id=visit.request_id,
            function_name=url.function_name,
            qualifier=None if url.qualifier == LATEST else url.qualifier,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            payload=encode_event(request, call),
            trace_header=visit.trace_header,
        )
        if url.invoke_mode is InvokeMode.RESPONSE_STREAM:
            self._pipeline.start_streaming(invocation, visit.sink())
        else:
            self._pipeline.start(invocation, visit.invoked)

    async def _find(self, url_id: str) -> FunctionUrl | None:
        url = self._ids.get(url_id)
        if url is None:
            changes = self._changes
            url = await self._read(url_id)
            if url is not None and changes == self._changes:
                self._ids[url_id] = url
        return url


@dataclass(slots=True)
class _Visit:
    """One request, and what every answer to it says."""

    exchange: Exchange
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
