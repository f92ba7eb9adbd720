"""THE table: what kept an event from its function -> its name in dead letters, and whether to retry.

Source: EventBridge User Guide, "Using dead-letter queues", for the codes of rules, and its rule that
missing targets and missing permissions are not tried again. The Scheduler's codes are the error
codes of the API that it calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lambd.model import errors
from lambd.model.errors import PlatformError
from lambd.services.dispatch.model import Dispatch, Failure, Source


class _Kind(NamedTuple):
    rule_code: str
    schedule_code: str
    may_retry: bool


_KINDS: Mapping[type[PlatformError], _Kind] = {
    # What all others fall back on.
    PlatformError: _Kind("INTERNAL_ERROR", "ServiceException", may_retry=True),
    errors.NotFoundError: _Kind("NO_RESOURCE", "ResourceNotFoundException", may_retry=False),
    errors.AccessDeniedError: _Kind("NO_PERMISSIONS", "AccessDeniedException", may_retry=False),
    errors.InvalidRequestContentError: _Kind(
        "INVALID_JSON", "InvalidRequestContentException", may_retry=False
    ),
    errors.InvalidParameterError: _Kind(
        "INVALID_PARAMETER", "InvalidParameterValueException", may_retry=False
    ),
    errors.RequestTooLargeError: _Kind(
        "INVALID_PARAMETER", "RequestTooLargeException", may_retry=False
    ),
    errors.ThrottledError: _Kind("THROTTLING", "TooManyRequestsException", may_retry=True),
    # The function is being created, or could not be.
    errors.ConflictError: _Kind("ERROR_FROM_TARGET", "ResourceConflictException", may_retry=True),
}


def may_retry(error: PlatformError) -> bool:
    """Whether the same event could be taken later."""
    return _kind(error).may_retry


def failure_of(dispatch: Dispatch, error: PlatformError) -> Failure:
    """How a dead letter tells of an error."""
    kind = _kind(error)
    code = kind.rule_code if dispatch.source is Source.RULE else kind.schedule_code
    return Failure(code=code, message=error.message)


def _kind(error: PlatformError) -> _Kind:
    return next(_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS)
