"""How EventBridge Scheduler tells of errors: its own names; the rest is as AWS's front end has it."""

from __future__ import annotations

from functools import cache

from lambd.model import errors
from lambd.model.errors import PlatformError
from lambd.wire.errors import ErrorTable
from lambd.wire.service_model import load_model


@cache
def error_table() -> ErrorTable:
    """The service's table, with its model."""
    return ErrorTable(
        load_model("scheduler"),
        {
            PlatformError: "InternalServerException",
            errors.ConflictError: "ConflictException",
            errors.ConstraintViolationError: "ValidationException",
            errors.InvalidParameterError: "ValidationException",
            errors.NotFoundError: "ResourceNotFoundException",
            errors.QuotaExceededError: "ServiceQuotaExceededException",
            errors.ThrottledError: "ThrottlingException",
        },
    )
