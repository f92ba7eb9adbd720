"""Schedules and rules on a real store by a clock of the test's: dispatches, retries, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.integration.control_world import ARN, ROLE, AllRuntimes, World, code

from lambd.access.authority import Authority
from lambd.access.principals import root_of
from lambd.control.configuration import ConfigurationChanges
from lambd.control.context import ControlContext
from lambd.control.functions import CreateFunctionRequest, create_function
from lambd.model.arns import Scope
from lambd.model.errors import (
    ConflictError,
    NotFoundError,
    PlatformError,
    QuotaExceededError,
    UnavailableError,
)
from lambd.model.events import QueuedEvent
from lambd.model.function_controls import FunctionControls
from lambd.model.invocations import InvocationRequest, InvocationType
from lambd.model.limits import CLIENT_TOKEN_HOURS, TARGETS_PER_RULE, Limits
from lambd.services.dispatch.dispatching import dispatch_due, next_due, plan_anew
from lambd.services.dispatch.engine import ScheduleEngine
from lambd.services.dispatch.handover import Attributes, Handover
from lambd.services.dispatch.model import Dispatch, Exhausted, RetryPolicy
from lambd.services.dispatch.rows import (
    delete_dispatch,
    due_dispatches,
    update_dispatch,
)
from lambd.services.dispatch.sources import Sources
from lambd.services.eventbridge import rows as rules
from lambd.services.eventbridge.model import Rule, RuleTarget
from lambd.services.eventbridge.rules import RuleRequest, enable_rule, put_rule
from lambd.services.eventbridge.source import RuleSource
from lambd.services.eventbridge.targets import put_targets
from lambd.services.scheduler import rows as named_schedules
from lambd.services.scheduler.groups import create_group, delete_group, is_repeated
from lambd.services.scheduler.model import Schedule, ScheduleTarget
from lambd.services.scheduler.schedules import (
    ScheduleRequest,
    create_schedule,
    delete_schedule,
    update_schedule,
)
from lambd.services.scheduler.source import ScheduleSource
from lambd.store.controls_cache import ControlsCache
from lambd.store.database import Connection, Database
from lambd.store.events import Writes, write_events
from lambd.store.function_controls import read_controls

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SOURCES = Sources(ScheduleSource(), RuleSource())
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"


def request(expression: str = "rate(1 hour)") -> ScheduleRequest:
    """A schedule `s` of the default group that invokes `f`."""
    return ScheduleRequest(
        group_name="default",
        name="s",
        description=None,
        expression=expression,
        timezone="UTC",
        start_at=None,
        end_at=None,
        is_flexible=False,
        window_minutes=None,
        is_enabled=True,
        target=ScheduleTarget(arn=f"{ARN}f", role_arn=ROLE),
        deletes_itself=False,
    )


def draw() -> float:
    """Always the middle."""
    return 0.5


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty store."""
    world = World(tmp_path)
    yield world
    world.close()


def schedule(world: World) -> Schedule | None:
    """The schedule `s`."""
    with world.transaction() as connection:
        return named_schedules.get_schedule(connection, "default", "s")


def planned(world: World) -> datetime | None:
    """When it is due next."""
    found = schedule(world)
    assert found is not None
    return None if found.next is None else found.next.due_at


def rule(world: World, name: str = "r") -> Rule:
    """A rule that is there."""
    with world.transaction() as connection:
        found = rules.get_rule(connection, name)
    assert found is not None
    return found


def dispatched(world: World) -> list[Dispatch]:
    """All dispatches that there are."""
    with world.transaction() as connection:
        return due_dispatches(connection, datetime.max.replace(tzinfo=UTC), without=(), limit=99)


def test_a_recurring_schedule_is_dispatched_once_for_all_it_missed(world: World) -> None:
    """The latest occurrence, with its own time; what follows keeps the rhythm."""
    world.call(create_schedule, request(), draw)
    first = planned(world)
    assert first == world.now
    world.call(dispatch_due, SOURCES, draw)
    (dispatch,) = dispatched(world)
    assert (dispatch.scheduled_at, dispatch.function_name) == (first, "f")
    assert dispatch.expires_at == first + timedelta(days=1)
    assert planned(world) == first + HOUR
    world.now += 5 * HOUR
    world.call(dispatch_due, SOURCES, draw)
    assert [each.scheduled_at for each in dispatched(world)] == [first, first + 5 * HOUR]
    assert planned(world) == first + 6 * HOUR


def test_a_one_time_schedule_goes_with_its_occurrence_or_stays(world: World) -> None:
    """ActionAfterCompletion; either way it is dispatched, however late."""
    at = f"at({world.now + HOUR:%Y-%m-%dT%H:%M:%S})"
    for deletes_itself in (False, True):
        world.call(create_schedule, replace(request(at), deletes_itself=deletes_itself), draw)
        with world.transaction() as connection:
            found = named_schedules.get_schedule(connection, "default", "s")
            assert found is not None
            late = replace(world.context, now=world.now + 3 * HOUR)
            dispatch_due(connection, late, SOURCES, draw)
        assert (schedule(world) is None) is deletes_itself
        if not deletes_itself:
            assert planned(world) is None
            with world.transaction() as connection:
                delete_schedule(connection, "default", "s")
    assert len(dispatched(world)) == 2


def test_a_schedule_that_ends_deletes_itself_after_its_last_occurrence(world: World) -> None:
    """Not before."""
    ending = replace(request(), end_at=world.now + HOUR + 2 * MINUTE, deletes_itself=True)
    world.call(create_schedule, ending, draw)
    world.call(dispatch_due, SOURCES, draw)
    assert schedule(world) is not None
    world.now += HOUR
    world.call(dispatch_due, SOURCES, draw)
    assert schedule(world) is None
    assert len(dispatched(world)) == 2


def test_the_moment_of_a_window_is_drawn_once(world: World) -> None:
    """And kept, with the time that the occurrence is for."""
    flexible = replace(request("cron(0 * * * ? *)"), is_flexible=True, window_minutes=30)
    world.call(create_schedule, flexible, draw)
    due = planned(world)
    assert due == datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
    world.now = due - 2 * MINUTE
    world.call(dispatch_due, SOURCES, lambda: 0.9)
    assert dispatched(world) == []
    world.now = due
    world.call(dispatch_due, SOURCES, draw)
    (dispatch,) = dispatched(world)
    assert dispatch.scheduled_at == due - 15 * MINUTE
    assert planned(world) == due + HOUR


def test_an_update_replaces_everything_and_keeps_the_time_if_its_rule_is_kept(
    world: World,
) -> None:
    """Another expression begins anew; disabled, nothing is due."""
    world.call(create_schedule, request(), draw)
    world.call(dispatch_due, SOURCES, draw)
    due = planned(world)
    other = ScheduleTarget(arn=f"{ARN}g", role_arn=ROLE, input="[1]")
    world.call(update_schedule, replace(request(), target=other), draw)
    found = schedule(world)
    assert found is not None
    assert (found.target, planned(world)) == (other, due)
    world.call(update_schedule, replace(request(), is_enabled=False), draw)
    assert planned(world) is None
    world.now += 2 * HOUR
    world.call(update_schedule, request(), draw)
    assert due is not None
    assert planned(world) == due + 2 * HOUR
    world.call(update_schedule, request("rate(2 hours)"), draw)
    assert planned(world) == world.now
    with pytest.raises(NotFoundError, match=r"Schedule x does not exist\."):
        world.call(update_schedule, replace(request(), name="x"), draw)


def test_a_group_takes_its_schedules_with_it(world: World) -> None:
    """What is on its way goes on."""
    world.call(create_group, "g", {})
    world.call(create_schedule, replace(request(), group_name="g"), draw)
    world.call(dispatch_due, SOURCES, draw)
    with world.transaction() as connection:
        delete_group(connection, "g")
        assert next_due(connection, SOURCES) is not None
        page = named_schedules.list_schedules(
            connection, group_name=None, prefix=None, is_enabled=None, marker=None, limit=9
        )
    assert page.items == ()
    assert len(dispatched(world)) == 1


def test_a_client_token_is_remembered_for_a_day(world: World) -> None:
    """Its request is served once; with another request it is refused."""
    assert [world.call(is_repeated, "t", "one") for _ in range(2)] == [False, True]
    with pytest.raises(ConflictError):
        world.call(is_repeated, "t", "two")
    assert world.call(is_repeated, None, "one") is False
    world.now += timedelta(hours=CLIENT_TOKEN_HOURS)
    assert world.call(is_repeated, "t", "two") is False


def test_a_rule_sends_each_target_its_own(world: World) -> None:
    """First one interval after it was put; the same event for all of them."""
    put = RuleRequest(
        name="r", description=None, expression="rate(1 hour)", is_enabled=True, tags={}
    )
    world.call(put_rule, put)
    since = world.now
    targets = [
        RuleTarget(rule_id=0, name="a", arn=f"{ARN}f"),
        RuleTarget(rule_id=0, name="b", arn=f"{ARN}f:1", input_path="$.resources[0]", max_age_s=60),
        RuleTarget(rule_id=0, name="c", arn=f"{ARN}g", input="2", dead_letter_arn=QUEUE),
    ]
    world.call(put_targets, "r", targets)
    assert rule(world).next_at == since + HOUR
    world.call(dispatch_due, SOURCES, draw)
    assert dispatched(world) == []
    world.now = since + HOUR
    world.call(dispatch_due, SOURCES, draw)
    first, second, third = dispatched(world)
    assert f'"time":"{since + HOUR:%Y-%m-%dT%H:%M:%SZ}"' in first.input
    assert second.input == '"arn:aws:events:us-east-1:000000000000:rule/r"'
    assert (second.qualifier, second.expires_at) == ("1", since + HOUR + MINUTE)
    assert (third.input, third.dead_letter_arn, third.source) == ("2", QUEUE, RuleSource.name)
    assert first.execution_id == third.execution_id
    assert rule(world).next_at == since + 2 * HOUR
    world.call(enable_rule, "r", is_enabled=False)
    assert rule(world).next_at is None
    with pytest.raises(QuotaExceededError):
        world.call(
            put_targets,
            "r",
            [RuleTarget(rule_id=0, name=f"n{n}", arn=f"{ARN}f") for n in range(TARGETS_PER_RULE)],
        )


def test_what_a_clock_that_was_ahead_planned_is_brought_forward(world: World) -> None:
    """Rates and times of day; what was planned rightly stays, and one-time schedules do."""
    at = f"at({world.now + 3 * HOUR:%Y-%m-%dT%H:%M:%S})"
    for name, expression in (("rate", "rate(1 hour)"), ("cron", "cron(30 * * * ? *)"), ("at", at)):
        world.call(create_schedule, replace(request(expression), name=name), draw)
    put = RuleRequest(
        name="r", description=None, expression="rate(1 minute)", is_enabled=True, tags={}
    )
    world.call(put_rule, put)
    right = world.now

    def plans() -> dict[str, datetime]:
        with world.transaction() as connection:
            found = named_schedules.planned_after(connection, right)
            plans = {each.name: each.next.at for each in found if each.next is not None}
        next_at = rule(world).next_at
        assert next_at is not None
        return plans | {"rule": next_at}

    world.call(dispatch_due, SOURCES, draw)
    before = plans()
    world.call(plan_anew, SOURCES, draw)
    assert plans() == before
    world.now = right + 2 * HOUR
    world.call(dispatch_due, SOURCES, draw)
    ahead = plans()
    assert min(ahead.values()) > right + 2 * HOUR
    with world.transaction() as connection:
        for dispatch in due_dispatches(connection, world.now, without=(), limit=99):
            update_dispatch(connection, replace(dispatch, due_at=world.now + MINUTE))
    world.now = right
    world.call(plan_anew, SOURCES, draw)
    assert plans() == before
    assert all(dispatch.due_at <= world.now for dispatch in dispatched(world))


def test_what_a_clock_that_was_ahead_let_begin_begins_now(world: World) -> None:
    """A rate counts from when it was made, which is yet to come."""
    right = world.now
    world.now += 2 * HOUR
    world.call(create_schedule, request(), draw)
    world.call(
        put_rule,
        RuleRequest(
            name="r", description=None, expression="rate(1 hour)", is_enabled=True, tags={}
        ),
    )
    world.now = right
    world.call(plan_anew, SOURCES, draw)
    found = schedule(world)
    assert found is not None
    assert found.timing.anchor_at == world.now
    assert rule(world).next_at == planned(world) == world.now + HOUR


def test_an_event_takes_the_place_of_its_dispatch(world: World) -> None:
    """In the transaction that stores it: the one is there if and only if the other is not."""
    world.call(create_schedule, request(), draw)
    world.call(dispatch_due, SOURCES, draw)
    (dispatch,) = dispatched(world)
    event = QueuedEvent(
        id=1,
        request_id=dispatch.request_id,
        function_name="f",
        qualifier=None,
        payload=b"{}",
        trace_header="",
        accepted_us=0,
        due_us=0,
    )
    with world.transaction() as connection:
        hook = partial(delete_dispatch, dispatch=dispatch)
        write_events(connection, Writes(added=[event], updated=[], removed=[], hooks=[hook]))
    assert dispatched(world) == []


# --- the loop ---------------------------------------------------------------------------------


class Platform:
    """A store, a clock, and a Lambda and a queue that do as they are told."""

    def __init__(self, directory: Path) -> None:
        self.database = Database.open(directory)
        self.now = datetime(2026, 11, 24, tzinfo=UTC)
        self.invoked: list[InvocationRequest] = []
        # Raised by the invocations to come, in order.
        self.errors: list[PlatformError] = []
        self.letters: list[tuple[str, str, Attributes]] = []
        self.is_queue_down = False
        self.something = asyncio.Event()
        self.database.subscribe(lambda _: self.something.set())
        controls = ControlsCache(self._read_controls)
        self.database.subscribe(controls.note)
        self.handover = Handover(
            database=self.database,
            context=self.context,
            sources=SOURCES,
            authority=Authority(self.context().scope, controls),
            accept=self._accept,
            queues=self,
            draw=draw,
        )

    async def _read_controls(self, name: str) -> FunctionControls | None:
        return await self.database.read(read_controls, name)

    def context(self) -> ControlContext:
        """The surroundings of what is done now."""
        scope = Scope(account_id="000000000000", region="us-east-1")
        return ControlContext(
            principal=root_of(scope),
            scope=scope,
            limits=Limits(),
            runtimes=AllRuntimes(),
            now=self.now,
        )

    async def _accept(
        self, request: InvocationRequest, with_event: Callable[[Connection], object]
    ) -> None:
        self.invoked.append(request)
        self.something.set()
        if self.errors:
            raise self.errors.pop(0)
        event = QueuedEvent(
            id=len(self.invoked),
            request_id=request.request_id,
            function_name=request.function_name,
            qualifier=request.qualifier,
            payload=request.payload,
            trace_header="",
            accepted_us=0,
            due_us=0,
        )
        writes = Writes(added=[event], updated=[], removed=[], hooks=[with_event])
        await self.database.run(write_events, writes)
        self.something.set()

    def send_message(
        self, queue_arn: str, body: str, attributes: Attributes, trace: str | None
    ) -> None:
        """Take a dead letter."""
        assert trace is None
        if self.is_queue_down:
            raise UnavailableError("no queue")
        self.letters.append((queue_arn, body, attributes))

    async def all_dispatches(self) -> list[Dispatch]:
        """All that there are."""
        last = datetime.max.replace(tzinfo=UTC)
        return await self.database.read(due_dispatches, last, without=(), limit=99)

    async def dispatch(self, retry: RetryPolicy, dead_letter_arn: str | None = QUEUE) -> Dispatch:
        """One of a schedule of now."""
        target = ScheduleTarget(
            arn=f"{ARN}f",
            role_arn=ROLE,
            input='"<aws.scheduler.attempt-number>"',
            retry=retry,
            dead_letter_arn=dead_letter_arn,
        )
        made = replace(request(), target=target)
        await self.database.run(create_schedule, self.context(), made, draw)
        await self.database.run(dispatch_due, self.context(), SOURCES, draw)
        (dispatch,) = await self.all_dispatches()
        return dispatch

    async def hand_over(self) -> Dispatch | None:
        """Do what is to be done for the only dispatch; what is left of it."""
        (dispatch,) = await self.all_dispatches()
        self.now = max(self.now, dispatch.due_at)
        await self.handover.hand_over(dispatch)
        left = await self.all_dispatches()
        return left[0] if left else None


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    """With a function `f`."""
    made = Platform(tmp_path)
    function = CreateFunctionRequest(
        name="f",
        role=ROLE,
        code=code(1),
        configuration=ConfigurationChanges(runtime="python3.12", handler="h.handler"),
    )
    await made.database.run(create_function, made.context(), function)
    yield made
    await asyncio.to_thread(made.database.close)


async def test_an_attempt_that_fails_is_repeated_later(platform: Platform) -> None:
    """With a growing delay, the same request id, and the number of the attempt."""
    dispatch = await platform.dispatch(RetryPolicy())
    platform.errors = [UnavailableError("full"), ConflictError("pending")]
    since = platform.now
    left = await platform.hand_over()
    assert left is not None
    assert (left.attempts, left.due_at - since) == (1, timedelta(seconds=0.75))
    assert left.failure is not None
    assert left.failure.code == "ServiceException"
    left = await platform.hand_over()
    assert left is not None
    assert left.due_at - platform.now == timedelta(seconds=1.5)
    assert await platform.hand_over() is None
    assert [each.payload for each in platform.invoked] == [b'"1"', b'"2"', b'"3"']
    assert {each.request_id for each in platform.invoked} == {dispatch.request_id}
    assert {each.invocation_type for each in platform.invoked} == {InvocationType.EVENT}
    assert platform.letters == []


@pytest.mark.parametrize(
    ("retry", "exhausted", "retries"),
    [
        pytest.param(RetryPolicy(max_retries=0), Exhausted.ATTEMPTS, "0", id="no retry"),
        pytest.param(RetryPolicy(max_retries=2), Exhausted.ATTEMPTS, "2", id="retries"),
        pytest.param(RetryPolicy(max_age_s=60), Exhausted.AGE, "6", id="age"),
    ],
)
async def test_a_dispatch_that_ran_out_is_a_dead_letter(
    platform: Platform, retry: RetryPolicy, exhausted: Exhausted, retries: str
) -> None:
    """With the limit that was reached."""
    await platform.dispatch(retry)
    platform.errors = [UnavailableError("full")] * 200
    while await platform.hand_over() is not None:
        pass
    ((queue, body, attributes),) = platform.letters
    assert (queue, body) == (QUEUE, f'"{int(retries) + 1}"')
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == ("String", exhausted.value)
    assert attributes["RETRY_ATTEMPTS"] == ("String", retries)
    assert attributes["ERROR_MESSAGE"] == ("String", "full")


async def test_what_is_too_old_is_not_tried(platform: Platform) -> None:
    """As after a long time without the platform."""
    await platform.dispatch(RetryPolicy(max_age_s=60))
    platform.now += HOUR
    assert await platform.hand_over() is None
    assert platform.invoked == []
    ((_, _, attributes),) = platform.letters
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == ("String", "MaximumEventAgeInSeconds")


async def test_without_a_queue_it_is_dropped(platform: Platform) -> None:
    """The log tells."""
    await platform.dispatch(RetryPolicy(max_retries=0), dead_letter_arn=None)
    platform.errors = [UnavailableError("full")]
    assert await platform.hand_over() is None
    assert platform.letters == []


async def test_a_queue_that_is_down_is_tried_again(platform: Platform) -> None:
    """A few times; the function is not invoked any more."""
    await platform.dispatch(RetryPolicy(max_retries=0))
    platform.errors = [UnavailableError("full")]
    platform.is_queue_down = True
    for failures in (1, 2, 3):
        left = await platform.hand_over()
        assert left is not None
        assert (left.is_dead, left.failed_deliveries) == (True, failures)
    platform.is_queue_down = False
    assert await platform.hand_over() is None
    assert len(platform.letters) == len(platform.invoked) == 1


async def test_a_queue_that_stays_down_is_given_up(platform: Platform) -> None:
    """So that nothing waits for ever."""
    await platform.dispatch(RetryPolicy(max_retries=0))
    platform.errors = [UnavailableError("full")]
    platform.is_queue_down = True
    for _ in range(3):
        assert await platform.hand_over() is not None
    assert await platform.hand_over() is None


async def test_the_loop_wakes_for_changes_and_for_the_clock(platform: Platform) -> None:
    """A schedule that is put runs, one that is due later waits, and a fault loses nothing."""
    engine = ScheduleEngine(
        database=platform.database,
        context=platform.context,
        sources=SOURCES,
        handover=platform.handover,
        draw=draw,
    )
    running = asyncio.ensure_future(engine.run())  # noqa: TID251 - the loop under test
    try:
        later = f"at({platform.now + HOUR:%Y-%m-%dT%H:%M:%S})"
        for name, expression in (("later", later), ("now", "rate(1 day)")):
            made = replace(request(expression), name=name)
            await platform.database.run(create_schedule, platform.context(), made, draw)
        await _until(platform, lambda: len(platform.invoked) == 1)
        # A crash in one dispatch's task is no end of the loop.
        platform.errors = [ZeroDivisionError()]  # type: ignore[list-item]  # a fault of ours
        platform.now += HOUR
        made = replace(request("rate(1 day)"), name="wakes")
        await platform.database.run(create_schedule, platform.context(), made, draw)
        await _until(platform, lambda: len(platform.invoked) == 3)
        (crashed,) = await _when(platform, lambda found: len(found) == 1)
        await platform.database.run(update_dispatch, replace(crashed, due_at=platform.now))
        await _until(platform, lambda: len(platform.invoked) == 4)
        assert await _when(platform, lambda found: not found) == []
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _until(platform: Platform, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            platform.something.clear()
            await platform.something.wait()


async def _when(platform: Platform, condition: Callable[[list[Dispatch]], bool]) -> list[Dispatch]:
    """The dispatches, once they are as they are to be."""
    async with asyncio.timeout(20):
        while True:
            platform.something.clear()
            found = await platform.all_dispatches()
            if condition(found):
                return found
            await platform.something.wait()


async def test_a_clock_that_is_set_back_silences_nothing(platform: Platform) -> None:
    """The loop sees that it fell behind the one that only goes forward."""
    engine = ScheduleEngine(
        database=platform.database,
        context=platform.context,
        sources=SOURCES,
        handover=platform.handover,
        draw=draw,
    )
    running = asyncio.ensure_future(engine.run())  # noqa: TID251 - the loop under test

    async def put(name: str, expression: str) -> None:
        made = replace(request(expression), name=name)
        await platform.database.run(create_schedule, platform.context(), made, draw)

    try:
        await put("hourly", "rate(1 hour)")
        await _until(platform, lambda: len(platform.invoked) == 1)
        platform.now += 5 * HOUR
        await put("wakes", f"at({platform.now + HOUR:%Y-%m-%dT%H:%M:%S})")
        await _until(platform, lambda: len(platform.invoked) == 2)
        platform.now -= 5 * HOUR
        await put("wakes too", f"at({platform.now + 9 * HOUR:%Y-%m-%dT%H:%M:%S})")
        hourly = platform.now + HOUR

        async def is_planned_anew() -> bool:
            found = await platform.database.read(named_schedules.get_schedule, "default", "hourly")
            return found is not None and found.next is not None and found.next.at == hourly

        while not await is_planned_anew():
            platform.something.clear()
            await platform.something.wait()
        platform.now += HOUR
        await put("wakes again", f"at({platform.now + 9 * HOUR:%Y-%m-%dT%H:%M:%S})")
        await _until(platform, lambda: len(platform.invoked) == 3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
