"""Asynchronous invocations: attempts, their delays, age, and the records of their outcome."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambd.invoke.events import EventRunner
from lambd.invoke.settings import SettingsCache
from lambd.model.arns import Scope
from lambd.model.errors import (
    NotFoundError,
    PlatformError,
    RecursiveInvocationError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.settings import EventInvokeConfig, FunctionSettings

SCOPE = Scope(account_id="000000000000", region="us-east-1")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
OK = InvocationResult(payload=b'{"a":1}', executed_version="$LATEST")
BAD = InvocationResult(payload=b"no json", executed_version="7", function_error="Unhandled")


@dataclass
class World:
    """A function whose outcomes are given, and what was asked of the pipeline."""

    outcomes: list[InvocationResult | PlatformError]
    settings: FunctionSettings = field(default_factory=FunctionSettings)
    attempts: list[InvocationRequest] = field(default_factory=list)
    records: list[InvocationRequest] = field(default_factory=list)
    # Called before each attempt.
    before: Callable[[], None] = lambda: None

    async def invoke(self, request: InvocationRequest) -> InvocationResult | None:
        """Stands in for the pipeline."""
        if request.invocation_type is InvocationType.EVENT:
            self.records.append(request)
            return None
        self.before()
        self.attempts.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, PlatformError):
            raise outcome
        return outcome

    async def read(self, name: str) -> FunctionSettings:
        """Stands in for the store."""
        assert name == "f"
        return self.settings

    async def run(self, qualifier: str | None = None, delays: tuple[float, ...] = (0.0,)) -> None:
        """Accept one event and wait until it is done with."""
        async with asyncio.TaskGroup() as tasks:
            runner = EventRunner(
                invoke=self.invoke,
                settings=SettingsCache(self.read),
                scope=SCOPE,
                tasks=tasks,
                retry_delays_s=delays,
                first_backoff_s=0.001,
            )
            runner.accept(
                InvocationRequest(
                    request_id="r",
                    function_name="f",
                    qualifier=qualifier,
                    invocation_type=InvocationType.EVENT,
                    payload=b'{"n":1}',
                    client_context="{}",
                    wants_log_tail=True,
                )
            )

    def record(self) -> dict[str, Any]:
        """The one record that was delivered."""
        assert len(self.records) == 1
        document: dict[str, Any] = json.loads(self.records[0].payload)
        return document


def configured(qualifier: str = "$LATEST", **members: Any) -> FunctionSettings:
    """Settings with an event-invoke config."""
    return FunctionSettings(event_invoke={qualifier: EventInvokeConfig(**members)})


async def test_a_success_is_one_attempt() -> None:
    """As an ordinary invocation, without client context and log tail."""
    world = World([OK])
    await world.run()
    assert len(world.attempts) == 1
    assert world.attempts[0].client_context is None
    assert not world.attempts[0].wants_log_tail
    assert world.records == []


async def test_function_errors_are_retried_twice() -> None:
    """AWS's default; the same request id each time."""
    world = World([BAD, BAD, BAD])
    await world.run()
    assert [request.request_id for request in world.attempts] == ["r", "r", "r"]


@pytest.mark.parametrize("retries", [0, 1, 2])
async def test_the_scope_says_how_often(retries: int) -> None:
    """The config of the qualifier that was invoked, no other."""
    world = World([BAD] * 3, configured("live", maximum_retry_attempts=retries))
    await world.run("live")
    assert len(world.attempts) == retries + 1
    other = World([BAD] * 3, configured("live", maximum_retry_attempts=0))
    await other.run()
    assert len(other.attempts) == 3


async def test_the_outcome_of_a_success_is_delivered() -> None:
    """The record has AWS's form and order."""
    world = World([BAD, OK], configured(on_success=ARN + "g:live", on_failure=ARN + "h"))
    await world.run()
    record = world.record()
    assert (world.records[0].function_name, world.records[0].qualifier) == ("g", "live")
    timestamp = record.pop("timestamp")
    assert timestamp.endswith("Z")
    assert len(timestamp) == len("2019-11-14T18:16:05.568Z")
    assert list(json.loads(world.records[0].payload)) == [
        *("version", "timestamp", "requestContext", "requestPayload"),
        *("responseContext", "responsePayload"),
    ]
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": "r",
            "functionArn": ARN + "f:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 2,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"a": 1},
    }


async def test_the_outcome_of_a_failure_is_delivered() -> None:
    """With the last attempt's answer, which need not be JSON."""
    world = World([BAD] * 3, configured("2", on_failure=ARN + "h"))
    await world.run("2")
    record = world.record()
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"] == ARN + "f:2"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responseContext"]["executedVersion"] == "7"
    assert record["responsePayload"] == "no json"


async def test_an_event_that_would_become_too_old_is_dropped_at_once() -> None:
    """Nobody waits for a retry that will not be made."""
    settings = configured(maximum_event_age_s=60, on_failure=ARN + "h")
    world = World([BAD], settings)
    await world.run(delays=(61.0,))
    record = world.record()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1


async def test_a_stopped_function_gets_no_event() -> None:
    """Reserved concurrency 0: straight to the destination, without a response."""
    stopped = FunctionSettings(
        reserved_concurrency=0, event_invoke={"$LATEST": EventInvokeConfig(on_failure=ARN + "h")}
    )
    world = World([], stopped)
    await world.run()
    record = world.record()
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record
    assert "responsePayload" not in record


async def test_throttles_are_no_attempts() -> None:
    """They are waited out, longer each time, and all attempts are still to come."""
    throttled: list[InvocationResult | PlatformError] = [ThrottledError("x") for _ in range(5)]
    world = World([*throttled, BAD, UnavailableError("y"), BAD, OK])
    await world.run()
    assert world.outcomes == []


@pytest.mark.parametrize("error", [NotFoundError("gone"), RecursiveInvocationError()], ids=str)
async def test_some_events_are_given_up(error: PlatformError) -> None:
    """A function that is gone, a loop: neither gets better by waiting."""
    world = World([error])
    await world.run()
    assert len(world.attempts) == 1


async def test_a_loop_is_told_to_the_destination() -> None:
    """As a failure."""
    world = World([RecursiveInvocationError()], configured(on_failure=ARN + "h"))
    await world.run()
    assert world.record()["requestContext"]["approximateInvokeCount"] == 0


async def test_closing_gives_up_what_waits() -> None:
    """A platform that stops does not wait minutes for a retry."""
    world = World([BAD])
    started = asyncio.Event()
    world.before = started.set
    async with asyncio.TaskGroup() as tasks:
        runner = EventRunner(
            invoke=world.invoke,
            settings=SettingsCache(world.read),
            scope=SCOPE,
            tasks=tasks,
            retry_delays_s=(3600.0,),
        )
        runner.accept(
            InvocationRequest(
                request_id="r",
                function_name="f",
                qualifier=None,
                invocation_type=InvocationType.EVENT,
                payload=b"",
            )
        )
        await started.wait()
        runner.close()
    assert len(world.attempts) == 1
