"""Refusals as AWS words and shapes them, sent through boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.acceptance.conftest import RUNTIME, CreateFunction, Server, zipped
from tests.acceptance.test_aliases import error_of

from lambd.api.operations import HANDLERS
from lambd.wire.service_model import load_model

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SOURCE = "def handler(event, context):\n    return event\n"


def response_of(operation: Any, **arguments: Any) -> Any:
    """Call what must fail; its whole response."""
    with pytest.raises(ClientError) as raised:
        operation(**arguments)
    return raised.value.response


def test_errors_of_account_limits_have_no_type(aws: LambdaClient, create: CreateFunction) -> None:
    """What is reserved and provisioned, and an alias of $LATEST with a weight; others have one."""
    name = create(SOURCE, Publish=True)
    by_name: dict[str, Any] = {"FunctionName": name}
    limits = (
        response_of(aws.put_function_concurrency, **by_name, ReservedConcurrentExecutions=100_000),
        response_of(
            aws.put_provisioned_concurrency_config,
            **by_name,
            Qualifier="1",
            ProvisionedConcurrentExecutions=100_000,
        ),
        response_of(
            aws.put_provisioned_concurrency_config,
            **by_name,
            Qualifier="1",
            ProvisionedConcurrentExecutions=950,
        ),
        response_of(
            aws.create_alias,
            **by_name,
            Name="a",
            FunctionVersion="$LATEST",
            RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}},
        ),
    )
    for response in limits:
        assert response["Error"]["Code"] == "InvalidParameterValueException"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert response["message"]
        assert "Type" not in response
    other = response_of(
        aws.put_provisioned_concurrency_config,
        **by_name,
        Qualifier="$LATEST",
        ProvisionedConcurrentExecutions=1,
    )
    assert other["Type"] == "User"


def test_layers_are_for_runtimes_that_there_are(aws: LambdaClient) -> None:
    """Published and listed; those that AWS retired are fine."""
    publication = error_of(
        aws.publish_layer_version,
        LayerName="unknown-runtimes",
        Content={"ZipFile": zipped(a__txt="a")},
        CompatibleRuntimes=["python9.9", RUNTIME],
    )
    assert publication[:2] == (400, "ValidationException")
    assert publication[2].startswith(
        f"1 validation error detected: Value '[python9.9, {RUNTIME}]' at 'compatibleRuntimes' "
        "failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum "
        "value set: ["
    )
    assert publication[2].endswith("], Member must not be null]")
    for listing in (
        error_of(aws.list_layers, CompatibleRuntime="python9.9"),
        error_of(aws.list_layer_versions, LayerName="some", CompatibleRuntime="python9.9"),
    ):
        assert listing[:2] == (400, "ValidationException")
        assert listing[2].startswith(
            "1 validation error detected: Value 'python9.9' at 'compatibleRuntime' failed to "
            "satisfy constraint: Member must satisfy enum value set: ["
        )
    assert aws.list_layers(CompatibleRuntime="python2.7")["Layers"] == []


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        pytest.param(
            "arn:aws:iam::111122223333:role/r",
            (403, "AccessDeniedException", "Cross-account pass role is not allowed."),
            id="another account",
        ),
        pytest.param("no-role", (400, "ValidationException", None), id="malformed"),
        pytest.param(
            "arn:aws:iam::000000000000:user/u", (400, "ValidationException", None), id="a user"
        ),
    ],
)
def test_roles_that_a_function_cannot_have(
    aws: LambdaClient, create: CreateFunction, role: str, expected: tuple[int, str, str | None]
) -> None:
    """When it is created, and later."""
    for found in (
        error_of(
            aws.create_function,
            FunctionName="foreign-role",
            Runtime=RUNTIME,
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": zipped(SOURCE)},
        ),
        error_of(aws.update_function_configuration, FunctionName=create(SOURCE), Role=role),
    ):
        assert found[:2] == expected[:2]
        assert expected[2] in (None, found[2])
    assert error_of(aws.get_function, FunctionName="foreign-role")[0] == 404


def _absent() -> list[str]:
    return sorted(set(load_model("lambda").operations) - set(HANDLERS))


@pytest.mark.parametrize("operation", _absent())
def test_an_operation_that_is_not_served_says_so(server: Server, operation: str) -> None:
    """501 and its name, whatever is sent."""
    client: Any = server.lambda_client(parameter_validation=False)
    shape = client.meta.service_model.operation_model(operation).input_shape
    # What the path needs.
    labels = [k for k, v in shape.members.items() if v.serialization.get("location") == "uri"]
    members = dict.fromkeys(labels, "x")
    response = response_of(getattr(client, xform_name(operation)), **members)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"] == {
        "Code": "NotImplementedException",
        "Message": f"The operation {operation} is not implemented by lambd yet",
    }
