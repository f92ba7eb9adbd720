"""Who may invoke: rules by the function's policy, schedules by their role; and how errors are named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.services.dispatch.test_model import DISPATCH, SCOPE

from lambd.model import errors
from lambd.model.errors import AccessDeniedError, PlatformError, ThrottledError
from lambd.model.policies import Policy, parse_policy
from lambd.model.settings import FunctionSettings
from lambd.services.dispatch.failures import failure_of, may_retry
from lambd.services.dispatch.model import Failure, Source
from lambd.services.dispatch.permission import check_permission

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
OF_RULE = replace(DISPATCH, source=Source.RULE, source_arn="arn:aws:events:r", role_arn=None)


def policy(principal: object, *, effect: str = "Allow", source: str | None = None) -> Policy:
    """A policy of one statement on invoking the function, unqualified or not."""
    statement: dict[str, object] = {
        "Effect": effect,
        "Principal": principal,
        "Action": "lambda:InvokeFunction",
        "Resource": [FUNCTION, f"{FUNCTION}:live"],
    }
    if source is not None:
        statement["Condition"] = {"ArnLike": {"AWS:SourceArn": source}}
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


EVENTS = {"Service": "events.amazonaws.com"}


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param({"$LATEST": policy(EVENTS)}, id="any rule"),
        pytest.param({"$LATEST": policy(EVENTS, source="arn:aws:events:r")}, id="this rule"),
    ],
)
def test_a_rule_may_do_what_the_functions_policy_says(policies: dict[str, Policy]) -> None:
    """It comes as the service, with its ARN as the source."""
    check_permission(OF_RULE, FunctionSettings(policies=policies), SCOPE, NOW)


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param({}, id="no policy"),
        pytest.param({"$LATEST": policy(EVENTS, source="arn:aws:events:x")}, id="another rule"),
        pytest.param({"$LATEST": policy({"Service": "s3.amazonaws.com"})}, id="another service"),
        pytest.param({"live": policy(EVENTS)}, id="another scope"),
    ],
)
def test_a_rule_may_do_nothing_else(policies: dict[str, Policy]) -> None:
    """Without a statement that allows it, as on AWS."""
    with pytest.raises(AccessDeniedError, match="no resource-based policy allows"):
        check_permission(OF_RULE, FunctionSettings(policies=policies), SCOPE, NOW)


def test_an_alias_is_judged_by_its_own_policy() -> None:
    """The statement is in the alias's scope."""
    dispatch = replace(OF_RULE, qualifier="live")
    settings = FunctionSettings(policies={"live": policy(EVENTS)})
    check_permission(dispatch, settings, SCOPE, NOW)


def test_a_schedule_needs_no_policy_but_heeds_a_deny() -> None:
    """Its role may do all that is not denied."""
    check_permission(DISPATCH, FunctionSettings(), SCOPE, NOW)
    settings = FunctionSettings(policies={"$LATEST": policy("*", effect="Deny")})
    with pytest.raises(AccessDeniedError, match="explicit deny"):
        check_permission(DISPATCH, settings, SCOPE, NOW)


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
