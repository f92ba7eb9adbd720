"""Rules of Application Auto Scaling on a real store: cooldowns, suspension, schedules, activities."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.control_world import AllRuntimes, World

from lambd.access.principals import root_of
from lambd.control.aliases import CreateAliasRequest, create_alias
from lambd.control.context import ControlContext
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import Scope
from lambd.model.errors import (
    InvalidParameterError,
    QuotaExceededError,
    ScalableResourceNotFoundError,
    TooManyTagsError,
)
from lambd.model.limits import (
    SCALING_ACTIVITIES_PER_TARGET,
    SCHEDULED_ACTIONS_PER_TARGET,
    Limits,
)
from lambd.model.provisioned import AllocationStatus, ProvisionedUse
from lambd.services.autoscaling import capacity, rows, scheduled_actions
from lambd.services.autoscaling import targets as autoscaling
from lambd.services.autoscaling.action_rows import find_action
from lambd.services.autoscaling.activity_rows import list_activities
from lambd.services.autoscaling.engine import ScalingEngine
from lambd.services.autoscaling.model import (
    ActivityStatus,
    ScalableTarget,
    ScalingActivity,
    ScalingPolicy,
    TargetTracking,
)
from lambd.services.autoscaling.scheduled_actions import ActionChanges
from lambd.services.autoscaling.target_tracking import Alarm
from lambd.services.autoscaling.targets import TargetChanges
from lambd.store import provisioned
from lambd.store.database import Database

RESOURCE = "function:f:live"
HALF = TargetTracking(target_value=0.5)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A function `f` with version 1 and alias `live`; 300 concurrent executions."""
    world = World(tmp_path, Limits(concurrent_executions=300))
    world.create("f")
    world.call(publish_version, PublishVersionRequest(name="f"))
    request = CreateAliasRequest(function_name="f", name="live", version="1", weights={})
    world.call(create_alias, request)
    yield world
    world.close()


def register(
    world: World, least: int, most: int, *, scale_out_suspended: bool | None = None
) -> ScalableTarget:
    """Register the alias, and have its capacity allocated."""
    changes = TargetChanges(
        min_capacity=least, max_capacity=most, scale_out_suspended=scale_out_suspended
    )
    target = world.call(autoscaling.register_target, RESOURCE, changes)
    allocate(world)
    return target


def allocate(
    world: World,
    status: AllocationStatus = AllocationStatus.READY,
    reason: str | None = None,
) -> None:
    """Do the allocator's part, and the end of activities."""
    with world.transaction() as connection:
        config = provisioned.get_config(connection, "f", "live")
        if config is not None:
            settled = replace(config, status=status, status_reason=reason)
            provisioned.settle_allocation(connection, settled)
    world.call(capacity.settle_activities)


def policy(world: World, tracking: TargetTracking = HALF) -> int:
    """Put the policy; its id."""
    world.call(autoscaling.put_policy, RESOURCE, "p", tracking)
    return stored_policy(world).id


def stored_policy(world: World) -> ScalingPolicy:
    """The only policy."""
    with world.transaction() as connection:
        (found,) = rows.all_policies(connection)
    return found


def current(world: World) -> int:
    """The capacity asked for."""
    with world.transaction() as connection:
        return capacity.current_capacity(connection, RESOURCE)


def follow(world: World, policy_id: int, alarm: Alarm, use: float) -> int:
    """Follow an alarm; the capacity after it, allocated."""
    world.call(autoscaling.follow_alarm, policy_id, alarm, use)
    allocate(world)
    return current(world)


def activities(world: World) -> list[ScalingActivity]:
    """All activities, the oldest first."""
    with world.transaction() as connection:
        page = list_activities(
            connection, resource_id=RESOURCE, with_not_scaled=True, marker=None, limit=1000
        )
    return list(page.items)[::-1]


def test_alarms_move_the_capacity_within_bounds(world: World) -> None:
    """Out in proportion, in by steps, and no further than the bounds."""
    register(world, 4, 10)
    number = policy(world)
    assert follow(world, number, Alarm.HIGH, 0.75) == 6
    assert follow(world, number, Alarm.HIGH, 1.0) == 10
    assert follow(world, number, Alarm.HIGH, 1.0) == 10
    assert [follow(world, number, Alarm.LOW, 0.0) for _ in range(7)] == [9, 8, 7, 6, 5, 4, 4]
    reasons = [each.not_scaled for each in activities(world) if each.not_scaled]
    assert reasons == ["AlreadyAtMaxCapacity", "AlreadyAtMinCapacity"]


def test_nothing_moves_while_an_allocation_is_under_way(world: World) -> None:
    """What has been asked for comes first."""
    register(world, 1, 10)
    number = policy(world)
    world.call(autoscaling.follow_alarm, number, Alarm.HIGH, 1.0)
    world.call(autoscaling.follow_alarm, number, Alarm.HIGH, 1.0)
    assert current(world) == 2
    assert activities(world)[-1].status is ActivityStatus.IN_PROGRESS


def test_a_cooldown_lets_only_a_larger_step_out(world: World) -> None:
    """What was added last counts as part of what is to be added."""
    register(world, 4, 100)
    number = policy(world, replace(HALF, scale_out_cooldown_s=60))
    assert follow(world, number, Alarm.HIGH, 0.75) == 6
    assert follow(world, number, Alarm.HIGH, 0.75) == 6
    assert follow(world, number, Alarm.HIGH, 1.0) == 8
    world.now += timedelta(seconds=61)
    assert follow(world, number, Alarm.HIGH, 0.75) == 12


def test_a_cooldown_holds_back_scaling_in(world: World) -> None:
    """Until it is over, or a scale-out has ended it."""
    register(world, 2, 100)
    number = policy(world, replace(HALF, scale_in_cooldown_s=60))
    assert follow(world, number, Alarm.HIGH, 1.0) == 4
    assert follow(world, number, Alarm.LOW, 0.0) == 3
    assert follow(world, number, Alarm.LOW, 0.0) == 3
    assert follow(world, number, Alarm.HIGH, 1.0) == 6
    assert follow(world, number, Alarm.LOW, 0.0) == 5
    world.now += timedelta(seconds=61)
    assert follow(world, number, Alarm.LOW, 0.0) == 4


def test_scaling_in_can_be_disabled(world: World) -> None:
    """Out goes on."""
    register(world, 2, 10)
    number = policy(world, replace(HALF, disable_scale_in=True))
    assert follow(world, number, Alarm.HIGH, 1.0) == 4
    assert follow(world, number, Alarm.LOW, 0.0) == 4


def test_a_suspended_target_stays(world: World) -> None:
    """Each kind of scaling for itself; what is not said stays as it was."""
    register(world, 2, 10, scale_out_suspended=True)
    number = policy(world)
    assert follow(world, number, Alarm.HIGH, 1.0) == 2
    target = world.call(
        autoscaling.register_target,
        RESOURCE,
        TargetChanges(scale_in_suspended=True, scale_out_suspended=False),
    )
    assert target.suspended.scale_in
    assert follow(world, number, Alarm.HIGH, 1.0) == 4
    assert follow(world, number, Alarm.LOW, 0.0) == 4
    unchanged = world.call(autoscaling.register_target, RESOURCE, TargetChanges())
    assert unchanged.suspended == target.suspended


def test_what_limits_refuse_is_a_failed_activity(world: World) -> None:
    """The target is registered all the same; nothing else has changed."""
    register(world, 250, 1000)
    assert current(world) == 0
    (failed,) = activities(world)
    assert failed.status is ActivityStatus.FAILED
    assert failed.status_message == (
        "Failed to set provisioned concurrency to 250. Reason: Specified ConcurrentExecutions for "
        "function decreases account's UnreservedConcurrentExecution below its minimum value of "
        "[100]."
    )


def test_activities_end_as_their_allocations_do(world: World) -> None:
    """Successful, failed with the reason, or overridden by the next."""
    register(world, 1, 10)
    number = policy(world)
    world.call(autoscaling.follow_alarm, number, Alarm.HIGH, 1.0)
    allocate(world, AllocationStatus.FAILED, "FUNCTION_ERROR_INIT_FAILURE")
    world.call(autoscaling.register_target, RESOURCE, TargetChanges(min_capacity=5))
    world.call(autoscaling.register_target, RESOURCE, TargetChanges(min_capacity=6))
    allocate(world)
    found = [(each.capacity, each.status.value) for each in activities(world)]
    assert found == [(1, "Successful"), (2, "Failed"), (5, "Overridden"), (6, "Successful")]
    assert activities(world)[1].status_message == (
        "Failed to set provisioned concurrency to 2. Reason: FUNCTION_ERROR_INIT_FAILURE"
    )


def test_activities_are_bounded(world: World) -> None:
    """By number for each target, and by age."""
    register(world, 0, 1)
    with world.transaction() as connection:
        for number in range(SCALING_ACTIVITIES_PER_TARGET + 5):
            capacity.set_capacity(connection, world.context, RESOURCE, 0, f"{number}")
    found = activities(world)
    assert len(found) == SCALING_ACTIVITIES_PER_TARGET
    assert found[0].cause == "5"
    world.now += timedelta(days=43)
    world.call(capacity.set_capacity, RESOURCE, 0, "new")
    assert [each.cause for each in activities(world)] == ["new"]


# --- policies and tags ------------------------------------------------------------------------


def test_a_policy_keeps_what_is_not_said(world: World) -> None:
    """Its alarms, too; a second policy of the metric is refused."""
    register(world, 0, 1)
    policy(world)
    before = stored_policy(world)
    world.call(autoscaling.put_policy, RESOURCE, "p", None)
    assert stored_policy(world) == before
    world.call(autoscaling.put_policy, RESOURCE, "p", replace(HALF, target_value=0.8))
    assert stored_policy(world) == replace(before, tracking=replace(HALF, target_value=0.8))
    for name, tracking in (("q", HALF), ("q", None)):
        with pytest.raises(InvalidParameterError):
            world.call(autoscaling.put_policy, RESOURCE, name, tracking)


def test_deregistering_takes_policies_and_actions_along(world: World) -> None:
    """The capacity and the activities stay."""
    register(world, 2, 3)
    policy(world)
    put(world, "a", schedule="rate(1 day)")
    with world.transaction() as connection:
        autoscaling.deregister_target(connection, RESOURCE)
    with world.transaction() as connection:
        assert rows.all_policies(connection) == []
        assert find_action(connection, RESOURCE, "a") is None
    assert current(world) == 2
    assert len(activities(world)) == 1


def test_tags_are_limited(world: World) -> None:
    """In number and by AWS's prefix; other ARNs are unknown."""
    target = register(world, 0, 1)
    arn = autoscaling.target_arn(world.context.scope, target)
    many = {f"k{number}": "v" for number in range(50)}
    world.call(autoscaling.TAGGING.tag, arn, many)
    with pytest.raises(TooManyTagsError):
        world.call(autoscaling.TAGGING.tag, arn, {"one more": "v"})
    with pytest.raises(InvalidParameterError):
        world.call(autoscaling.TAGGING.tag, arn, {"aws:k": "v"})
    assert world.call(autoscaling.TAGGING.get, arn) == many
    with pytest.raises(ScalableResourceNotFoundError):
        world.call(autoscaling.TAGGING.get, arn.replace("us-east-1", "eu-west-1"))


# --- scheduled actions ------------------------------------------------------------------------


def put(
    world: World,
    name: str,
    schedule: str | None = None,
    bounds: tuple[int | None, int | None] | None = (1, None),
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> None:
    """Put a scheduled action."""
    changes = ActionChanges(schedule=schedule, bounds=bounds, start_at=start_at, end_at=end_at)
    world.call(scheduled_actions.put_action, RESOURCE, name, changes)


def bounds_of(world: World) -> tuple[int, int]:
    """The target's bounds."""
    with world.transaction() as connection:
        target = rows.get_target(connection, RESOURCE)
    assert target is not None
    return target.min_capacity, target.max_capacity


def test_an_action_runs_once_each_time(world: World) -> None:
    """However late, and its change is a change of bounds."""
    register(world, 0, 5)
    put(world, "a", schedule="rate(1 hour)", bounds=(2, 3))
    world.call(scheduled_actions.run_due)
    assert bounds_of(world) == (0, 5)
    world.now += timedelta(hours=5)
    world.call(scheduled_actions.run_due)
    world.call(scheduled_actions.run_due)
    allocate(world)
    assert bounds_of(world) == (2, 3)
    assert current(world) == 2
    assert [each.description for each in activities(world)] == [
        "Setting min capacity to 2 and max capacity to 3",
        "Setting provisioned concurrency to 2.",
    ]


def test_missed_actions_are_left_out(world: World) -> None:
    """The next time counts."""
    register(world, 0, 5)
    put(world, "a", schedule="rate(1 hour)")
    put(world, "b", schedule="at(2026-11-24T01:00:00)")
    world.now += timedelta(hours=5)
    world.call(scheduled_actions.skip_missed)
    world.call(scheduled_actions.run_due)
    assert bounds_of(world) == (0, 5)
    world.now += timedelta(hours=1)
    world.call(scheduled_actions.run_due)
    assert bounds_of(world) == (1, 5)


def test_actions_that_a_clock_planned_that_was_ahead_are_brought_forward(world: World) -> None:
    """Else they would wait for that clock's time."""
    register(world, 0, 5)
    put(world, "a", schedule="rate(1 hour)")
    since = world.now
    world.now += timedelta(hours=5)
    world.call(scheduled_actions.skip_missed)
    put(world, "b", schedule="rate(1 hour)")
    world.now = since
    world.call(scheduled_actions.plan_anew)
    with world.transaction() as connection:
        found = [find_action(connection, RESOURCE, name) for name in ("a", "b")]
    # One was made by that clock: it counts from now.
    assert [each.next_at for each in found if each is not None] == [
        since + timedelta(hours=1),
        world.now + timedelta(hours=1),
    ]


def test_bounds_that_cross_fail_and_change_nothing(world: World) -> None:
    """A minimum alone may be above the maximum by then."""
    register(world, 0, 1)
    put(world, "a", schedule="rate(1 hour)", bounds=(2, None))
    world.now += timedelta(hours=1)
    world.call(scheduled_actions.run_due)
    assert bounds_of(world) == (0, 1)
    (failed,) = activities(world)
    assert (failed.status, failed.description) == (
        ActivityStatus.FAILED,
        "Setting min capacity to 2",
    )


def test_an_update_keeps_what_is_not_said_but_its_times(world: World) -> None:
    """As AWS's reference has it: start and end are deleted when they are not given."""
    register(world, 0, 1)
    start = world.now + timedelta(days=1)
    put(world, "a", schedule="rate(1 hour)", bounds=(0, 1), start_at=start)
    put(world, "a", bounds=None)
    with world.transaction() as connection:
        action = find_action(connection, RESOURCE, "a")
    assert action is not None
    assert (action.schedule, action.min_capacity, action.max_capacity) == ("rate(1 hour)", 0, 1)
    assert action.start_at is None
    assert action.next_at == world.now + timedelta(hours=1)
    with pytest.raises(InvalidParameterError, match="after start"):
        put(world, "a", start_at=start, end_at=start)


def test_actions_are_limited_in_number(world: World) -> None:
    """Changing one is no new one."""
    register(world, 0, 1)
    for number in range(SCHEDULED_ACTIONS_PER_TARGET):
        put(world, f"a{number}", schedule="rate(1 day)")
    put(world, "a0", schedule="rate(2 days)")
    with pytest.raises(QuotaExceededError):
        put(world, "more", schedule="rate(1 day)")


# --- the engine -------------------------------------------------------------------------------


async def test_the_engine_runs_what_is_due_and_skips_what_was_missed(tmp_path: Path) -> None:
    """By the clock it is given; it wakes for changes."""
    database = await asyncio.to_thread(Database.open, tmp_path)
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    has_changed = asyncio.Event()
    database.subscribe(lambda change: has_changed.set())

    def context() -> ControlContext:
        scope = Scope(account_id="000000000000", region="us-east-1")
        return ControlContext(
            principal=root_of(scope),
            scope=scope,
            limits=Limits(),
            runtimes=AllRuntimes(),
            now=now,
        )

    async def put_action(name: str, schedule: str, most: int) -> None:
        changes = ActionChanges(schedule=schedule, bounds=(None, most))
        await database.run(scheduled_actions.put_action, context(), RESOURCE, name, changes)

    async def causes() -> list[str]:
        page = await database.read(
            list_activities, resource_id=None, with_not_scaled=True, marker=None, limit=10
        )
        return [each.cause for each in page.items]

    target = ScalableTarget(
        id=0, resource_id=RESOURCE, arn_id="1", min_capacity=0, max_capacity=1, created_at=now
    )
    await database.run(rows.put_target, target)
    await put_action("missed", "at(2026-11-24T12:30:00)", 50)
    now += timedelta(hours=1)
    engine = ScalingEngine(
        database=database,
        context=context,
        provisioned_use=lambda name, qualifier: ProvisionedUse(in_use=0, ready=0, wanted=0),
        period_s=60.0,
    )
    has_changed.clear()
    running = asyncio.ensure_future(engine.run())  # noqa: TID251 - the loop under test
    try:
        # It has left out what it missed.
        await has_changed.wait()
        await put_action("hourly", "rate(1 hour)", 7)
        now += timedelta(hours=1)
        await put_action("other", "rate(1 day)", 9)
        has_changed.clear()
        while not await causes():
            await has_changed.wait()
            has_changed.clear()
        assert await causes() == ["scheduled action name hourly was triggered"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(database.close)
