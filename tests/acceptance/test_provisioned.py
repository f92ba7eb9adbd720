"""Provisioned concurrency through boto3: allocation, invocations, aliases, limits, restarts."""

from __future__ import annotations

import concurrent.futures
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance import world
from tests.acceptance.conftest import CreateFunction, Server, wait_at_rest, zipped

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.type_defs import GetProvisionedConcurrencyConfigResponseTypeDef

# Tells where it runs; sleeps and breaks as told.
WHERE = """
import os, time, uuid
ID = uuid.uuid4().hex
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if event.get("exit"):
        os._exit(1)
    time.sleep(event.get("s", 0))
    return {
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "id": ID,
        "calls": calls,
        "version": context.function_version,
    }
"""
_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform whose account may run six invocations at once, one of them unreserved, at any rate."""
    directory: Path = tmp_path_factory.mktemp("provisioned")
    config = directory / "lambd.toml"
    limits = "concurrent_executions = 6\nunreserved_concurrency = 1\nrequests_per_concurrency = 0\n"
    config.write_text(f"[limits]\n{limits}")
    made = Server(directory / "data", "--config", str(config))
    made.start()
    yield made
    assert made.stop() == 0


def publish(aws: LambdaClient, name: str, source: str) -> str:
    """Give a function this code and publish it."""
    aws.update_function_code(FunctionName=name, ZipFile=zipped(source))
    wait_at_rest(aws, name)
    return aws.publish_version(FunctionName=name)["Version"]


def make(aws: LambdaClient, name: str, source: str = WHERE) -> str:
    """Create a function with version 1."""
    return world.make(aws, name, source, Timeout=30, Publish=True)


def wait_settled(
    aws: LambdaClient, name: str, qualifier: str
) -> GetProvisionedConcurrencyConfigResponseTypeDef:
    """Wait until an allocation has ended."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        found = aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        if found["Status"] != "IN_PROGRESS":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def provision(aws: LambdaClient, name: str, qualifier: str, number: int) -> None:
    """Allocate, and wait until it is there."""
    aws.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
    )
    found = wait_settled(aws, name, qualifier)
    assert found["Status"] == "READY"
    assert found["AllocatedProvisionedConcurrentExecutions"] == number
    assert found["AvailableProvisionedConcurrentExecutions"] == number


def wait_available(aws: LambdaClient, name: str, qualifier: str, number: int) -> None:
    """Wait until so many environments are initialised."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        found = aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        if found["AvailableProvisionedConcurrentExecutions"] == number:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def call(aws: LambdaClient, name: str, qualifier: str, **event: Any) -> dict[str, Any]:
    """Invoke; what the function tells of itself, or why it was throttled."""
    try:
        reply = aws.invoke(
            FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event).encode()
        )
    except aws.exceptions.TooManyRequestsException as error:
        answer: Any = error.response
        return {"throttled": answer["Reason"]}
    found = json.loads(reply["Payload"].read())
    assert isinstance(found, dict)
    return found


def calls_at_once(
    aws: LambdaClient, name: str, qualifier: str, number: int, **event: Any
) -> list[dict[str, Any]]:
    """So many invocations at the same time."""
    with concurrent.futures.ThreadPoolExecutor(number) as threads:
        running = [threads.submit(call, aws, name, qualifier, **event) for _ in range(number)]
        return [each.result() for each in running]


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    """Status, code and message."""
    response = error.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def test_a_version_gets_its_environments(aws: LambdaClient, create: CreateFunction) -> None:
    """202 IN_PROGRESS, then READY; shown, listed, used by no other qualifier, taken away."""
    name = create(WHERE, Publish=True)
    put = aws.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert put["Status"] == "IN_PROGRESS"
    assert put["RequestedProvisionedConcurrentExecutions"] == 2
    assert put["AllocatedProvisionedConcurrentExecutions"] == 0
    assert put["AvailableProvisionedConcurrentExecutions"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", put["LastModified"])
    ready = wait_settled(aws, name, "1")
    assert ready["Status"] == "READY"
    assert ready["AvailableProvisionedConcurrentExecutions"] == 2
    (listed,) = aws.list_provisioned_concurrency_configs(FunctionName=name)[
        "ProvisionedConcurrencyConfigs"
    ]
    assert listed["FunctionArn"].endswith(f":{name}:1")
    assert listed["Status"] == "READY"
    found = [call(aws, name, "1") for _ in range(6)]
    assert {each["type"] for each in found} == {"provisioned-concurrency"}
    # Two environments at most, both initialised before: a call may come while the one that served
    # the last has not asked for more yet.
    assert sum(each["calls"] == 1 for each in found) <= 2
    assert call(aws, name, "$LATEST")["type"] == "on-demand"
    deleted = aws.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert refused(caught) == (
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )
    assert call(aws, name, "1")["type"] == "on-demand"


def test_more_requests_spill_over(aws: LambdaClient, create: CreateFunction) -> None:
    """What the provisioned environments cannot take runs on demand; nothing is throttled."""
    name = create(WHERE, Publish=True, Timeout=30)
    provision(aws, name, "1", 2)
    found = calls_at_once(aws, name, "1", 4, s=1.5)
    kinds = sorted(each["type"] for each in found)
    assert kinds == ["on-demand"] * 2 + ["provisioned-concurrency"] * 2
    assert len({each["id"] for each in found}) == 4


def test_environments_that_end_are_replaced(aws: LambdaClient, create: CreateFunction) -> None:
    """An environment whose process has died is not left to start over in an invocation."""
    name = create(WHERE, Publish=True)
    provision(aws, name, "1", 1)
    first = call(aws, name, "1")
    reply = aws.invoke(FunctionName=name, Qualifier="1", Payload=b'{"exit": true}')
    assert reply["FunctionError"] == "Unhandled"
    wait_available(aws, name, "1", 1)
    second = call(aws, name, "1")
    assert second["type"] == "provisioned-concurrency"
    assert second["calls"] == 1
    assert second["id"] != first["id"]


def test_an_alias_takes_them_along(aws: LambdaClient, create: CreateFunction) -> None:
    """They follow the alias to another version, and are shared out by its weights."""
    name = create(WHERE, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(aws, name, "live", 2)
    assert call(aws, name, "live")["type"] == "provisioned-concurrency"
    assert call(aws, name, "1")["type"] == "provisioned-concurrency"
    assert call(aws, name, "$LATEST")["type"] == "on-demand"
    second = publish(aws, name, WHERE + "# 2")
    aws.update_alias(FunctionName=name, Name="live", FunctionVersion=second)
    assert wait_settled(aws, name, "live")["Status"] == "READY"
    found = call(aws, name, "live")
    assert (found["type"], found["version"]) == ("provisioned-concurrency", second)
    aws.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}}
    )
    assert wait_settled(aws, name, "live")["AvailableProvisionedConcurrentExecutions"] == 2
    both = [call(aws, name, "live") for _ in range(30)]
    assert {each["type"] for each in both} == {"provisioned-concurrency"}
    assert {each["version"] for each in both} == {"1", second}
    assert len({each["id"] for each in both}) == 2


def test_a_failing_init_fails_the_allocation(aws: LambdaClient, create: CreateFunction) -> None:
    """With the reason; another put tries again."""
    name = create("raise ValueError('no')\n", Publish=True)
    aws.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    failed = wait_settled(aws, name, "1")
    assert failed["Status"] == "FAILED"
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert failed["AvailableProvisionedConcurrentExecutions"] == 0
    again = aws.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    assert again["Status"] == "IN_PROGRESS"
    assert "StatusReason" not in again


@pytest.mark.slow
def test_a_long_init_is_no_failure(aws: LambdaClient, create: CreateFunction) -> None:
    """On demand ten seconds are the limit; here the init phase has 130."""
    name = create("import time\ntime.sleep(11)\n" + WHERE, Publish=True)
    provision(aws, name, "1", 1)
    assert call(aws, name, "1")["type"] == "provisioned-concurrency"


def test_what_is_refused(small: Server) -> None:
    """AWS's texts, and nothing is stored."""
    aws = small.lambda_client()
    name = make(aws, "refused")
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    aws.create_alias(FunctionName=name, Name="latest", FunctionVersion="$LATEST")
    unpublished = (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )
    invalid = "InvalidParameterValueException"

    def put(qualifier: str, number: int = 1) -> tuple[int, str, str]:
        with pytest.raises(ClientError) as caught:
            aws.put_provisioned_concurrency_config(
                FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
            )
        return refused(caught)

    assert put("$LATEST") == (400, invalid, unpublished)
    assert put("latest") == (400, invalid, unpublished)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    missing = "ResourceNotFoundException"
    assert put("7") == (404, missing, f"Function not found: {arn}:7")
    assert put("none") == (404, missing, f"Cannot find alias arn: {arn}:none")
    assert put("1", 7) == (
        400,
        invalid,
        (
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            "concurrency [6]."
        ),
    )
    assert put("1", 6) == (
        400,
        invalid,
        (
            "Specified ConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [1]."
        ),
    )
    with pytest.raises(ClientError) as caught:
        aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier="$LATEST")
    assert refused(caught) == (
        400,
        invalid,
        "The function resource provided must be an alias or a published version.",
    )
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    assert put("1", 3) == (
        400,
        invalid,
        (
            "Requested Provisioned Concurrency should not be greater than the "
            "reservedConcurrentExecution for function"
        ),
    )
    assert not aws.list_provisioned_concurrency_configs(FunctionName=name)[
        "ProvisionedConcurrencyConfigs"
    ]
    provision(aws, name, "live", 1)
    assert put("1") == (
        409,
        "ResourceConflictException",
        "Version is pointed by a Provisioned Concurrency alias",
    )
    with pytest.raises(ClientError) as caught:
        aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refused(caught)[2] == (
        " ReservedConcurrentExecutions  0 should not be lower than function's total provisioned "
        "concurrency [1]."
    )
    aws.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    provision(aws, name, "1", 1)
    assert put("live") == (
        409,
        "ResourceConflictException",
        (
            "Alias can't be used for Provisioned Concurrency configuration on an already "
            "Provisioned version"
        ),
    )
    aws.delete_function(FunctionName=name)


def test_they_count_against_reservation_and_account(small: Server) -> None:
    """When they use all of the reservation `$LATEST` is throttled; the others have the rest."""
    aws = small.lambda_client()
    name, other = make(aws, "counting"), make(aws, "other")
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    provision(aws, name, "1", 2)
    reserved = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert call(aws, name, "$LATEST") == {"throttled": reserved}
    # One after the other, as quickly as they come: none meets a limit.
    assert {call(aws, name, "1")["type"] for _ in range(10)} == {"provisioned-concurrency"}
    found = calls_at_once(aws, name, "1", 4, s=1.0)
    assert sorted(str(each.get("throttled")) for each in found) == ["None"] * 2 + [reserved] * 2
    # Without the reservation they count against the account's six, whether they run or not.
    aws.delete_function_concurrency(FunctionName=name)
    found = calls_at_once(aws, other, "$LATEST", 6, s=1.0)
    account = "ConcurrentInvocationLimitExceeded"
    assert sorted(str(each.get("throttled")) for each in found) == [account] * 2 + ["None"] * 4
    for each in (name, other):
        aws.delete_function(FunctionName=each)
    assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 6


def test_they_come_back_after_kill(small: Server) -> None:
    """After `kill -9` they are allocated anew; a second kill in the middle changes nothing."""
    aws = small.lambda_client()
    name = make(aws, "kept")
    provision(aws, name, "1", 3)
    first = call(aws, name, "1")["id"]
    for _ in range(2):
        small.kill()
        small.start()
        found = aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        assert found["RequestedProvisionedConcurrentExecutions"] == 3
    assert wait_settled(aws, name, "1")["AvailableProvisionedConcurrentExecutions"] == 3
    again = call(aws, name, "1")
    assert again["type"] == "provisioned-concurrency"
    assert again["id"] != first
    aws.delete_function(FunctionName=name)


def test_a_number_that_changes_under_load(small: Server) -> None:
    """Up and down while it is invoked: every invocation is answered, the end is what was asked."""
    aws = small.lambda_client()
    name = make(aws, "changing")
    provision(aws, name, "1", 1)
    stop = threading.Event()
    kinds: set[str] = set()

    def load() -> None:
        while not stop.is_set():
            kinds.add(call(aws, name, "1")["type"])

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        running = [threads.submit(load) for _ in range(2)]
        try:
            for number in (3, 1, 4, 2):
                provision(aws, name, "1", number)
        finally:
            stop.set()
        for each in running:
            each.result()
    assert "provisioned-concurrency" in kinds
    wait_available(aws, name, "1", 2)
    aws.delete_function(FunctionName=name)
