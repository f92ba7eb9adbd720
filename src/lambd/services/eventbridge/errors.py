"""How EventBridge tells of errors: its own names; the rest is as AWS's front end has it."""

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
        load_model("events"),
        {
            PlatformError: "InternalException",
            errors.ConflictError: "ConcurrentModificationException",
            # Its model has none for it.
            errors.InvalidParameterError: unmodelled("ValidationException", 400),
            errors.NotFoundError: "ResourceNotFoundException",
            errors.QuotaExceededError: "LimitExceededException",
        },
    )
