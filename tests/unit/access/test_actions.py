"""Which action a request is, and on which function."""

from __future__ import annotations

import pytest

from lambd.access.actions import lambda_action, service_action
from lambd.model.arns import FunctionReference, Scope
from lambd.model.errors import InvalidParameterError

SCOPE = Scope(account_id="000000000000", region="us-east-1")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.mark.parametrize(
    ("operation", "params", "action", "function"),
    [
        pytest.param("Invoke", {"FunctionName": "f"}, "InvokeFunction", "f", id="invoke"),
        pytest.param(
            *("InvokeWithResponseStream", {"FunctionName": ARN}, "InvokeFunction", "f"), id="stream"
        ),
        pytest.param(
            "GetAlias", {"FunctionName": "f", "Name": "a"}, "GetAlias", "f", id="own name"
        ),
        pytest.param("TagResource", {"Resource": ARN}, "TagResource", "f", id="tags"),
        pytest.param(
            "TagResource",
            {"Resource": "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:u"},
            *("TagResource", None),
            id="tags of what is no function",
        ),
        pytest.param(
            "UpdateFunctionConfiguration",
            {"FunctionName": "f"},
            *("UpdateFunctionConfiguration", None),
            id="governed by no function's policy",
        ),
        pytest.param("ListFunctions", {}, "ListFunctions", None, id="on no function"),
        pytest.param(
            *("GetLayerVersionByArn", {"Arn": "l"}, "GetLayerVersion", None), id="of two operations"
        ),
    ],
)
def test_lambdas_operations_are_actions_on_functions(
    operation: str, params: dict[str, str], action: str, function: str | None
) -> None:
    """With the names that policies have for them."""
    reference = None if function is None else FunctionReference(name=function, qualifier=None)
    assert lambda_action(operation, params, SCOPE) == (f"lambda:{action}", reference)


def test_the_qualifier_belongs_to_the_function() -> None:
    """Its own policy is asked as well."""
    params = {"FunctionName": "f", "Qualifier": "live"}
    reference = FunctionReference(name="f", qualifier="live")
    assert lambda_action("Invoke", params, SCOPE) == ("lambda:InvokeFunction", reference)


def test_a_name_that_is_none_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(InvalidParameterError, match="Invalid function name"):
        lambda_action("Invoke", {"FunctionName": "?"}, SCOPE)


def test_other_services_operations_are_actions_of_the_same_name() -> None:
    """Under the service's prefix."""
    assert service_action("logs", "GetLogEvents") == "logs:GetLogEvents"
