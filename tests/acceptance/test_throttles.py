"""Rates, the host's memory and bursts through boto3: who is refused, why, and who is not."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance import world
from tests.acceptance.conftest import CreateFunction, Server

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SLEEP = "import time\ndef handler(event, context):\n    time.sleep(event['s'])\n    return 'done'\n"


@contextmanager
def platform(directory: Path, settings: str) -> Iterator[LambdaClient]:
    """A platform with these settings."""
    config = directory / "lambd.toml"
    config.write_text(settings)
    made = Server(directory / "data", "--config", str(config))
    made.start()
    try:
        yield made.lambda_client()
    finally:
        assert made.stop() == 0


def make(aws: LambdaClient, name: str, source: str = SLEEP) -> str:
    """Create a function and wait for it."""
    return world.make(aws, name, source, Timeout=30)


def outcome(aws: LambdaClient, name: str, seconds: float = 0.0) -> str:
    """What an invocation comes to: its result, or why it was throttled."""
    try:
        reply = aws.invoke(FunctionName=name, Payload=json.dumps({"s": seconds}).encode())
    except aws.exceptions.TooManyRequestsException as error:
        answer: Any = error.response
        # SDKs would wait for so long before they try again.
        assert "retry-after" not in answer["ResponseMetadata"]["HTTPHeaders"]
        return str(answer["Reason"])
    return str(json.loads(reply["Payload"].read()))


def at_once(aws: LambdaClient, name: str, number: int, seconds: float) -> list[str]:
    """So many invocations at the same time."""
    with concurrent.futures.ThreadPoolExecutor(number) as threads:
        running = [threads.submit(outcome, aws, name, seconds) for _ in range(number)]
        return sorted(each.result() for each in running)


def test_rates_have_their_reasons(tmp_path: Path) -> None:
    """Requests of a function with a reservation and of one without; environments of a function."""
    settings = """
    [limits]
    concurrent_executions = 6
    unreserved_concurrency = 1
    requests_per_concurrency = 1
    environments_per_10_s = 2
    """
    with platform(tmp_path, settings) as aws:
        name = make(aws, "rated")
        # Two environments at once and no third in the next five seconds.
        refused, *done = at_once(aws, name, 3, 2.0)
        assert refused == "ConcurrentInvocationLimitExceeded"
        assert done == ["done", "done"]
        found = {outcome(aws, name) for _ in range(60)}
        assert found == {"done", "FunctionInvocationRateLimitExceeded"}
        aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        found = {outcome(aws, name) for _ in range(20)}
        assert found == {"done", "ReservedFunctionInvocationRateLimitExceeded"}


def test_a_full_host(tmp_path: Path) -> None:
    """Memory can be promised twice over; what is idle makes room, what is busy does not."""
    settings = "host_memory_mib = 192\nmemory_overcommit = 2\n"
    with platform(tmp_path, settings) as aws:
        first, second = make(aws, "first"), make(aws, "second")
        # Three of 128 MiB are two times 192.
        assert at_once(aws, first, 4, 2.0) == [
            "ConcurrentInvocationLimitExceeded",
            "done",
            "done",
            "done",
        ]
        assert at_once(aws, second, 3, 1.0) == ["done"] * 3


@pytest.mark.slow
def test_a_burst_is_answered(aws: LambdaClient, create: CreateFunction) -> None:
    """From no environment to forty invocations at once, none refused."""
    name = create(SLEEP, Timeout=60)
    assert at_once(aws, name, 40, 1.0) == ["done"] * 40
