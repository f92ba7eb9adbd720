"""How CloudWatch Logs tells of errors: its own names; the rest is as AWS's front end has it."""

from __future__ import annotations

from functools import cache

from lambd.model import errors
from lambd.model.errors import PlatformError
from lambd.services.logs.insights_syntax import MalformedQueryError
from lambd.wire.errors import ErrorTable
from lambd.wire.service_model import load_model


@cache
def error_table() -> ErrorTable:
    """The service's table, with its model."""
    return ErrorTable(
        load_model("logs"),
        {
            PlatformError: "ServiceUnavailableException",
            errors.AccessDeniedError: "AccessDeniedException",
            errors.ConflictError: "ResourceAlreadyExistsException",
            errors.ConstraintViolationError: "InvalidParameterException",
            errors.InvalidParameterError: "InvalidParameterException",
            MalformedQueryError: "MalformedQueryException",
            errors.NotFoundError: "ResourceNotFoundException",
            errors.QuotaExceededError: "LimitExceededException",
            errors.ThrottledError: "ThrottlingException",
            errors.TooManyTagsError: "TooManyTagsException",
        },
    )
