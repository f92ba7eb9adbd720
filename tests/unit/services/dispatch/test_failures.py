"""What kept an event from its function, as dead letters name it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.services.dispatch.test_model import DISPATCH

from lambd.model import errors
from lambd.model.errors import AccessDeniedError, PlatformError, ThrottledError
from lambd.services.dispatch.failures import failure_of, may_retry
from lambd.services.dispatch.model import Failure, Source

OF_RULE = replace(DISPATCH, source=Source.RULE, source_arn="arn:aws:events:r", role_arn=None)


@pytest.mark.parametrize(
    ("error", "rule_code", "schedule_code", "again"),
    [
        pytest.param(
            errors.NotFoundError("m"),
            *("NO_RESOURCE", "ResourceNotFoundException", False),
            id="gone",
        ),
        pytest.param(
            AccessDeniedError("m"),
            *("NO_PERMISSIONS", "AccessDeniedException", False),
            id="forbidden",
        ),
        pytest.param(
            ThrottledError("r", message="m"),
            *("THROTTLING", "TooManyRequestsException", True),
            id="throttled",
        ),
        pytest.param(
            errors.UnavailableError("m"), *("INTERNAL_ERROR", "ServiceException", True), id="fault"
        ),
    ],
)
def test_errors_have_a_name_in_dead_letters(
    error: PlatformError, rule_code: str, schedule_code: str, again: bool
) -> None:
    """EventBridge has its own codes, the Scheduler those of the API that it calls."""
    assert failure_of(OF_RULE, error) == Failure(code=rule_code, message="m")
    assert failure_of(DISPATCH, error) == Failure(code=schedule_code, message="m")
    assert may_retry(error) is again
