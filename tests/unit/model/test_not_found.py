"""The table of not-found answers: its rows are operations', its texts the recorded ones."""

from __future__ import annotations

import pytest

from lambd.api.operations import HANDLERS
from lambd.model.errors import NotFoundError, ProvisionedConcurrencyNotFoundError
from lambd.model.not_found import CONTENT, NOT_FOUND, Missing, Named, not_found
from lambd.wire.service_model import load_model

_ARN = "arn:aws:lambda:us-east-1:111111111111:function:f"
_NAMED = Named(function=_ARN, resource=f"{_ARN}:v", scope=f"{_ARN}:v", statement_id="s1")
# They declare ResourceNotFoundException without anything that can be missing.
_CREATE = {"CreateFunction", "PublishLayerVersion"}


def test_every_served_operation_that_may_miss_something_has_a_row() -> None:
    """As the model declares it; no row is of another operation."""
    declared = {
        name
        for name, operation in load_model("lambda").operations.items()
        if "ResourceNotFoundException" in operation.errors
    }
    rows = set(NOT_FOUND) | set(CONTENT)
    assert rows - HANDLERS.keys() == set()
    assert (declared & HANDLERS.keys()) - rows - _CREATE == set()


def test_no_operation_is_content_with_what_it_refuses() -> None:
    """One answer for each thing."""
    for operation, content in CONTENT.items():
        assert not content & set(NOT_FOUND.get(operation, {}))


@pytest.mark.parametrize(
    ("operation", "missing", "text"),
    [
        ("GetFunction", Missing.ALIAS, f"Function not found: {_ARN}:v"),
        ("UpdateFunctionCode", Missing.FUNCTION, f"Function not found: {_ARN}"),
        ("Invoke", Missing.VERSION, f"Function not found: {_ARN}:v"),
        ("PutFunctionConcurrency", Missing.FUNCTION, f"Function not found: {_ARN}:v"),
        ("GetAlias", Missing.ALIAS, f"Cannot find alias arn: {_ARN}:v"),
        ("UpdateAlias", Missing.ALIAS, f"Alias not found: {_ARN}:v"),
        ("RemovePermission", Missing.FUNCTION, f"No policy found for: {_ARN}"),
        (
            "RemovePermission",
            Missing.POLICY,
            "No policy is associated with the given resource.",
        ),
        (
            "RemovePermission",
            Missing.STATEMENT,
            "Statement s1 is not found in resource policy.",
        ),
        ("GetPolicy", Missing.POLICY, "The resource you requested does not exist."),
        ("PutFunctionEventInvokeConfig", Missing.ALIAS, "The function doesn't exist."),
        ("UpdateFunctionEventInvokeConfig", Missing.FUNCTION, "The function doesn't exist."),
        (
            "GetFunctionEventInvokeConfig",
            Missing.EVENT_INVOKE_CONFIG,
            f"The function {_ARN}:v doesn't have an EventInvokeConfig",
        ),
        ("ListFunctionUrlConfigs", Missing.FUNCTION, "Function does not exist"),
        ("GetFunctionUrlConfig", Missing.URL, "The resource you requested does not exist."),
        (
            "GetLayerVersionPolicy",
            Missing.LAYER_VERSION,
            f"Layer version {_ARN}:v does not exist.",
        ),
    ],
)
def test_the_texts_are_those_recorded(operation: str, missing: Missing, text: str) -> None:
    """One of each kind, letter by letter."""
    error = not_found(operation, missing, _NAMED)
    assert type(error) is NotFoundError
    assert error.message == text


def test_a_missing_provisioned_config_has_an_error_of_its_own() -> None:
    """With its own shape."""
    error = not_found("GetProvisionedConcurrencyConfig", Missing.PROVISIONED_CONCURRENCY, _NAMED)
    assert type(error) is ProvisionedConcurrencyNotFoundError
    assert error.message == "No Provisioned Concurrency Config found for this function"
