"""The Runtime API of one sandbox: the paths of runtime.md section 2 on top of the state table.

A session is an HTTP application served on a socket that only its sandbox can reach, so nothing a
request says about its origin matters. It tells its owner, an execution environment, what happened
through the `RuntimeEvents` callbacks, which run on the event loop and must not block.

Responses in streaming mode (runtime.md section 5) are passed on as they arrive; their limit is the
streamed one if the caller takes parts, else that of any result. An error in the middle comes in the
trailers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVarTuple

import structlog

from lambd.http.exchanges import Exchange, StreamedExchange
from lambd.http.messages import RawHeaders, Response
from lambd.model.errors import (
    FUNCTION_RESPONSE_SIZE_TOO_LARGE,
    FUNCTION_UNKNOWN,
    RUNTIME_INVALID_RESPONSE_MODE,
    RUNTIME_TRUNCATED_RESPONSE,
    RUNTIME_UNKNOWN,
)
from lambd.model.invocations import Invocation
from lambd.runtimeapi.extensions import ExtensionEvents, ExtensionSession, FunctionFacts
from lambd.runtimeapi.replies import ACCEPTED, JSON, error_reply
from lambd.runtimeapi.state import (
    InvalidStateTransitionError,
    RuntimeEvent,
    RuntimeState,
    after,
)

_Ts = TypeVarTuple("_Ts")

_log = structlog.get_logger(__name__)

_BASE = "/2018-06-01/"
_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"
_INVOCATION = "/2018-06-01/runtime/invocation/"
_RESPONSE = "/response"
_PING = "/2018-06-01/ping"
# The header by which a response says how it comes: HttpServer's `stream_marker`.
RESPONSE_MODE = b"lambda-runtime-function-response-mode"
_STREAMING = "streaming"
_STREAM_CONTENT_TYPE = "application/octet-stream"
_ERROR_TYPE_TRAILER = b"lambda-runtime-function-error-type"
_ERROR_BODY_TRAILER = b"lambda-runtime-function-error-body"
_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")
# Bodies of anything but a response: error documents, which AWS caps with the headers.
_SMALL_BODY_BYTES = 1024 * 1024


# Not frozen, as other values are: it is made for every invocation, and freezing costs.
@dataclass(slots=True, kw_only=True)
class RuntimeOutcome:
    """What the runtime posted for an invocation; `error_type` is None for a success."""

    payload: bytes
    error_type: str | None = None
    # Whether it is our word, not the runtime's.
    is_platform_error: bool = False


# Takes the parts of a streamed response.
PartCallback = Callable[[bytes], None]


class RuntimeEvents(ExtensionEvents, Protocol):
    """What a session tells its owner."""

    def runtime_ready(self) -> None:
        """The runtime asked for the next invocation: it is initialised, or done with the last."""

    def runtime_responded(self, outcome: RuntimeOutcome) -> None:
        """The runtime answered the invocation under way, or its streamed answer has ended."""

    def runtime_streams(self, source: StreamedExchange, content_type: str) -> PartCallback:
        """The runtime begins to answer in parts; they go to what this returns."""

    def runtime_truncated(self, outcome: RuntimeOutcome) -> None:
        """A streamed answer broke off, because the runtime has ended or by its own doing."""

    def runtime_init_failed(self, outcome: RuntimeOutcome) -> None:
        """The runtime reported that it could not initialise."""

    def crashed(self) -> None:
        """A fault of ours: the session, or what it told its owner, raised."""


class RuntimeSession:
    """One runtime process's talk with the platform; `reset` before each new process."""

    def __init__(
        self,
        events: RuntimeEvents,
        function: FunctionFacts,
        *,
        response_limit_bytes: int,
        stream_limit_bytes: int,
    ) -> None:
        self._events = events
        self.extensions = ExtensionSession(events, function)
        self._response_limit_bytes = response_limit_bytes
        self._stream_limit_bytes = stream_limit_bytes
        # Limit of a streamed answer to the invocation under way.
        self._limit_bytes = response_limit_bytes
        self._streaming: _Streaming | None = None
        self._state = RuntimeState.STARTED
        self._waiting: Exchange | None = None
        self._request_id: str | None = None

    # -- the owner's side

    @property
    def is_ready(self) -> bool:
        """Whether the runtime waits for an invocation on a live connection."""
        return (
            self._state is RuntimeState.READY
            and self._waiting is not None
            and self._waiting.is_open
        )

    def reset(self) -> None:
        """Forget the runtime process: the next one begins at the start."""
        self._state = RuntimeState.STARTED
        self._waiting = None
        self._request_id = None
        self._end_streaming()
        self.extensions.reset()

    def deliver(self, invocation: Invocation, deadline_ms: int, *, takes_parts: bool) -> None:
        """Answer the waiting `next` with an invocation.

        Args:
            deadline_ms: Unix time in milliseconds at which the function times out.
            takes_parts: whether the caller takes a streamed answer in parts.

        Raises:
            InvalidStateTransitionError: the runtime does not wait for an invocation.
        """
        goal = after(self._state, RuntimeEvent.DELIVER)
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            raise InvalidStateTransitionError(self._state, RuntimeEvent.DELIVER)
        self._state = goal
        self._request_id = invocation.request_id
        self._limit_bytes = self._stream_limit_bytes if takes_parts else self._response_limit_bytes
        headers = [
            JSON,
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        waiting.respond(Response(200, headers, invocation.payload))

    # -- the runtime's side: lambd.http.exchanges.Application

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """Responses may be as large as an invocation's result, everything else is small."""
        del method, headers
        return self._response_limit_bytes if path.endswith(_RESPONSE) else _SMALL_BODY_BYTES

    def handle(self, exchange: Exchange) -> None:
        """Take one call of the runtime; only a response may be answered before its body's end."""
        if isinstance(exchange, StreamedExchange) and not exchange.request.path.endswith(_RESPONSE):
            _collect(exchange, self._route)
        else:
            self._route(exchange)

    def _route(self, exchange: Exchange) -> None:
        request = exchange.request
        path = request.path
        try:
            if path == _NEXT and request.method == "GET":
                self._next(exchange)
            elif request.method == "POST" and path.startswith(_INVOCATION):
                self._invocation_call(exchange, path[len(_INVOCATION) :])
            elif request.method == "POST" and path == _INIT_ERROR:
                self._init_error(exchange)
            elif path == _PING and request.method == "GET":
                exchange.respond(Response(200, [("Content-Type", "text/plain")], b"pong"))
            elif not self.extensions.handle(exchange):
                exchange.respond(error_reply(404, "NotFound", "404 page not found"))
        except InvalidStateTransitionError as error:
            exchange.respond(error_reply(403, "InvalidStateTransition", str(error)))
        except Exception:  # noqa: BLE001 - a callback root: a fault of ours ends one environment
            self._crash(exchange)

    def _crash(self, exchange: Exchange) -> None:
        _log.exception("runtime_call_crashed", path=exchange.request.path)
        self._events.crashed()
        if exchange.is_open:
            exchange.respond(error_reply(500, "InternalServerError", "Internal server error"))

    def _guarded(
        self, exchange: Exchange, callback: Callable[[*_Ts], None]
    ) -> Callable[[*_Ts], None]:
        """A callback as a root, as `_route` is."""

        def run(*args: *_Ts) -> None:
            try:
                callback(*args)
            except Exception:  # noqa: BLE001 - see `_route`
                self._crash(exchange)

        return run

    def _next(self, exchange: Exchange) -> None:
        self._state = after(self._state, RuntimeEvent.NEXT)
        stale, self._waiting = self._waiting, exchange
        if stale is not None:
            stale.respond(error_reply(403, "InvalidStateTransition", "Superseded by a newer call"))
        self._request_id = None
        self._events.runtime_ready()

    def _invocation_call(self, exchange: Exchange, rest: str) -> None:
        request_id, _, verb = rest.partition("/")
        if verb not in {"response", "error"}:
            exchange.respond(error_reply(404, "NotFound", "404 page not found"))
        elif request_id != self._request_id or self._state is not RuntimeState.RUNNING:
            exchange.respond(error_reply(400, "InvalidRequestID", "Invalid request ID"))
        elif verb == "response":
            self._response(exchange)
        else:
            self._state = after(self._state, RuntimeEvent.ERROR)
            exchange.respond(ACCEPTED)
            self._events.runtime_responded(_reported_error(exchange))

    def _response(self, exchange: Exchange) -> None:
        if exchange.request.has_header(RESPONSE_MODE):
            mode = exchange.request.headers[RESPONSE_MODE.decode()]
            if mode.lower() != _STREAMING:
                self._refuse_mode(exchange, mode)
                return
            if isinstance(exchange, StreamedExchange):
                self._stream(exchange)
                return
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        is_small = len(exchange.request.body) <= self._response_limit_bytes
        if exchange.body_exceeded or not is_small:
            self._refuse_size(exchange, self._response_limit_bytes)
        else:
            # The caller first: it waits, and the runtime has nothing to do but ask for more.
            self._events.runtime_responded(RuntimeOutcome(payload=exchange.request.body))
            exchange.respond(ACCEPTED)

    def _refuse_mode(self, exchange: Exchange, mode: str) -> None:
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        exchange.respond(
            error_reply(400, "InvalidFunctionResponseMode", "Invalid function response mode")
        )
        self._events.runtime_responded(
            _platform_error(RUNTIME_INVALID_RESPONSE_MODE, f"Invalid response mode: {mode}")
        )

    def _refuse_size(self, exchange: Exchange, limit_bytes: int) -> None:
        text = f"maximum allowed payload size ({limit_bytes} bytes)."
        exchange.respond(error_reply(413, "RequestEntityTooLarge", f"Exceeded {text}"))
        self._events.runtime_responded(
            _platform_error(
                FUNCTION_RESPONSE_SIZE_TOO_LARGE, f"Response payload size exceeded {text}"
            )
        )

    # -- a streamed response

    def _stream(self, exchange: StreamedExchange) -> None:
        self._state = after(self._state, RuntimeEvent.STREAM)
        content_type = exchange.request.headers.get("content-type", _STREAM_CONTENT_TYPE)
        take = self._events.runtime_streams(exchange, content_type)
        self._streaming = streaming = _Streaming(exchange, take, self._limit_bytes)
        exchange.on_data = self._guarded(exchange, partial(self._stream_part, streaming))
        exchange.on_end = self._guarded(exchange, partial(self._stream_ended, streaming))
        exchange.on_truncated = self._guarded(exchange, partial(self._stream_truncated, streaming))

    def _stream_part(self, streaming: _Streaming, data: bytes) -> None:
        streaming.left_bytes -= len(data)
        if streaming.left_bytes >= 0:
            streaming.take(data)
            return
        self._end_streaming()
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        self._refuse_size(streaming.exchange, self._limit_bytes)

    def _stream_ended(self, streaming: _Streaming, trailers: RawHeaders) -> None:
        self._end_streaming()
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        self._events.runtime_responded(_streamed_outcome(trailers))
        streaming.exchange.respond(ACCEPTED, close=True)

    def _stream_truncated(self, streaming: _Streaming) -> None:
        self._end_streaming()
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        if streaming.exchange.is_open:
            streaming.exchange.respond(
                error_reply(400, "TruncatedHTTPRequest", "HTTP request detected as truncated"),
                close=True,
            )
        self._events.runtime_truncated(
            _platform_error(RUNTIME_TRUNCATED_RESPONSE, "HTTP request detected as truncated")
        )

    def _end_streaming(self) -> None:
        streaming, self._streaming = self._streaming, None
        if streaming is not None:
            exchange = streaming.exchange
            exchange.on_data = exchange.on_end = exchange.on_truncated = None

    def _init_error(self, exchange: Exchange) -> None:
        self._state = after(self._state, RuntimeEvent.INIT_ERROR)
        exchange.respond(ACCEPTED)
        self._events.runtime_init_failed(_reported_error(exchange))


class _Streaming:
    """The streamed response on its way."""

    __slots__ = ("exchange", "left_bytes", "take")

    def __init__(self, exchange: StreamedExchange, take: PartCallback, limit_bytes: int) -> None:
        self.exchange = exchange
        self.take = take
        # What may still come.
        self.left_bytes = limit_bytes


def _collect(exchange: StreamedExchange, route: Callable[[Exchange], None]) -> None:
    """Have a request whole that says of itself that it streams and has no need to."""
    parts: list[bytes] = []
    left_bytes = _SMALL_BODY_BYTES

    def take(data: bytes) -> None:
        nonlocal left_bytes
        left_bytes -= len(data)
        if left_bytes >= 0:
            parts.append(data)
        else:
            parts.clear()
            exchange.body_exceeded = True

    def ended(trailers: RawHeaders) -> None:
        del trailers
        exchange.request.body = b"".join(parts)
        route(exchange)

    exchange.on_data = take
    exchange.on_end = ended


def _platform_error(error_type: str, message: str) -> RuntimeOutcome:
    payload = json.dumps(
        {"errorType": error_type, "errorMessage": message}, separators=(",", ":")
    ).encode()
    return RuntimeOutcome(payload=payload, error_type=error_type, is_platform_error=True)


def _reported_error(exchange: Exchange) -> RuntimeOutcome:
    """An error document as the runtime posted it; its body goes to the caller untouched."""
    error_type = exchange.request.headers.get(_ERROR_TYPE_TRAILER.decode(), "")
    return RuntimeOutcome(payload=exchange.request.body, error_type=_known_error_type(error_type))


def _streamed_outcome(trailers: RawHeaders) -> RuntimeOutcome:
    """How a streamed response ended: a success unless its trailers report an error."""
    found = {name.lower(): value for name, value in trailers}
    if _ERROR_TYPE_TRAILER not in found and _ERROR_BODY_TRAILER not in found:
        return RuntimeOutcome(payload=b"")
    error_type = found.get(_ERROR_TYPE_TRAILER, b"").decode("latin-1")
    try:
        payload = base64.b64decode(found.get(_ERROR_BODY_TRAILER, b""), validate=True)
    except binascii.Error:
        payload = b""
    if not payload:
        payload = json.dumps({"errorType": error_type}, separators=(",", ":")).encode()
    return RuntimeOutcome(payload=payload, error_type=_known_error_type(error_type))


def _known_error_type(error_type: str) -> str:
    if _ERROR_TYPE.fullmatch(error_type) is not None:
        return error_type
    return FUNCTION_UNKNOWN if error_type.startswith("Function.") else RUNTIME_UNKNOWN
