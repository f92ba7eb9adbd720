"""What kept an event from its function, and whether the same event could be taken later.

Source: EventBridge User Guide, "Using dead-letter queues": missing targets and missing permissions
are not tried again. What is wrong with the event itself stays so.
"""

from __future__ import annotations

from lambd.model import errors
from lambd.model.errors import PlatformError

_FINAL = (
    errors.AccessDeniedError,
    errors.InvalidParameterError,
    errors.InvalidRequestContentError,
    errors.NotFoundError,
    errors.RequestTooLargeError,
)


def may_retry(error: PlatformError) -> bool:
    """Whether the same event could be taken later."""
    return not isinstance(error, _FINAL)
