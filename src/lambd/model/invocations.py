"""One invocation as values: what a caller asks, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(slots=True, kw_only=True)
class InvocationResult:
    """What the function answered; a function error is a value here, never an exception."""

    payload: bytes
    executed_version: str
    # "Unhandled" when the function failed.
    function_error: str | None = None
    # The last 4 KiB of the invocation's log, when asked for.
    log_tail: bytes | None = None
