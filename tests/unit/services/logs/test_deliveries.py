"""Log events on their way to subscribed functions."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lambd.access.authority import Authority
from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError, NotFoundError, PlatformError
from lambd.model.function_controls import FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import Limits
from lambd.model.policies import Principal, parse_policy
from lambd.runtimes import catalogue
from lambd.services.logs.deliveries import SubscriptionDeliveries
from lambd.services.logs.subscriptions import DeliveredEvent, Delivery
from lambd.store.controls_cache import ControlsCache

SCOPE = Scope(account_id="000000000000", region="us-east-1")
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:taker"
GROUP = "/aws/lambda/hello"
EVENT = DeliveredEvent(7, 1_795_491_805_000, "a\n")


class Lambda:
    """Remembers what it is asked to run."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[InvocationRequest] = []
        self._came = asyncio.Semaphore(0)
        self._error = error

    async def invoke(self, request: InvocationRequest) -> InvocationResult | None:
        """Take a request."""
        self.requests.append(request)
        self._came.release()
        if self._error is not None:
            raise self._error
        return None

    async def wait_for(self, count: int) -> None:
        """Wait until so many more have come."""
        for _ in range(count):
            await self._came.acquire()


def contexts(principal: Principal) -> ControlContext:
    """The surroundings of a request."""
    return ControlContext(
        principal=principal,
        scope=SCOPE,
        limits=Limits(),
        runtimes=catalogue,
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )


def policy(principal: str) -> str:
    """A resource policy that lets a service invoke for the group."""
    statement = {
        "Sid": "1",
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "lambda:InvokeFunction",
        "Resource": FUNCTION,
        "Condition": {
            "ArnLike": {"AWS:SourceArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*"}
        },
    }
    return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": [statement]})


def deliveries(functions: Lambda, principal: str = "logs.amazonaws.com") -> SubscriptionDeliveries:
    """SubscriptionDeliveries to a function whose policy names a service."""

    async def settings(_: str) -> FunctionControls | None:
        return FunctionControls(policies={"$LATEST": parse_policy(policy(principal))})

    authority = Authority(SCOPE, ControlsCache(settings))
    return SubscriptionDeliveries(authority=authority, contexts=contexts, invoke=functions.invoke)


def delivery(*events: DeliveredEvent) -> Delivery:
    """Events of one stream."""
    return Delivery(GROUP, "stream", "filter", FUNCTION, events)


def unpacked(request: InvocationRequest) -> dict[str, Any]:
    """What a function finds in its event."""
    data = json.loads(request.payload)["awslogs"]["data"]
    document: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(data)))
    return document


async def deliver(taker: SubscriptionDeliveries, functions: Lambda, *made: Delivery) -> None:
    """Have them delivered, until so many requests have come as deliveries were made."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(taker.run())
        for each in made:
            taker.take(each)
        await functions.wait_for(len(made))
        running.cancel()


@pytest.mark.parametrize("principal", ["logs.amazonaws.com", "logs.us-east-1.amazonaws.com"])
async def test_events_come_packed(principal: str) -> None:
    """As an asynchronous invocation, whichever way the policy names the service."""
    functions = Lambda()

    await deliver(deliveries(functions, principal), functions, delivery(EVENT))

    (request,) = functions.requests
    assert (request.function_name, request.qualifier) == ("taker", None)
    assert request.invocation_type is InvocationType.EVENT
    assert unpacked(request) == {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": GROUP,
        "logStream": "stream",
        "subscriptionFilters": ["filter"],
        "logEvents": [{"id": "7".zfill(56), "timestamp": EVENT.timestamp_ms, "message": "a\n"}],
    }


async def test_large_deliveries_come_in_parts() -> None:
    """In order, nothing twice."""
    functions = Lambda()
    events = [DeliveredEvent(number, 0, "x" * 90_000) for number in range(5)]
    one = deliveries(functions)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(one.run())
        one.take(delivery(*events))
        await functions.wait_for(3)
        running.cancel()

    ids = [[int(each["id"]) for each in unpacked(one)["logEvents"]] for one in functions.requests]
    assert ids == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("error", [NotFoundError("Function not found"), OSError("a fault")])
async def test_what_fails_is_dropped(error: Exception) -> None:
    """The next is delivered, after a fault of ours too."""
    functions = Lambda(error)

    await deliver(deliveries(functions), functions, delivery(EVENT), delivery(EVENT))

    assert len(functions.requests) == 2


@pytest.mark.parametrize(
    ("arn", "principal", "error", "message"),
    [
        pytest.param(FUNCTION, "s3.amazonaws.com", None, "Could not execute", id="not allowed"),
        pytest.param(
            FUNCTION,
            "logs.amazonaws.com",
            NotFoundError("Function not found"),
            "Could not execute",
            id="no function",
        ),
        pytest.param("x", "logs.amazonaws.com", None, "Invalid destination ARN", id="no ARN"),
        pytest.param(
            "arn:aws:kinesis:us-east-1:000000000000:stream/s",
            "logs.amazonaws.com",
            None,
            "vendor kinesis",
            id="no function's ARN",
        ),
    ],
)
async def test_destinations_are_checked(
    arn: str, principal: str, error: PlatformError | None, message: str
) -> None:
    """By a dry run."""
    checked = deliveries(Lambda(error), principal)

    with pytest.raises(InvalidParameterError, match=message):
        await checked.check(GROUP, arn)


async def test_a_good_destination_is_not_run() -> None:
    """A dry run it is."""
    functions = Lambda()

    await deliveries(functions).check(GROUP, FUNCTION)

    assert [each.invocation_type for each in functions.requests] == [InvocationType.DRY_RUN]
