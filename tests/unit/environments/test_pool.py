"""The pool: who gets which environment, when another is started, and when one goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.unit.environments.conftest import SCOPE, Stage, hosted, make_stage, make_version

from lambd.environments.deployment_environments import DeploymentEnvironments
from lambd.environments.environment import EnvironmentOwner, ExecutionEnvironment
from lambd.environments.phases import Phase
from lambd.environments.placement import HostLedger
from lambd.environments.pool import Pool
from lambd.environments.scaling_rate import ScalingRate
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError, SandboxError, ThrottledError
from lambd.model.functions import FunctionVersion
from lambd.model.hosting import DeploymentKey, HostedVersion
from lambd.model.invocations import Invocation
from lambd.testing import run_in_virtual_time


class Starter:
    """Makes environments around fake sandboxes; `ready` lets their runtimes come up."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.error: PlatformError | None = None

    async def __call__(
        self, hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
    ) -> ExecutionEnvironment:
        """Make one."""
        if self.error is not None:
            raise self.error
        stage = make_stage(hosted.version, owner=owner)
        self.stages.append(stage)
        return stage.environment


class World:
    """A pool with its starter."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        capacity_mib: int = 1024,
        max_per_deployment: int | None = None,
        environments_per_10_s: int = 0,
        available_mib: Callable[[], int] | None = None,
    ) -> None:
        self.starter = Starter()
        self.pool = Pool(
            starter=self.starter,
            ledger=HostLedger(capacity_mib, available_mib=available_mib),
            tasks=tasks,
            freeze_after_s=10.0,
            idle_timeout_s=100.0,
            max_per_deployment=max_per_deployment,
            scaling=ScalingRate(environments_per_10_s),
        )

    def acquire(
        self, version: FunctionVersion, scope: Scope = SCOPE
    ) -> asyncio.Future[ExecutionEnvironment]:
        """Ask for an environment."""
        waiting: asyncio.Future[ExecutionEnvironment] = asyncio.get_running_loop().create_future()

        def acquired(outcome: ExecutionEnvironment | PlatformError) -> None:
            if isinstance(outcome, PlatformError):
                waiting.set_exception(outcome)
            else:
                waiting.set_result(outcome)

        self.pool.acquire(hosted(version, scope), 60.0, acquired)
        return waiting

    async def started(self, count: int) -> None:
        """Wait until so many environments have been started."""
        async with asyncio.timeout(5):
            while len(self.starter.stages) < count:  # noqa: ASYNC110 - nothing to wait on
                await asyncio.sleep(0)
            await asyncio.sleep(0)


def key(version: FunctionVersion, scope: Scope = SCOPE) -> DeploymentKey:
    """The pool key of a version."""
    return hosted(version, scope).key


def invocation() -> Invocation:
    """Any invocation."""
    return Invocation(
        request_id="id-1", payload=b"{}", invoked_function_arn="arn", trace_id="Root=1"
    )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pool that is closed afterwards."""
    async with asyncio.TaskGroup() as tasks:
        made = World(tasks)
        yield made
        await made.pool.close()


async def test_starts_one_environment_for_each_first_request(world: World) -> None:
    """Two parallel first requests start two environments in parallel."""
    version = make_version()
    requests = [world.acquire(version) for _ in range(2)]
    await world.started(2)
    for stage in world.starter.stages:
        stage.next()
    assert len({await request for request in requests}) == 2


async def test_reuses_the_environment_used_last(world: World) -> None:
    """An idle environment is taken at once, without starting another."""
    version = make_version()
    first = world.acquire(version)
    await world.started(1)
    stage = world.starter.stages[0]
    stage.next()
    environment = await first
    environment.invoke(invocation(), lambda result: None)
    stage.respond("id-1", b"1")
    stage.next()
    assert world.pool.acquire_nowait(key(version)) is environment
    assert len(world.starter.stages) == 1


async def test_waits_for_an_environment_that_has_answered(world: World) -> None:
    """A request between response and next takes that environment; nothing is started."""
    version = make_version()
    first = world.acquire(version)
    await world.started(1)
    stage = world.starter.stages[0]
    stage.next()
    (await first).invoke(invocation(), lambda result: None)
    stage.respond("id-1", b"1")
    second = world.acquire(version)
    stage.next()
    assert await second is stage.environment
    assert len(world.starter.stages) == 1


async def test_a_freed_environment_serves_who_waits_longest(world: World) -> None:
    """While another environment starts, the first that becomes free is taken."""
    version = make_version()
    first = world.acquire(version)
    await world.started(1)
    world.starter.stages[0].next()
    environment = await first
    environment.invoke(invocation(), lambda result: None)
    second = world.acquire(version)
    await world.started(2)
    world.starter.stages[0].respond("id-1", b"1")
    world.starter.stages[0].next()
    assert await second is environment


async def test_never_gives_one_deployment_anothers_environment(world: World) -> None:
    """The key has the deployment's id: changed code meets no old environment."""
    old = make_version()
    first = world.acquire(old)
    await world.started(1)
    world.starter.stages[0].next()
    environment = await first
    environment.invoke(invocation(), lambda result: None)
    world.starter.stages[0].respond("id-1", b"1")
    world.starter.stages[0].next()
    deployment = replace(old.deployment, id="d2")
    new = replace(old, deployment=deployment, serving=deployment)
    assert world.pool.acquire_nowait(key(new)) is None


async def test_retiring_drains_the_busy_and_closes_the_idle(world: World) -> None:
    """A busy environment of a retired deployment answers, and then goes."""
    version = make_version()
    request = world.acquire(version)
    await world.started(1)
    stage = world.starter.stages[0]
    stage.next()
    results: list[bytes] = []
    (await request).invoke(invocation(), lambda result: results.append(result.payload))
    world.pool.retire(SCOPE, {version.name}, ())
    assert results == []
    stage.respond("id-1", b"late")
    stage.next()
    assert results == [b"late"]
    async with asyncio.timeout(5):
        while not stage.sandbox.is_closed:  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0)
    assert world.pool.acquire_nowait(key(version)) is None


async def test_regions_share_the_host_and_nothing_else(world: World) -> None:
    """A function of the same name elsewhere has environments of its own, retired on their own."""
    version = make_version()
    elsewhere = replace(SCOPE, region="eu-west-1")
    here, there = world.acquire(version), world.acquire(version, elsewhere)
    await world.started(2)
    for stage in world.starter.stages:
        stage.next()
    for environment in (await here, await there):
        world.pool.environment_available(environment)
    world.pool.retire(elsewhere, {version.name}, ())
    assert world.pool.acquire_nowait(key(version, elsewhere)) is None
    assert world.pool.acquire_nowait(key(version)) is await here
    assert not world.pool.is_hosting(elsewhere, {version.name})


async def test_a_failed_start_fails_the_request(world: World) -> None:
    """The reason reaches who waits."""
    world.starter.error = SandboxError("no sandbox")
    with pytest.raises(SandboxError, match="no sandbox"):
        await world.acquire(make_version())


async def test_a_dead_environment_is_not_handed_out(world: World) -> None:
    """Liveness is checked before reuse; another is started."""
    version = make_version()
    request = world.acquire(version)
    await world.started(1)
    stage = world.starter.stages[0]
    waiting = stage.next()
    environment = await request
    world.pool.environment_available(environment)
    waiting.is_open = False
    assert world.pool.acquire_nowait(key(version)) is None


async def test_evicts_the_longest_idle_when_the_host_is_full() -> None:
    """An idle environment of another function makes room; a busy one throttles."""
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, capacity_mib=128)
        one = make_version()
        first = world.acquire(one)
        await world.started(1)
        world.starter.stages[0].next()
        environment = await first
        other = replace(one, name="other")
        with pytest.raises(ThrottledError):
            await world.acquire(other)
        environment.invoke(invocation(), lambda result: None)
        world.starter.stages[0].respond("id-1", b"1")
        world.starter.stages[0].next()
        second = world.acquire(other)
        await world.started(2)
        world.starter.stages[1].next()
        assert await second is world.starter.stages[1].environment
        assert environment.phase is Phase.DEAD
        await world.pool.close()


async def test_reaps_idle_environments(world: World) -> None:
    """Idle for long: closed."""
    version = make_version()
    request = world.acquire(version)
    await world.started(1)
    stage = world.starter.stages[0]
    stage.next()
    environment = await request
    world.pool.environment_available(environment)
    now = time.monotonic()
    environment.idle_since = now - 99.0
    world.pool.sweep(now)
    assert world.pool.acquire_nowait(key(version)) is environment
    world.pool.environment_available(environment)
    environment.idle_since = now - 101.0
    world.pool.sweep(now)
    assert world.pool.acquire_nowait(key(version)) is None


async def test_a_start_that_fails_tells_all_who_counted_on_it() -> None:
    """One is told why it failed; the next, whose start is over the scaling rate, that it is."""
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, max_per_deployment=1, environments_per_10_s=1)
        version = make_version()
        requests = [world.acquire(version) for _ in range(3)]
        await world.started(1)
        # The sandbox goes away during the init phase.
        world.starter.stages[0].sandbox.init.close()
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [SandboxError, ThrottledError, ThrottledError]
        await world.pool.close()


async def test_a_start_that_came_to_nothing_does_not_count_for_the_rate() -> None:
    """The next request may try again at once."""
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, environments_per_10_s=1)
        version = make_version()
        world.starter.error = SandboxError("no")
        with pytest.raises(SandboxError):
            await world.acquire(version)
        world.starter.error = None
        request = world.acquire(version)
        await world.started(1)
        world.starter.stages[0].next()
        assert (await request).phase is Phase.IDLE
        await world.pool.close()


async def test_a_fault_while_measuring_fails_one_request(world: World) -> None:
    """What `/proc` refuses reaches who waits, and the next start is tried."""
    measured: list[int | OSError] = [OSError("too many open files"), 1 << 20]

    def available() -> int:
        found = measured.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    async with asyncio.TaskGroup() as tasks:
        made = World(tasks, available_mib=available)
        with pytest.raises(SandboxError, match="too many open files"):
            await made.acquire(make_version())
        request = made.acquire(make_version())
        await made.started(1)
        made.starter.stages[0].next()
        assert (await request).is_usable
        await made.pool.close()


def test_a_sandbox_that_cannot_be_frozen_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the fault is: the others are frozen all the same."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            world = World(tasks)
            requests = [world.acquire(make_version()) for _ in range(2)]
            await world.started(2)
            for stage in world.starter.stages:
                stage.next()
            for request in requests:
                world.pool.environment_available(await request)
            monkeypatch.setattr(world.starter.stages[0].sandbox, "freeze", _broken)
            await asyncio.sleep(11)
            assert [stage.sandbox.is_frozen for stage in world.starter.stages] == [False, True]
            assert world.pool.capacity().environments == 1
            await world.pool.close()

    run_in_virtual_time(main())


def _broken() -> None:
    raise OSError("a fault")


def test_a_request_counts_on_an_environment_as_long_as_a_start_would_take() -> None:
    """On a busy machine starts are slow, and so is what makes environments available again."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            world, version = World(tasks), make_version()
            first = world.acquire(version)
            await world.started(1)
            stage = world.starter.stages[0]
            # Its init phase takes 0.3 s.
            await asyncio.sleep(0.3)
            stage.next()
            environment = await first
            environment.invoke(invocation(), lambda result: None)
            stage.respond("id-1", b"1")
            second = world.acquire(version)
            await asyncio.sleep(0.25)
            assert len(world.starter.stages) == 1
            await asyncio.sleep(0.1)
            assert len(world.starter.stages) == 2
            stage.next()
            assert await second is environment
            await world.pool.close()

    run_in_virtual_time(main())


def test_a_request_does_not_count_on_an_environment_for_good() -> None:
    """Nor is the time too short to be worth anything."""
    deployment = DeploymentEnvironments(hosted())
    assert deployment.grace_s == 0.02
    deployment.start_s = 60.0
    assert deployment.grace_s == 0.5
