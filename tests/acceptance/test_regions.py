"""Regions: each that a request is signed for is a place of its own, on one server."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

WHERE = """
    import os

    import boto3

    def handler(event, context):
        seen = boto3.client("lambda").list_functions()["Functions"]
        return {
            "region": os.environ["AWS_REGION"],
            "arn": context.invoked_function_arn,
            "functions": sorted(each["FunctionArn"] for each in seen),
        }
"""


def _client(server: Server, region: str, service: str = "lambda") -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # a variable
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _create(aws: LambdaClient, name: str, source: str | bytes = WHERE) -> str:
    arn = aws.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(source) if isinstance(source, str) else source},
        Timeout=30,
    )["FunctionArn"]
    wait_at_rest(aws, name)
    return arn


def _invoke(aws: Any, name: str) -> dict[str, Any]:
    answer = aws.invoke(FunctionName=name)
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, payload
    members: dict[str, Any] = json.loads(payload)
    return members


def test_functions_of_one_name_are_different_ones_in_different_regions(server: Server) -> None:
    """Inside they see their own region, and with AWS's SDK nothing but it."""
    east, china = _client(server, "us-west-2"), _client(server, "cn-north-1")
    arns = [_create(client, "where") for client in (east, china)]
    assert arns == [
        "arn:aws:lambda:us-west-2:000000000000:function:where",
        "arn:aws-cn:lambda:cn-north-1:000000000000:function:where",
    ]
    for client, arn in zip((east, china), arns, strict=True):
        expected = {"region": arn.split(":")[3], "arn": arn, "functions": [arn]}
        assert _invoke(client, "where") == expected
    east.delete_function(FunctionName="where")
    assert china.get_function(FunctionName="where")["Configuration"]["FunctionArn"] == arns[1]
    china.delete_function(FunctionName="where")


def test_an_arn_of_another_region_is_not_reached(server: Server) -> None:
    """It is refused with AWS's text, though the function is there."""
    here, there = _client(server, "us-west-1"), _client(server, "eu-central-1")
    arn = _create(there, "elsewhere")
    with pytest.raises(ClientError) as caught:
        here.get_function(FunctionName=arn)
    assert caught.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Functions from 'eu-central-1' are not reachable in this region ('us-west-1')",
    }
    there.delete_function(FunctionName="elsewhere")


def test_layers_are_of_the_function_s_region(server: Server) -> None:
    """Another region's layer version is refused."""
    here, there = _client(server, "us-west-1"), _client(server, "eu-central-1")
    layer = there.publish_layer_version(
        LayerName="shared", Content={"ZipFile": zipped(python="x")}
    )["LayerVersionArn"]
    assert here.list_layers()["Layers"] == []
    with pytest.raises(ClientError, match="Layers are not in the same region as the function"):
        here.create_function(
            FunctionName="layered",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(WHERE)},
            Layers=[layer],
        )


def test_concurrency_and_logs_are_of_a_region(server: Server) -> None:
    """What is reserved in one is not missing in another; log groups are where they were written."""
    here, there = _client(server, "us-west-1"), _client(server, "eu-central-1")
    _create(here, "counted", "def handler(event, context): print('hello from here')")
    whole = there.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    here.put_function_concurrency(FunctionName="counted", ReservedConcurrentExecutions=7)
    left = here.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert left == whole - 7
    assert there.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == whole
    _invoke_any(here, "counted")
    groups = {
        region: [
            group["arn"]
            for group in _client(server, region, "logs").describe_log_groups(
                logGroupNamePrefix="/aws/lambda/counted"
            )["logGroups"]
        ]
        for region in ("us-west-1", "eu-central-1")
    }
    assert groups == {
        "us-west-1": ["arn:aws:logs:us-west-1:000000000000:log-group:/aws/lambda/counted:*"],
        "eu-central-1": [],
    }
    here.delete_function(FunctionName="counted")


def _invoke_any(aws: Any, name: str) -> None:
    assert "FunctionError" not in aws.invoke(FunctionName=name, LogType="Tail")


def test_a_function_url_names_its_region(server: Server) -> None:
    """Code and URLs of a region other than the default one are served."""
    aws = _client(server, "ap-south-1")
    archive = zipped("def handler(event, context): return event['requestContext']['domainName']")
    _create(aws, "linked", archive)
    location = aws.get_function(FunctionName="linked")["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=10) as reply:
        assert reply.read() == archive
    url = aws.create_function_url_config(FunctionName="linked", AuthType="NONE")["FunctionUrl"]
    for action, more in (
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        aws.add_permission(
            FunctionName="linked",
            StatementId=action.rpartition(":")[2],
            Action=action,
            Principal="*",
            **more,
        )
    host = url.split("/")[2]
    assert ".lambda-url.ap-south-1.localhost:" in host
    request = urllib.request.Request(server.url + "/", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.read().decode() == host.partition(":")[0]
    aws.delete_function(FunctionName="linked")


def test_a_region_that_aws_has_not_is_refused(server: Server) -> None:
    """A misspelt region is told, instead of being an empty one."""
    with pytest.raises(ClientError) as caught:
        _client(server, "us-esat-1").list_functions()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_regions_are_there_again_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Killed, and started with another default region: each has what it had."""
    data_dir = tmp_path_factory.mktemp("regions") / "data"
    source = "def handler(event, context): return context.invoked_function_arn"
    with Server(data_dir) as server:
        for region in ("us-east-1", "eu-west-1"):
            _create(_client(server, region), "kept", source)
        server.kill()
    with Server(data_dir, "--region", "eu-west-1") as server:
        for region in ("us-east-1", "eu-west-1"):
            answer = _client(server, region).invoke(FunctionName="kept")
            arn = f"arn:aws:lambda:{region}:000000000000:function:kept"
            assert json.loads(answer["Payload"].read()) == arn
        assert server.stop() == 0
