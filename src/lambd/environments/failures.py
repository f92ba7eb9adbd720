"""The payloads of functions that failed outside their own handler: timeouts, exits, kills.

Texts are those of invoke.md section 2 (recorded from AWS); key order is part of the format.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass

from lambd.model.errors import (
    EXTENSION_CRASH,
    RUNTIME_EXIT_ERROR,
    RUNTIME_OUT_OF_MEMORY,
    SANDBOX_TIMED_OUT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A function error: what the caller reads, and the type that REPORT shows."""

    payload: bytes
    error_type: str
    # Whether it is our word; else the runtime's own document of an init that failed.
    is_platform_error: bool = True


def timed_out(request_id: str, timeout_s: int) -> Failure:
    """The function ran longer than its timeout."""
    text = f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"
    return _failure(SANDBOX_TIMED_OUT, text)


def exited(
    request_id: str,
    wait_status: int | None,
    *,
    out_of_memory: bool,
    error_type: str | None = None,
) -> Failure:
    """The runtime process ended.

    Args:
        request_id: of the invocation under way, or "".
        wait_status: as from waitpid, None if its sandbox went with it.
        out_of_memory: whether the kernel killed it for want of memory.
        error_type: what an extension reported before it.
    """
    how = _how(None if out_of_memory else wait_status)
    cause = (
        f"Runtime exited with error: {how}" if how else "Runtime exited without providing a reason"
    )
    found = RUNTIME_OUT_OF_MEMORY if out_of_memory else error_type or RUNTIME_EXIT_ERROR
    return _failure(found, f"RequestId: {request_id} Error: {cause}")


def extension_exited(
    request_id: str, wait_status: int | None, error_type: str | None = None
) -> Failure:
    """An extension's process ended; `error_type` is what it reported before, if it did."""
    cause = _how(wait_status) or "exit code 0"
    return _failure(error_type or EXTENSION_CRASH, f"RequestId: {request_id} Error: {cause}")


def start_failed(request_id: str, error_type: str, message: str) -> Failure:
    """The runtime process could not be started at all."""
    return _failure(error_type, f"RequestId: {request_id} Error: {message}")


def _how(wait_status: int | None) -> str:
    """How a process ended, in Go's words, which AWS prints; empty for a success."""
    if wait_status is None:
        return "signal: killed"
    if os.WIFSIGNALED(wait_status):
        # "segmentation fault", "killed", "aborted".
        name = (signal.strsignal(os.WTERMSIG(wait_status)) or "unknown").lower()
        dumped = " (core dumped)" if os.WCOREDUMP(wait_status) else ""
        return f"signal: {name}{dumped}"
    code = os.WEXITSTATUS(wait_status)
    return f"exit status {code}" if code else ""


def _failure(error_type: str, message: str) -> Failure:
    document = {"errorType": error_type, "errorMessage": message}
    return Failure(
        payload=json.dumps(document, separators=(",", ":")).encode(), error_type=error_type
    )
