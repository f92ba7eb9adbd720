"""Event-invoke configs through boto3: the operations, and asynchronous invocations obeying them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.function_logs import log_of
from tests.acceptance.world import make

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = "def handler(event, context):\n    print('EVENT', event)\n    return event\n"
FAIL = "def handler(event, context):\n    print('ATTEMPT')\n    raise ValueError('no')\n"
# Shows its event in the log, as a line of JSON.
SHOW = "import json\ndef handler(event, context):\n    print('RECORD ' + json.dumps(event))\n"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform that retries at once."""
    directory: Path = tmp_path_factory.mktemp("quick")
    config = directory / "lambd.toml"
    config.write_text("event_retry_delays_s = [0.01, 0.02]\n")
    made = Server(directory / "data", "--config", str(config))
    made.start()
    yield made
    assert made.stop() == 0


def lines(server: Server, name: str, marker: str) -> list[str]:
    """The lines of a function's log that begin with a marker."""
    return [line for line in log_of(server, name).splitlines() if line.startswith(marker)]


def record(server: Server, name: str) -> dict[str, Any]:
    """The one record that a function got as a destination, once it is there."""
    deadline = time.monotonic() + 30
    while not (found_lines := lines(server, name, "RECORD ")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (line,) = found_lines
    found: dict[str, Any] = json.loads(line.removeprefix("RECORD "))
    return found


def test_configs(aws: LambdaClient, create: CreateFunction) -> None:
    """Put, update, get, list, delete; the ARN is always qualified, the time a time."""
    name, other = create(ECHO, Publish=True), create(ECHO)
    put = aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": ARN + other}},
    )
    assert put["FunctionArn"] == f"{ARN}{name}:$LATEST"
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": ARN + other}}
    assert "MaximumEventAgeInSeconds" not in set(put)
    assert abs(put["LastModified"].timestamp() - time.time()) < 60
    updated = aws.update_function_event_invoke_config(
        FunctionName=name, MaximumEventAgeInSeconds=60
    )
    assert updated["MaximumRetryAttempts"] == 0
    assert updated["DestinationConfig"] == put["DestinationConfig"]
    found = aws.get_function_event_invoke_config(FunctionName=name)
    assert found["MaximumEventAgeInSeconds"] == 60
    aws.put_function_event_invoke_config(FunctionName=name, Qualifier="1", MaximumRetryAttempts=2)
    pages = aws.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    arns = [item["FunctionArn"] for page in pages for item in page["FunctionEventInvokeConfigs"]]
    assert arns == [f"{ARN}{name}:$LATEST", f"{ARN}{name}:1"]
    deleted = aws.delete_function_event_invoke_config(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        aws.get_function_event_invoke_config(FunctionName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({}, "InvalidParameterValueException", id="nothing"),
        pytest.param({"MaximumRetryAttempts": 3}, "ValidationException", id="retries"),
        pytest.param({"MaximumEventAgeInSeconds": 21_601}, "ValidationException", id="age"),
        pytest.param(
            {"DestinationConfig": {"OnSuccess": {"Destination": "arn"}}},
            "ValidationException",
            id="destination",
        ),
        pytest.param(
            {"MaximumRetryAttempts": 1, "Qualifier": "9"}, "ResourceNotFoundException", id="version"
        ),
        pytest.param(
            {
                "DestinationConfig": {
                    "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q.fifo"}
                }
            },
            "InvalidParameterValueException",
            id="queue in order",
        ),
    ],
)
def test_configs_that_are_refused(
    aws: LambdaClient, create: CreateFunction, members: dict[str, Any], code: str
) -> None:
    """With the code that AWS gives."""
    name = create(ECHO)
    with pytest.raises(ClientError) as caught:
        aws.put_function_event_invoke_config(FunctionName=name, **members)
    assert caught.value.response["Error"]["Code"] == code


def test_retries_and_the_failure_destination(quick: Server) -> None:
    """As often as configured; then the destination gets the record of the failure."""
    aws = quick.lambda_client()
    name, target = make(aws, "fails", FAIL), make(aws, "failure-target", SHOW)
    aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": ARN + target}},
    )
    assert (
        aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n":1}')["StatusCode"]
        == 202
    )
    found = record(quick, target)
    assert len(lines(quick, name, "ATTEMPT")) == 2
    context = found["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)
    assert context["functionArn"] == f"{ARN}{name}:$LATEST"
    assert found["requestPayload"] == {"n": 1}
    assert found["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert found["responsePayload"]["errorMessage"] == "no"


def test_the_success_destination_of_an_alias(quick: Server) -> None:
    """The config of the qualifier that was invoked; the version that ran."""
    aws = quick.lambda_client()
    name = make(aws, "works", ECHO, Publish=True)
    target = make(aws, "success-target", SHOW)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    aws.put_function_event_invoke_config(
        FunctionName=name,
        Qualifier="live",
        DestinationConfig={"OnSuccess": {"Destination": ARN + target}},
    )
    aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'"unqualified"')
    aws.invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=b'"live"')
    found = record(quick, target)
    assert found["requestContext"]["condition"] == "Success"
    assert found["requestContext"]["functionArn"] == f"{ARN}{name}:live"
    assert found["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert found["responsePayload"] == "live"


def test_events_of_a_stopped_function(quick: Server) -> None:
    """Reserved concurrency 0: accepted, never run, told to the destination."""
    aws = quick.lambda_client()
    name, target = make(aws, "stopped", ECHO), make(aws, "stopped-target", SHOW)
    aws.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": ARN + target}}
    )
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    aws.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    found = record(quick, target)
    context = found["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == (
        "ZeroReservedConcurrency",
        0,
    )
    assert "responsePayload" not in found
    assert lines(quick, name, "EVENT") == []
