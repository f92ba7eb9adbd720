"""Asynchronous invocations: attempts, their delays, age, and the outcome of each event."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter

import pytest
from sqlalchemy.exc import OperationalError
from tests.unit.invoke.event_world import (
    ARN,
    BAD,
    BUCKET,
    BUS,
    OK,
    QUEUE,
    TOPIC,
    EventWorld,
    Result,
    configured,
    event,
    until,
)

from lambd.invoke.deliveries import DELIVERY_ATTEMPTS
from lambd.invoke.recursion import advance_lineage
from lambd.model.errors import (
    InvalidRequestContentError,
    NotFoundError,
    PlatformError,
    RecursiveInvocationError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.function_controls import EventInvokeConfig, FunctionControls
from lambd.model.invocations import InvocationResult
from lambd.store.database import FunctionChanged


async def test_a_success_is_one_attempt() -> None:
    """As an ordinary invocation, without client context and log tail; nothing stays."""
    world = EventWorld([OK])
    queue = await world.run(event())
    assert len(world.attempts) == 1
    assert world.attempts[0].request_id == "r"
    assert world.attempts[0].client_context is None
    assert not world.attempts[0].wants_log_tail
    assert (queue.counts.accepted, queue.counts.succeeded, queue.counts.dropped) == (1, 1, 0)


async def test_an_event_is_acknowledged_when_it_is_stored() -> None:
    """Not before, and not at all when it cannot be."""
    world = EventWorld(holds_attempts=True)
    async with world.running() as queue:
        queue.accept(event(), world.accepted.append)
        assert world.accepted == []
        await until(lambda: bool(world.accepted))
        assert world.accepted == [None]
        assert world.database.waiting == 1
        world.database.failure = OperationalError("insert", None, sqlite3.OperationalError("full"))
        queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.accepted) == 2)
        assert isinstance(world.accepted[1], UnavailableError)
        world.database.failure = None


async def test_function_errors_are_retried_twice() -> None:
    """AWS's default; the same request id each time."""
    world = EventWorld([BAD, BAD, BAD])
    queue = await world.run(event())
    assert [request.request_id for request in world.attempts] == ["r", "r", "r"]
    assert queue.counts.dropped == 1


@pytest.mark.parametrize("retries", [0, 1, 2])
async def test_the_scope_says_how_often(retries: int) -> None:
    """The config of the qualifier that was invoked, no other."""
    settings = configured("live", maximum_retry_attempts=retries)
    world = EventWorld([BAD] * 3, settings)
    await world.run(event(qualifier="live"))
    assert len(world.attempts) == retries + 1
    other = EventWorld([BAD] * 3, configured("live", maximum_retry_attempts=0))
    await other.run(event())
    assert len(other.attempts) == 3


async def test_a_function_is_told_of_a_success() -> None:
    """By an event of its own, whose trace tells of the chain."""
    world = EventWorld([BAD, OK], configured(on_success=ARN + "g:live", on_failure=ARN + "h"))
    await world.run(event())
    record = world.record()
    told = world.records[0]
    assert (told.function_name, told.qualifier) == ("g", "live")
    assert told.request_id != "r"
    assert "Lineage=" in (told.trace_header or "")
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"] == {"a": 1}


async def test_a_function_is_told_of_a_failure() -> None:
    """With the last attempt's answer, which need not be JSON."""
    world = EventWorld([BAD] * 3, configured("2", on_failure=ARN + "h"))
    await world.run(event(qualifier="2"))
    record = world.record()
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"] == ARN + "f:2"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responseContext"]["executedVersion"] == "7"
    assert record["responsePayload"] == "no json"


async def test_a_record_too_large_for_an_event_is_counted() -> None:
    """The function that was to be told is not, and the event is done with."""
    large = InvocationResult(payload=b'"' + b"x" * 1_048_576 + b'"', executed_version="1")
    world = EventWorld([large], configured(on_success=ARN + "g"))
    queue = await world.run(event())
    assert world.records == []
    assert queue.counts.destination_failures == 1


async def test_an_event_that_would_become_too_old_is_dropped_at_once() -> None:
    """Nobody waits for a retry that will not be made."""
    settings = configured(maximum_event_age_s=60, on_failure=ARN + "h")
    world = EventWorld([BAD], settings, delays_s=(61.0,))
    await world.run(event())
    record = world.record()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1


async def test_a_stopped_function_gets_no_event() -> None:
    """Reserved concurrency 0: straight to the destination and the queue, without a response."""
    stopped = FunctionControls(
        reserved_concurrency=0, event_invoke={"$LATEST": EventInvokeConfig(on_failure=ARN + "h")}
    )
    world = EventWorld([], stopped, dead_letter_arn=QUEUE)
    await world.run(event())
    record = world.record()
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record
    assert "responsePayload" not in record
    assert world.attempts == []
    ((_, _, _, attributes),) = world.told.calls
    assert attributes["ErrorCode"] == ("Number", "429")


async def test_throttles_are_no_attempts() -> None:
    """They are waited out, longer each time, and all attempts are still to come."""
    throttled: list[Result] = [ThrottledError("x") for _ in range(5)]
    world = EventWorld([*throttled, BAD, UnavailableError("y"), BAD, OK])
    queue = await world.run(event())
    assert world.results == []
    assert queue.counts.succeeded == 1


@pytest.mark.parametrize(
    "error",
    [NotFoundError("gone"), RecursiveInvocationError(), InvalidRequestContentError("no")],
    ids=str,
)
async def test_some_events_are_given_up(error: PlatformError) -> None:
    """A function that is gone, a loop, what no function can take: waiting makes it no better."""
    world = EventWorld([error])
    queue = await world.run(event())
    assert len(world.attempts) == 1
    assert queue.counts.dropped == 1


async def test_a_loop_is_told_to_the_destination() -> None:
    """As a failure."""
    world = EventWorld([RecursiveInvocationError()], configured(on_failure=ARN + "h"))
    await world.run(event())
    assert world.record()["requestContext"]["approximateInvokeCount"] == 0


@pytest.mark.parametrize(
    ("arn", "service"),
    [(QUEUE, "sqs"), (TOPIC, "sns"), (BUS, "events"), (BUCKET, "s3")],
    ids=["sqs", "sns", "events", "s3"],
)
async def test_services_are_told_of_a_failure(arn: str, service: str) -> None:
    """Each by its own call; a record without attributes."""
    world = EventWorld([BAD], configured(maximum_retry_attempts=0, on_failure=arn))
    queue = await world.run(event())
    ((call, to, text, attributes),) = world.told.calls
    assert (call, to) == (service, arn)
    assert json.loads(text)["requestContext"]["requestId"] == "r"
    if service == "s3":
        assert attributes["key"][1].startswith("aws/lambda/async/f/")
    else:
        assert attributes == {}
    assert queue.counts.destination_failures == 0


@pytest.mark.parametrize(
    ("arn", "limit_bytes"),
    [(QUEUE, 1024 * 1024), (TOPIC, 256 * 1024), (BUS, 256 * 1024)],
    ids=["sqs", "sns", "events"],
)
async def test_a_record_is_no_larger_than_its_service_takes(arn: str, limit_bytes: int) -> None:
    """It goes without the payload that does not fit; S3 and functions have limits of their own."""
    large = InvocationResult(payload=b'"' + b"x" * limit_bytes + b'"', executed_version="7")
    world = EventWorld([large], configured(on_success=arn))
    await world.run(event())
    ((_, _, text, _),) = world.told.calls
    assert len(text) < limit_bytes
    assert json.loads(text)["requestPayload"] == {"n": 1}
    assert "responsePayload" not in json.loads(text)


async def test_dead_letter_queue_and_destination_both_hear_of_a_failure() -> None:
    """The queue gets the event as it was, the destination the record."""
    error = InvocationResult(
        payload=b'{"errorMessage":"no"}', executed_version="1", function_error="Unhandled"
    )
    world = EventWorld(
        [error], configured(maximum_retry_attempts=0, on_failure=TOPIC), dead_letter_arn=QUEUE
    )
    await world.run(event(b'{"n": 1.0}'))
    dead, told = world.told.calls
    assert dead == (
        *("sqs", QUEUE, '{"n": 1.0}'),
        {
            "RequestID": ("String", "r"),
            "ErrorCode": ("Number", "200"),
            "ErrorMessage": ("String", "no"),
        },
    )
    assert told[:2] == ("sns", TOPIC)


async def test_only_those_that_were_not_told_are_tried_again() -> None:
    """A delivery that failed is repeated, one that did not is not; nor is the function."""
    world = EventWorld(
        [BAD], configured(maximum_retry_attempts=0, on_failure=TOPIC), dead_letter_arn=QUEUE
    )
    world.told.failures[TOPIC] = 2
    queue = await world.run(event())
    assert [call[0] for call in world.told.calls] == ["sqs", "sns"]
    assert len(world.attempts) == 1
    assert queue.counts.destination_failures == 0


async def test_a_target_that_cannot_be_told_is_given_up_and_counted() -> None:
    """After so many tries; the event goes."""
    world = EventWorld(
        [BAD], configured(maximum_retry_attempts=0, on_failure=TOPIC), dead_letter_arn=QUEUE
    )
    world.told.failures.update({TOPIC: 99, QUEUE: 99})
    queue = await world.run(event())
    assert world.told.failures == {TOPIC: 99 - DELIVERY_ATTEMPTS, QUEUE: 99 - DELIVERY_ATTEMPTS}
    assert (queue.counts.destination_failures, queue.counts.dead_letter_failures) == (1, 1)


async def test_a_loop_of_destinations_ends() -> None:
    """A function that was stopped is not told of another that was, but its queue is."""
    world = EventWorld(
        [RecursiveInvocationError()], configured(on_failure=ARN + "f"), dead_letter_arn=QUEUE
    )
    header = "Root=1-0-0"
    for _ in range(16):
        header = advance_lineage(header, ARN + "f", terminate=True)
    request = event()
    request.trace_header = header
    queue = await world.run(request)
    assert len(world.attempts) == 1
    assert [call for call, *_ in world.told.calls] == ["sqs"]
    assert queue.counts.destination_failures == 1


async def test_a_target_that_does_not_answer_holds_up_nothing_else() -> None:
    """Its function goes on, other targets are told; what waits for it is on disk."""
    world = EventWorld([], configured(on_success=QUEUE), max_per_function=4)
    answers = world.told.hangs[QUEUE] = threading.Event()
    async with world.running() as queue:
        for _ in range(100):
            queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.attempts) == 100)
        world.settings = configured(on_success=TOPIC)
        world.controls_cache.note(FunctionChanged(name="f"))
        queue.accept(event(), world.accepted.append)
        await until(lambda: [call for call, *_ in world.told.calls] == ["sns"])
        await until(lambda: world.database.waiting == 100)
        answers.set()
        await until(lambda: not world.database.waiting)
        assert Counter(call for call, *_ in world.told.calls) == {"sns": 1, "sqs": 100}


async def test_what_waits_is_taken_up_by_the_next_start() -> None:
    """Its attempts counted: an event that waits for a retry, and one that was being attempted."""
    world = EventWorld([BAD], delays_s=(3600.0,))
    async with world.running() as queue:
        queue.accept(event(), world.accepted.append)
        await until(lambda: bool(world.attempts))
        world.holds_attempts = True
        queue.accept(event(b'"running"'), world.accepted.append)
        await until(lambda: bool(world.held))
    assert world.database.waiting == 2
    _, late_answer = world.held.pop()
    late_answer(OK)
    assert world.database.waiting == 2
    async with world.running() as queue:
        assert queue.counts.resumed == 2
        await until(lambda: bool(world.held))
        assert [request.payload for request, _ in world.held] == [b'"running"']


async def test_an_outcome_survives_a_restart() -> None:
    """What could not be told is told by the next start, without another attempt."""
    world = EventWorld([BAD], configured(maximum_retry_attempts=0, on_failure=TOPIC))
    world.told.failures[TOPIC] = 1
    async with world.running() as queue:
        queue.accept(event(), world.accepted.append)
        await until(lambda: world.told.failures[TOPIC] == 0)
    async with world.running():
        await until(lambda: not world.database.waiting)
    assert [call[0] for call in world.told.calls] == ["sns"]
    assert json.loads(world.told.calls[0][2])["responsePayload"] == "no json"
    assert len(world.attempts) == 1


async def test_an_event_stays_until_its_logs_are_on_disk() -> None:
    """Its slot is free meanwhile; whether the function succeeded or not."""
    results: list[Result] = [OK, BAD]
    settings = configured(maximum_retry_attempts=0)
    world = EventWorld(results, settings, holds_logs=True, max_per_function=1)
    async with world.running() as queue:
        for _ in range(2):
            queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.unlogged) == 2)
        assert world.database.waiting == 2
        assert all(attempt.after_report for attempt in world.attempts)
        world.unlogged.pop(0)()
        await until(lambda: world.database.waiting == 1)
        world.unlogged.pop(0)()
        await until(lambda: world.database.waiting == 0)


async def test_logs_that_come_after_the_end_leave_the_event_to_the_next_start() -> None:
    """It is attempted again, rather than done with and not logged."""
    world = EventWorld(holds_logs=True)
    async with world.running() as queue:
        queue.accept(event(), world.accepted.append)
        await until(lambda: bool(world.unlogged))
    world.unlogged.pop(0)()
    assert world.database.waiting == 1


async def test_a_closed_queue_takes_nothing() -> None:
    """The caller is told."""
    world = EventWorld()
    async with world.running() as queue:
        pass
    queue.accept(event(), world.accepted.append)
    assert isinstance(world.accepted[0], UnavailableError)
