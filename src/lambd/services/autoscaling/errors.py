"""How Application Auto Scaling tells of errors: its own names; the rest is as AWS's front end has it."""

from __future__ import annotations

from functools import cache

from lambd.model import errors
from lambd.model.errors import PlatformError
from lambd.wire.errors import ErrorTable, unmodelled
from lambd.wire.service_model import load_model


@cache
def error_table() -> ErrorTable:
    """The service's table, with its model."""
    return ErrorTable(
        load_model("application-autoscaling"),
        {
            # Its model gives no status.
            PlatformError: unmodelled("InternalServiceException", 500, "Message"),
            errors.ConflictError: "ConcurrentUpdateException",
            errors.ConstraintViolationError: "ValidationException",
            errors.InvalidParameterError: "ValidationException",
            errors.InvalidTokenError: "InvalidNextTokenException",
            errors.NotFoundError: "ObjectNotFoundException",
            errors.QuotaExceededError: "LimitExceededException",
            errors.ScalableResourceNotFoundError: "ResourceNotFoundException",
            errors.TooManyTagsError: "TooManyTagsException",
        },
    )
