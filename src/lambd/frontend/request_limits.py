"""How large the body of a request may be, by where it goes, and what a larger one is told."""

from __future__ import annotations

from lambd.frontend.hosts import HostKind, Hosts
from lambd.http.messages import RawHeaders, Request
from lambd.model.errors import PlatformError, RequestEntityTooLargeError, RequestTooLargeError
from lambd.model.limits import Limits

_INVOCATIONS = (
    "/invocations",
    "/response-streaming-invocations",
    "/invoke-async",
    "/invoke-async/",
)
# Operations whose request is an event payload, not a document.
_INVOKE_OPERATIONS = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})


class RequestLimits:
    """See the module header."""

    def __init__(self, limits: Limits, hosts: Hosts) -> None:
        self._limits = limits
        self._hosts = hosts

    def body_bytes(self, path: str, headers: RawHeaders) -> int:
        """Invocations have the payload's limit, all else the largest request of the API."""
        if path.endswith(_INVOCATIONS) or self._is_for_url(headers):
            return self._limits.sync_payload_bytes
        return self._limits.code_request_bytes

    def too_large(self, operation: str, request: Request) -> PlatformError:
        """What an operation of the API answers to a body over its limit."""
        if operation not in _INVOKE_OPERATIONS:
            return RequestEntityTooLargeError(
                f"Request must be smaller than {self._limits.code_request_bytes} bytes "
                f"for the {operation} operation"
            )
        is_event = (
            operation == "InvokeAsync" or request.headers.get("x-amz-invocation-type") == "Event"
        )
        limit = self._limits.async_payload_bytes if is_event else self._limits.sync_payload_bytes
        return RequestTooLargeError(
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        )

    def _is_for_url(self, headers: RawHeaders) -> bool:
        return any(
            self._hosts.find(value.decode("latin-1")).kind is HostKind.FUNCTION_URL
            for name, value in headers
            if name.lower() == b"host"
        )
