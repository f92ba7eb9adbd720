"""What every served operation answers about what is not there, sent through boto3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.not_found_cases import LAYER, PRESENT, Case, cases

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[LambdaClient]:
    """A function with a version and an alias, and a layer; a client."""
    aws = server.lambda_client()
    aws.create_function(
        FunctionName=PRESENT,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped("def handler(event, context): return event")},
    )
    wait_at_rest(aws, PRESENT)
    aws.publish_version(FunctionName=PRESENT)
    aws.create_alias(FunctionName=PRESENT, Name="live", FunctionVersion="1")
    aws.publish_layer_version(LayerName=LAYER, Content={"ZipFile": zipped(a__txt="layer")})
    yield aws
    aws.delete_function(FunctionName=PRESENT)
    aws.delete_layer_version(LayerName=LAYER, VersionNumber=1)


@pytest.fixture
def statement(world: LambdaClient, case: Case) -> Iterator[None]:
    """A policy with another statement, where a statement is what is missing."""
    if "-statement-" not in case.id:
        yield
        return
    aws: Any = world
    first = case.requests[0]
    other: dict[str, Any] = {"StatementId": "other"}
    if "LayerName" in first:
        scope: dict[str, Any] = {"LayerName": LAYER, "VersionNumber": 1}
        action = "lambda:GetLayerVersion"
        add, remove = aws.add_layer_version_permission, aws.remove_layer_version_permission
    else:
        scope = {key: first[key] for key in ("FunctionName", "Qualifier") if key in first}
        action = "lambda:InvokeFunction"
        add, remove = aws.add_permission, aws.remove_permission
    add(**scope, **other, Action=action, Principal="*")
    yield
    remove(**scope, **other)


@pytest.mark.usefixtures("statement")
@pytest.mark.parametrize("case", [pytest.param(each, id=each.id) for each in cases()])
def test_answers_what_the_table_says(world: LambdaClient, case: Case) -> None:
    """Type, status and text of every row, by every form of a name."""
    call = getattr(world, re.sub("(?<!^)(?=[A-Z])", "_", case.operation).lower())
    for request in case.requests:
        if case.text is None:
            assert call(**request)["ResponseMetadata"]["HTTPStatusCode"] in (200, 204)
        else:
            _check_refusal(case, call, request)


def _check_refusal(case: Case, call: Any, request: Mapping[str, Any]) -> None:
    with pytest.raises(ClientError) as raised:
        call(**request)
    response: Any = raised.value.response
    name = "ProvisionedConcurrencyConfigNotFound" if case.is_provisioned else "ResourceNotFound"
    assert response["Error"] == {"Code": f"{name}Exception", "Message": case.text}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert response["Type"] == "User"
