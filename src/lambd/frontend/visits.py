"""One request at the door, and the one way to answer it, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import structlog

from lambd.frontend.hosts import Host
from lambd.http.exchanges import Exchange
from lambd.http.messages import Response
from lambd.model.errors import PlatformError, UnavailableError
from lambd.wire.errors import encode_error

_log = structlog.get_logger(__name__)

_CRASHED = "An error occurred and the request cannot be processed."
_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Visit:
    """One request: its route and its handler meet here."""

    __slots__ = ("exchange", "host", "labels", "request", "request_id", "tell")

    def __init__(self, exchange: Exchange, host: Host, request_id: str) -> None:
        self.exchange = exchange
        self.request = exchange.request
        self.host = host
        self.request_id = request_id
        # The labels of the operation's path, still percent-encoded.
        self.labels = _NO_LABELS
        # How an error is told: Lambda's way, unless a handler knows better.
        self.tell = tell_as_lambda
        exchange.stamps = [("x-amzn-RequestId", request_id)]

    def fail(self, error: Exception) -> None:
        """Answer with an error; faults of ours are logged with the request id."""
        request = self.request
        if not isinstance(error, PlatformError):
            _log.error(
                "request_crashed",
                request_id=self.request_id,
                method=request.method,
                path=request.path,
                exc_info=error,
            )
            error = UnavailableError(_CRASHED)
            response = self.tell(error)
        else:
            response = self.tell(error)
            if response.status >= 500:
                _log.error(
                    "request_failed",
                    request_id=self.request_id,
                    method=request.method,
                    path=request.path,
                    error=error.message,
                )
        self.exchange.respond(response)


# How an error reads in the protocol of what a request is for.
Tell = Callable[[PlatformError], Response]
# Answers a request. It gives what to wait for, whose result is the answer (None: it has been sent, or
# left to somebody), or nothing: then it has sent the answer through the exchange, or seen to it that
# somebody will. What it raises, now or when awaited, is told to the client.
Handler = Callable[[Visit], Awaitable[Response | None] | None]


def tell_as_lambda(error: PlatformError) -> Response:
    """As Lambda does of a request that is for none of its operations."""
    return encode_error(error, None)


def refusal(error: type[PlatformError], message: str | None = None) -> Handler:
    """A handler that refuses whatever comes; no message: the class's own."""

    def refuse(visit: Visit) -> None:
        del visit
        raise error(message)

    return refuse
