"""The response of InvokeWithResponseStream: events as the function's bytes come (invoke.md 6).

The head, status 200, goes out when the function begins to answer or has failed: a request that is
refused gets an ordinary error instead. What goes wrong afterwards is in the last event.
"""

from __future__ import annotations

import base64

from lambd.api.call import Call, Members
from lambd.http.exchanges import ResponseStream
from lambd.model.errors import PlatformError
from lambd.model.invocations import InvocationResult, ResponseFlow, StreamHead

# Payload of one event at most: clients' parsers have a limit of 16 MiB.
_EVENT_BYTES = 256 * 1024


class EventStreamSink:
    """Implements `lambd.model.invocations.ResponseSink` for one request."""

    __slots__ = ("_call", "_stream")

    def __init__(self, call: Call) -> None:
        """Answer through the call's exchange, or as any operation does when nothing runs."""
        self._call = call
        self._stream: ResponseStream | None = None

    def begin(self, head: StreamHead, flow: ResponseFlow) -> None:
        """Send the head."""
        self._open(head.executed_version).follow(flow)

    def write(self, data: bytes) -> bool:
        """Send events of the function's bytes."""
        keeps_up = True
        for start in range(0, len(data), _EVENT_BYTES):
            part = data if len(data) <= _EVENT_BYTES else data[start : start + _EVENT_BYTES]
            keeps_up = self._send({"PayloadChunk": {"Payload": part}})
        return keeps_up

    def end(self, result: InvocationResult) -> None:
        """Send the last event."""
        if self._stream is None:
            self._open(result.executed_version)
        complete: Members = {}
        if result.function_error is not None:
            complete["ErrorCode"] = result.platform_error or result.function_error
            complete["ErrorDetails"] = result.payload.decode("utf-8", "replace")
        if result.log_tail is not None:
            complete["LogResult"] = base64.b64encode(result.log_tail).decode()
        self._send({"InvokeComplete": complete})
        if self._stream is not None:
            self._stream.end()

    def fail(self, error: PlatformError | None) -> None:
        """Answer as any operation does."""
        self._call.reply({"StatusCode": 204} if error is None else error)

    def _open(self, executed_version: str) -> ResponseStream:
        call = self._call
        response = call.operation.encode({"ExecutedVersion": executed_version})
        return_trace(call)
        self._stream = call.exchange.start(response.status, response.headers)
        return self._stream

    def _send(self, event: Members) -> bool:
        return self._stream is None or self._stream.write(self._call.operation.encode_event(event))


def return_trace(call: Call) -> None:
    """Have the answer say the trace that the request has named, if any."""
    trace = call.request.headers.get("x-amzn-trace-id")
    if trace is not None:
        stamps = call.exchange.stamps = call.exchange.stamps or []
        stamps.append(("X-Amzn-Trace-Id", trace))
