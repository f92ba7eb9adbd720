"""One invocation as values: what a caller asks, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lambd.model.errors import PlatformError


class InvocationType(StrEnum):
    """`X-Amz-Invocation-Type`."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


# None of these is frozen, as other values are: one of each is made for every invocation, and
# freezing costs more than all their fields.
@dataclass(slots=True, kw_only=True)
class InvocationRequest:
    """A request to run a function; `payload` is the event, verbatim."""

    request_id: str
    # The name as parsed, and the qualifier as the caller gave it.
    function_name: str
    qualifier: str | None
    invocation_type: InvocationType
    payload: bytes
    # Decoded JSON text of X-Amz-Client-Context.
    client_context: str | None = None
    trace_header: str | None = None
    wants_log_tail: bool = False
    # Nobody waits for the result: it may come once the invocation is reported in the log.
    after_report: bool = False
    # Takes the response in parts; None: it is wanted whole.
    sink: ResponseSink | None = None


@dataclass(slots=True, kw_only=True)
class Invocation:
    """What an execution environment needs to run one invocation."""

    request_id: str
    payload: bytes
    invoked_function_arn: str
    trace_id: str
    # JSON on one line.
    client_context: str | None = None
    wants_log_tail: bool = False
    # As in InvocationRequest.
    after_report: bool = False


@dataclass(slots=True, kw_only=True)
class InvocationResult:
    """What the function answered; a function error is a value here, never an exception."""

    # Empty for a success that went to a sink.
    payload: bytes
    executed_version: str
    # "Unhandled" when the function failed.
    function_error: str | None = None
    # The last 4 KiB of the invocation's log, when asked for.
    log_tail: bytes | None = None
    # The error's type where the platform ended or refused the answer; None: the runtime reported it.
    platform_error: str | None = None
    # Whether a sink has been given the beginning of the answer.
    is_streamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """What is known when a function begins to answer."""

    executed_version: str
    # As the runtime sent it with its response.
    content_type: str
    # Whether the function streams; else its whole result follows in one `write`.
    is_streamed: bool


class ResponseFlow(Protocol):
    """What a sink may ask of the function's end; every method is a no-op after the end."""

    def resume(self) -> None:
        """Send on, after a `write` that gave False."""

    def discard(self) -> None:
        """Nobody listens any more: the function goes on, its output is dropped as it comes."""


class ResponseSink(Protocol):
    """The caller's end of one response; methods must neither block nor raise. In this order:

        begin  write*  end      the function answered, in parts or whole
        end                     it failed before it answered
        fail                    nothing ran: the request was refused, or was a dry run

    Nothing between the function and the sink buffers: a sink that cannot take more says so, which
    stops the function's own sending. All calls come on the event loop.
    """

    def begin(self, head: StreamHead, flow: ResponseFlow) -> None:
        """The function begins to answer."""

    def write(self, data: bytes) -> bool:
        """Take a part; False asks for a pause until `ResponseFlow.resume`.

        What is on its way still comes after that, less than 512 KiB, as does the whole result of
        a function that does not stream.
        """

    def end(self, result: InvocationResult) -> None:
        """The answer is complete or, with `result.function_error`, will not be.

        In the latter case `result.payload` is the error's document.
        """

    def fail(self, error: PlatformError | None) -> None:
        """Nothing ran; None for a dry run."""
