"""The Runtime API of one sandbox: the paths of runtime.md section 2 on top of the state table.

A session is an HTTP application served on a socket that only its sandbox can reach, so nothing a
request says about its origin matters. It tells its owner, an execution environment, what happened
through the `RuntimeEvents` callbacks, which run on the event loop and must not block.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Protocol

from lambd.http.exchanges import Exchange
from lambd.http.messages import Response
from lambd.model.errors import (
    FUNCTION_RESPONSE_SIZE_TOO_LARGE,
    FUNCTION_UNKNOWN,
    RUNTIME_INVALID_RESPONSE_MODE,
    RUNTIME_UNKNOWN,
)
from lambd.model.invocations import Invocation
from lambd.runtimeapi.state import (
    InvalidStateTransitionError,
    RuntimeEvent,
    RuntimeState,
    after,
)

_BASE = "/2018-06-01/"
_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"
_INVOCATION = "/2018-06-01/runtime/invocation/"
_PING = "/2018-06-01/ping"
_JSON = ("Content-Type", "application/json")
_ACCEPTED = Response(
    202,
    [_JSON],
    b'{"status":"OK"}\n',
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"status":"OK"}\n',
)
_RESPONSE_MODE = b"lambda-runtime-function-response-mode"
_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")
# Bodies of anything but a response: error documents, which AWS caps with the headers.
_SMALL_BODY_BYTES = 1024 * 1024


# Not frozen, as other values are: it is made for every invocation, and freezing costs.
@dataclass(slots=True, kw_only=True)
class RuntimeOutcome:
    """What the runtime posted for an invocation; `error_type` is None for a success."""

    payload: bytes
    error_type: str | None = None


class RuntimeEvents(Protocol):
    """What a session tells its owner."""

    def runtime_ready(self) -> None:
        """The runtime asked for the next invocation: it is initialised, or done with the last."""

    def runtime_responded(self, outcome: RuntimeOutcome) -> None:
        """The runtime answered the invocation under way."""

    def runtime_init_failed(self, outcome: RuntimeOutcome) -> None:
        """The runtime reported that it could not initialise."""


class RuntimeSession:
    """One runtime process's talk with the platform; `reset` before each new process."""

    def __init__(self, events: RuntimeEvents, *, response_limit_bytes: int) -> None:
        self._events = events
        self._response_limit_bytes = response_limit_bytes
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

    def deliver(self, invocation: Invocation, deadline_ms: int) -> None:
        """Answer the waiting `next` with an invocation; `is_ready` has been checked.

        Args:
            deadline_ms: Unix time in milliseconds at which the function times out.
        """
        self._state = after(self._state, RuntimeEvent.DELIVER)
        waiting, self._waiting = self._waiting, None
        self._request_id = invocation.request_id
        if waiting is None:
            raise InvalidStateTransitionError(self._state, RuntimeEvent.DELIVER)
        headers = [
            _JSON,
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        waiting.respond(Response(200, headers, invocation.payload))

    # -- the runtime's side: lambd.http.server.Application

    def body_limit(self, method: str, path: str) -> int:
        """Responses may be as large as an invocation's result, everything else is small."""
        del method
        return self._response_limit_bytes if path.endswith("/response") else _SMALL_BODY_BYTES

    def handle(self, exchange: Exchange) -> None:
        """Route one call of the runtime."""
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
            else:
                exchange.respond(_error(404, "NotFound", "404 page not found"))
        except InvalidStateTransitionError as error:
            exchange.respond(_error(403, "InvalidStateTransition", str(error)))

    def _next(self, exchange: Exchange) -> None:
        self._state = after(self._state, RuntimeEvent.NEXT)
        stale, self._waiting = self._waiting, exchange
        if stale is not None:
            stale.respond(_error(403, "InvalidStateTransition", "Superseded by a newer call"))
        self._request_id = None
        self._events.runtime_ready()

    def _invocation_call(self, exchange: Exchange, rest: str) -> None:
        request_id, _, verb = rest.partition("/")
        if verb not in {"response", "error"}:
            exchange.respond(_error(404, "NotFound", "404 page not found"))
        elif request_id != self._request_id or self._state is not RuntimeState.RUNNING:
            exchange.respond(_error(400, "InvalidRequestID", "Invalid request ID"))
        elif verb == "response":
            self._response(exchange)
        else:
            self._state = after(self._state, RuntimeEvent.ERROR)
            exchange.respond(_ACCEPTED)
            self._events.runtime_responded(_reported_error(exchange))

    def _response(self, exchange: Exchange) -> None:
        self._state = after(self._state, RuntimeEvent.RESPONSE)
        if exchange.request.has_header(_RESPONSE_MODE):
            mode = exchange.request.headers[_RESPONSE_MODE.decode()]
            # DEVIATION: streaming mode is refused like an unknown mode until responses stream.
            exchange.respond(
                _error(400, "InvalidFunctionResponseMode", "Invalid function response mode")
            )
            self._events.runtime_responded(
                _platform_error(RUNTIME_INVALID_RESPONSE_MODE, f"Invalid response mode: {mode}")
            )
        elif exchange.body_exceeded:
            text = f"maximum allowed payload size ({self._response_limit_bytes} bytes)."
            exchange.respond(_error(413, "RequestEntityTooLarge", f"Exceeded {text}"))
            self._events.runtime_responded(
                _platform_error(
                    FUNCTION_RESPONSE_SIZE_TOO_LARGE, f"Response payload size exceeded {text}"
                )
            )
        else:
            # The caller first: it waits, and the runtime has nothing to do but ask for more.
            self._events.runtime_responded(RuntimeOutcome(payload=exchange.request.body))
            exchange.respond(_ACCEPTED)

    def _init_error(self, exchange: Exchange) -> None:
        self._state = after(self._state, RuntimeEvent.INIT_ERROR)
        exchange.respond(_ACCEPTED)
        self._events.runtime_init_failed(_reported_error(exchange))


def _error(status: int, error_type: str, message: str) -> Response:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return Response(status, [_JSON], body)


def _platform_error(error_type: str, message: str) -> RuntimeOutcome:
    payload = json.dumps(
        {"errorType": error_type, "errorMessage": message}, separators=(",", ":")
    ).encode()
    return RuntimeOutcome(payload=payload, error_type=error_type)


def _reported_error(exchange: Exchange) -> RuntimeOutcome:
    """An error document as the runtime posted it; its body goes to the caller untouched."""
    error_type = exchange.request.headers.get("lambda-runtime-function-error-type", "")
    if _ERROR_TYPE.fullmatch(error_type) is None:
        is_function = error_type.startswith("Function.")
        error_type = FUNCTION_UNKNOWN if is_function else RUNTIME_UNKNOWN
    return RuntimeOutcome(payload=exchange.request.body, error_type=error_type)
