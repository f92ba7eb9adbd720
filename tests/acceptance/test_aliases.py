"""Aliases through boto3: their operations, and invocations that go by weight."""

from __future__ import annotations

import concurrent.futures
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server, wait_at_rest, zipped

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SOURCE = """
def handler(event, context):
    return [{number}, context.function_version, context.invoked_function_arn,
            context.log_stream_name]
"""


def error_of(operation: Any, **arguments: Any) -> tuple[int, str, str]:
    """Call what must fail; its status, code and message."""
    with pytest.raises(ClientError) as raised:
        operation(**arguments)
    response = raised.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def members(status: int, reply: Any) -> dict[str, Any]:
    """What was replied with this status."""
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == status
    return {key: value for key, value in reply.items() if key != "ResponseMetadata"}


def publish(aws: LambdaClient, name: str, number: int) -> str:
    """Publish a version whose code answers with a number."""
    aws.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE.format(number=number)))
    wait_at_rest(aws, name)
    return aws.publish_version(FunctionName=name)["Version"]


@pytest.fixture
def name(aws: LambdaClient, create: CreateFunction) -> str:
    """A function with versions 1 and 2, whose `$LATEST` is as version 2."""
    made = create(SOURCE.format(number=1))
    assert aws.publish_version(FunctionName=made)["Version"] == "1"
    assert publish(aws, made, 2) == "2"
    return made


def test_an_alias_through_its_life(aws: LambdaClient, name: str) -> None:
    """Created, read, changed, deleted, with the members and statuses that AWS replies."""
    made = members(
        201,
        aws.create_alias(
            FunctionName=name,
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}},
        ),
    )
    revision = made["RevisionId"]
    assert made == {
        "AliasArn": f"{ARN}{name}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.2}},
        "RevisionId": revision,
    }
    assert members(200, aws.get_alias(FunctionName=f"{ARN}{name}", Name="live")) == made
    changed = members(
        200,
        aws.update_alias(
            FunctionName=name, Name="live", Description="d", RoutingConfig={}, RevisionId=revision
        ),
    )
    assert changed["Description"] == "d"
    assert "RoutingConfig" not in changed
    assert changed["RevisionId"] != revision
    for _ in range(2):
        deleted = aws.delete_alias(FunctionName=name, Name="live")
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.list_aliases(FunctionName=name)["Aliases"] == []


def test_refusals_have_status_code_and_text(aws: LambdaClient, name: str) -> None:
    """Conflict, not found, precondition, and both kinds of bad parameters."""
    alias: Any = {"FunctionName": name, "Name": "live"}
    aws.create_alias(**alias, FunctionVersion="1")
    assert error_of(aws.create_alias, **alias, FunctionVersion="2") == (
        409,
        "ResourceConflictException",
        f"Alias already exists: {ARN}{name}:live",
    )
    assert error_of(aws.get_alias, FunctionName=name, Name="dead") == (
        404,
        "ResourceNotFoundException",
        f"Cannot find alias arn: {ARN}{name}:dead",
    )
    assert error_of(aws.update_alias, FunctionName=name, Name="dead") == (
        404,
        "ResourceNotFoundException",
        f"Alias not found: {ARN}{name}:dead",
    )
    assert error_of(aws.update_alias, **alias, RevisionId="wrong")[:2] == (
        412,
        "PreconditionFailedException",
    )
    assert error_of(
        aws.update_alias, **alias, RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}}
    )[:2] == (400, "InvalidParameterValueException")
    assert error_of(
        aws.update_alias, **alias, RoutingConfig={"AdditionalVersionWeights": {"2": 2.0}}
    ) == (
        400,
        "ValidationException",
        (
            "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' "
            "failed to satisfy constraint: Map value must satisfy constraint: [Member must have value "
            "less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member "
            "must not be null]"
        ),
    )
    assert error_of(aws.create_alias, FunctionName=name, Name="12", FunctionVersion="1") == (
        400,
        "ValidationException",
        (
            "1 validation error detected: Value '12' at 'name' failed to satisfy constraint: Member "
            "must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        ),
    )


def test_the_paginator_and_the_filter(aws: LambdaClient, name: str) -> None:
    """Every alias once, by name; with a version those that may invoke it."""
    for alias, version in (("c", "1"), ("a", "2"), ("b", "$LATEST")):
        aws.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)
    pages = aws.get_paginator("list_aliases").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    assert [[item["Name"] for item in page["Aliases"]] for page in pages] == [["a"], ["b"], ["c"]]
    found = aws.list_aliases(FunctionName=name, FunctionVersion="2")["Aliases"]
    assert [item["Name"] for item in found] == ["a"]


def test_reads_by_alias_show_the_version(aws: LambdaClient, name: str) -> None:
    """Its number and RevisionId, under an ARN that ends in the alias."""
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    version = aws.get_function(FunctionName=name, Qualifier="1")["Configuration"]
    for arguments in (
        {"FunctionName": name, "Qualifier": "live"},
        {"FunctionName": f"{name}:live"},
        {"FunctionName": f"{ARN}{name}:live", "Qualifier": "live"},
    ):
        by_alias = aws.get_function(**arguments)["Configuration"]
        assert by_alias == {**version, "FunctionArn": f"{ARN}{name}:live"}
        configuration = aws.get_function_configuration(**arguments)
        assert (configuration["Version"], configuration["FunctionArn"]) == (
            "1",
            f"{ARN}{name}:live",
        )
    for operation in (aws.get_function, aws.get_function_configuration, aws.invoke):
        assert error_of(operation, FunctionName=name, Qualifier="dead") == (
            404,
            "ResourceNotFoundException",
            f"Function not found: {ARN}{name}:dead",
        )


def test_a_version_in_use_can_not_be_deleted(aws: LambdaClient, name: str) -> None:
    """409 that names the alias; aliases go with the function."""
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert error_of(aws.delete_function, FunctionName=name, Qualifier="1") == (
        409,
        "ResourceConflictException",
        "Unable to delete version because the following aliases reference it: [live]",
    )
    assert error_of(aws.delete_function, FunctionName=f"{name}:live") == (
        400,
        "InvalidParameterValueException",
        "Deletion of aliases is not currently supported.",
    )
    aws.delete_function(FunctionName=name)
    assert error_of(aws.get_alias, FunctionName=name, Name="live")[0] == 404


def test_the_function_sees_alias_and_version(aws: LambdaClient, server: Server, name: str) -> None:
    """The invoked ARN keeps the alias; header, context and log stream have the number."""
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    reply = aws.invoke(FunctionName=name, Qualifier="live")
    assert reply["ExecutedVersion"] == "1"
    number, version, arn, stream = json.loads(reply["Payload"].read())
    assert (number, version, arn) == (1, "1", f"{ARN}{name}:live")
    assert "[1]" in stream
    streams = server.logs_client().describe_log_streams(logGroupName=f"/aws/lambda/{name}")
    assert stream in [item["logStreamName"] for item in streams["logStreams"]]
    aws.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert aws.invoke(FunctionName=f"{ARN}{name}:live")["ExecutedVersion"] == "$LATEST"


def test_invocations_go_by_weight(aws: LambdaClient, name: str) -> None:
    """Within five standard deviations of the binomial distribution; each version runs its code."""
    weight, draws = 0.3, 400
    aws.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": weight}},
    )
    drawn: Counter[str] = Counter()
    for _ in range(draws):
        reply = aws.invoke(FunctionName=name, Qualifier="live")
        executed = reply["ExecutedVersion"]
        assert json.loads(reply["Payload"].read())[:2] == [int(executed), executed]
        drawn[executed] += 1
    assert set(drawn) == {"1", "2"}
    assert abs(drawn["2"] - draws * weight) <= 5 * (draws * weight * (1 - weight)) ** 0.5


def test_shifting_an_alias_never_fails_an_invocation(server: Server, name: str) -> None:
    """Callers see one version or the other while the alias moves, and the new one afterwards."""
    aws = server.lambda_client()
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    done = threading.Event()

    def call() -> Counter[str]:
        client, seen = server.lambda_client(), Counter[str]()
        while not done.is_set():
            reply = client.invoke(FunctionName=name, Qualifier="live")
            number = json.loads(reply["Payload"].read())[0]
            assert reply["ExecutedVersion"] == str(number)
            seen[reply["ExecutedVersion"]] += 1
        return seen

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        callers = [threads.submit(call) for _ in range(3)]
        try:
            for weight in (0.1, 0.5, 0.9):
                routing = {"AdditionalVersionWeights": {"2": weight}}
                aws.update_alias(FunctionName=name, Name="live", RoutingConfig=routing)  # type: ignore[arg-type]  # a dict
                for _ in range(20):
                    aws.invoke(FunctionName=name, Qualifier="live")
            aws.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={})
            for _ in range(20):
                reply = aws.invoke(FunctionName=name, Qualifier="live")
                assert reply["ExecutedVersion"] == "2"
            aws.delete_function(FunctionName=name, Qualifier="1")
            for _ in range(20):
                aws.invoke(FunctionName=name, Qualifier="live")
        finally:
            done.set()
        seen = sum((caller.result() for caller in callers), Counter[str]())
    assert set(seen) == {"1", "2"}
