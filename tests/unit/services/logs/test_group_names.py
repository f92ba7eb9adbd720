"""Log groups by name and by ARN."""

from __future__ import annotations

import pytest

from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError
from lambd.services.logs.group_names import group_arn, group_of, name_of

SCOPE = Scope(account_id="000000000000", region="us-east-1")
ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/hello"


@pytest.mark.parametrize("identifier", ["/aws/lambda/hello", ARN, f"{ARN}:*"])
def test_a_group_has_three_names(identifier: str) -> None:
    """And one ARN."""
    assert name_of(SCOPE, identifier) == "/aws/lambda/hello"
    assert group_of(SCOPE, {"logGroupIdentifier": identifier}) == "/aws/lambda/hello"
    assert group_arn(SCOPE, "/aws/lambda/hello") == ARN


@pytest.mark.parametrize(
    "identifier",
    [
        ARN.replace("us-east-1", "eu-west-1"),
        ARN.replace("000000000000", "000000000001"),
        f"{ARN}:log-stream:s",
        "arn:aws:s3:::bucket",
    ],
)
def test_other_arns_are_refused(identifier: str) -> None:
    """Those of other places, and of what is no group."""
    with pytest.raises(InvalidParameterError):
        name_of(SCOPE, identifier)


@pytest.mark.parametrize("params", [{}, {"logGroupName": "a", "logGroupIdentifier": "a"}])
def test_a_request_names_one_group(params: dict[str, str]) -> None:
    """In one way."""
    with pytest.raises(InvalidParameterError, match="Exactly one"):
        group_of(SCOPE, params)
