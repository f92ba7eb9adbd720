"""Concurrency, account settings, recursion and runtime management through boto3."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server, wait_at_rest
from tests.acceptance.world import make

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ECHO = "def handler(event, context):\n    return event\n"
# Runs for as long as it is told.
SLEEP = "import time\ndef handler(event, context):\n    time.sleep(event['s'])\n    return 'done'\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform whose account may run three invocations at once, one of them unreserved."""
    directory: Path = tmp_path_factory.mktemp("small")
    config = directory / "lambd.toml"
    config.write_text("[limits]\nconcurrent_executions = 3\nunreserved_concurrency = 1\n")
    made = Server(directory / "data", "--config", str(config))
    made.start()
    yield made
    assert made.stop() == 0


def outcome(aws: LambdaClient, name: str, seconds: float) -> str:
    """What an invocation of a sleeping function comes to: its result, or why it was throttled."""
    try:
        reply = aws.invoke(FunctionName=name, Payload=json.dumps({"s": seconds}).encode())
    except aws.exceptions.TooManyRequestsException as error:
        answer: Any = error.response
    else:
        return str(json.loads(reply["Payload"].read()))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Error"]["Message"] == "Rate Exceeded."
    return str(answer["Reason"])


def test_reserved_concurrency(aws: LambdaClient, create: CreateFunction) -> None:
    """Set, shown, refused, taken away."""
    name = create(ECHO)
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName=name)
    assert "Concurrency" not in aws.get_function(FunctionName=name)
    put = aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=10)
    assert put["ReservedConcurrentExecutions"] == 10
    assert aws.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 10
    shown = aws.get_function(FunctionName=name)["Concurrency"]
    assert shown == {"ReservedConcurrentExecutions": 10}
    settings = aws.get_account_settings()["AccountLimit"]
    assert settings["ConcurrentExecutions"] == 1000
    assert settings["UnreservedConcurrentExecutions"] <= 990
    with pytest.raises(ClientError) as caught:
        aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=901)
    assert caught.value.response["Error"]["Message"] == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    with pytest.raises(ClientError) as caught:
        aws.put_function_concurrency(FunctionName=f"{name}:1", ReservedConcurrentExecutions=1)
    assert "permitted on Lambda functions only" in caught.value.response["Error"]["Message"]
    deleted = aws.delete_function_concurrency(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName=name)


def test_zero_stops_a_function_at_once(aws: LambdaClient, create: CreateFunction) -> None:
    """And it runs again as soon as the reservation is gone; a dry run and an event are accepted."""
    name = create(SLEEP)
    assert outcome(aws, name, 0) == "done"
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert outcome(aws, name, 0) == reason
    assert aws.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    event = aws.invoke(FunctionName=name, InvocationType="Event", Payload=b"0")
    assert event["StatusCode"] == 202
    aws.delete_function_concurrency(FunctionName=name)
    assert outcome(aws, name, 0) == "done"


def test_limits_hold_under_load(small: Server) -> None:
    """A reserved function has its own two, the other one gets the last; all are given back."""
    aws = small.lambda_client()
    reserved, other = make(aws, "reserved", SLEEP), make(aws, "other", SLEEP)
    aws.put_function_concurrency(FunctionName=reserved, ReservedConcurrentExecutions=2)
    assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1
    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(10) as threads:
            first = [threads.submit(outcome, aws, reserved, 2.0) for _ in range(5)]
            second = [threads.submit(outcome, aws, other, 2.0) for _ in range(5)]
            found = [sorted(each.result() for each in group) for group in (first, second)]
        assert found == [
            ["ReservedFunctionConcurrentInvocationLimitExceeded"] * 3 + ["done"] * 2,
            ["ConcurrentInvocationLimitExceeded"] * 4 + ["done"],
        ]


def test_leases_come_back_from_failures(small: Server) -> None:
    """Timeouts and crashes give back what they held."""
    aws = small.lambda_client()
    name = make(
        aws,
        "failing",
        """
        import os, time
        def handler(event, context):
            if event == "exit":
                os._exit(1)
            if event == "raise":
                raise ValueError
            time.sleep(60)
        """,
    )
    aws.update_function_configuration(FunctionName=name, Timeout=1)
    wait_at_rest(aws, name)
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    aws.delete_function_concurrency(FunctionName=name)
    for event in ("exit", "raise", "sleep") * 2:
        reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        assert reply["FunctionError"] == "Unhandled"


def test_reservations_outlive_a_restart(small: Server) -> None:
    """The other functions still have no more than the rest."""
    aws = small.lambda_client()
    name = make(aws, "kept", SLEEP)
    with_reservation = make(aws, "with-reservation", ECHO)
    for each in aws.list_functions()["Functions"]:
        aws.delete_function_concurrency(FunctionName=each["FunctionName"])
    aws.put_function_concurrency(FunctionName=with_reservation, ReservedConcurrentExecutions=2)
    assert small.stop() == 0
    small.start()
    assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        found = sorted(
            each.result() for each in [threads.submit(outcome, aws, name, 2.0) for _ in range(2)]
        )
    assert found == ["ConcurrentInvocationLimitExceeded", "done"]


def test_account_settings(aws: LambdaClient, create: CreateFunction) -> None:
    """Limits, and real usage."""
    before = aws.get_account_settings()["AccountUsage"]
    name = create(ECHO)
    size = aws.get_function_configuration(FunctionName=name)["CodeSize"]
    after = aws.get_account_settings()
    assert after["AccountUsage"]["FunctionCount"] == before["FunctionCount"] + 1
    assert after["AccountUsage"]["TotalCodeSize"] == before["TotalCodeSize"] + size
    assert after["AccountLimit"]["CodeSizeZipped"] == 52_428_800
    assert after["AccountLimit"]["CodeSizeUnzipped"] == 262_144_000
    assert after["AccountLimit"]["TotalCodeSize"] == 300 * 1024**3


CALL_ITSELF = """
import boto3, json
def handler(event, context):
    client = boto3.client("lambda")
    try:
        reply = client.invoke(
            FunctionName=context.function_name, Payload=json.dumps({"depth": event["depth"] + 1})
        ) if event["depth"] < 18 else None
    except client.exceptions.RecursiveInvocationException:
        return {"stopped": event["depth"]}
    return json.loads(reply["Payload"].read()) if reply else {"reached": event["depth"]}
"""


@pytest.mark.slow
def test_a_loop_is_ended(aws: LambdaClient, create: CreateFunction) -> None:
    """A function that calls itself through boto3 is stopped after 16 times, unless it may."""
    name = create(CALL_ITSELF, Timeout=60, MemorySize=128)
    assert aws.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    found = json.loads(aws.invoke(FunctionName=name, Payload=b'{"depth":1}')["Payload"].read())
    assert found == {"stopped": 16}
    put = aws.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert put["RecursiveLoop"] == "Allow"
    assert aws.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    found = json.loads(aws.invoke(FunctionName=name, Payload=b'{"depth":1}')["Payload"].read())
    assert found == {"reached": 18}


def test_recursion_configs_that_are_refused(aws: LambdaClient, create: CreateFunction) -> None:
    """A qualifier, a value that is none, a function that is not there."""
    name = create(ECHO)
    for function, value, code in (
        (f"{name}:1", "Allow", "ValidationException"),
        (name, "Maybe", "ValidationException"),
        ("missing", "Allow", "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError) as caught:
            aws.put_function_recursion_config(FunctionName=function, RecursiveLoop=value)  # type: ignore[arg-type]  # on purpose
        assert caught.value.response["Error"]["Code"] == code


def test_runtime_management(aws: LambdaClient, create: CreateFunction) -> None:
    """Auto at first; Manual takes the version of the runtime that the log names, and no other."""
    name = create(ECHO)
    first = aws.get_runtime_management_config(FunctionName=name)
    assert first["UpdateRuntimeOn"] == "Auto"
    assert "RuntimeVersionArn" not in set(first)
    assert first["FunctionArn"].endswith(f":{name}:$LATEST")
    aws.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    found = aws.get_runtime_management_config(FunctionName=name)
    assert found["UpdateRuntimeOn"] == "FunctionUpdate"
    arn = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64
    with pytest.raises(ClientError) as caught:
        aws.put_runtime_management_config(
            FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=arn
        )
    message = caught.value.response["Error"]["Message"]
    assert "is not available: this platform provides " in message
    ours = message.rsplit(" ", 1)[1].rstrip(".")
    aws.put_runtime_management_config(
        FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=ours
    )
    assert aws.get_runtime_management_config(FunctionName=name)["RuntimeVersionArn"] == ours
