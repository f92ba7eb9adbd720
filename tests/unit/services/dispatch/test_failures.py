"""Whether the same event could be taken later."""

from __future__ import annotations

import pytest

from lambd.model import errors
from lambd.model.errors import PlatformError, ThrottledError
from lambd.services.dispatch.failures import may_retry


@pytest.mark.parametrize(
    ("error", "again"),
    [
        pytest.param(errors.NotFoundError("m"), False, id="gone"),
        pytest.param(errors.AccessDeniedError("m"), False, id="forbidden"),
        pytest.param(errors.InvalidRequestContentError("m"), False, id="no JSON"),
        pytest.param(errors.RequestTooLargeError("m"), False, id="too large"),
        pytest.param(ThrottledError("r", message="m"), True, id="throttled"),
        pytest.param(errors.ConflictError("m"), True, id="being created"),
        pytest.param(errors.UnavailableError("m"), True, id="fault"),
    ],
)
def test_what_may_pass_is_tried_again(error: PlatformError, again: bool) -> None:
    """What is wrong with the event, its target or its permission stays so."""
    assert may_retry(error) is again
