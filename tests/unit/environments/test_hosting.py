"""The seam as this process has it: tokens, their end, and what becomes of their environments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.unit.environments.conftest import SCOPE, Stage, hosted, make_stage, make_version

from lambd.environments.environment import EnvironmentOwner, ExecutionEnvironment
from lambd.environments.hosting import LocalHosting
from lambd.environments.placement import HostLedger
from lambd.environments.pool import Pool
from lambd.model.errors import PlatformError, SandboxError, ThrottledError
from lambd.model.hosting import Capacity, HostedVersion, Token
from lambd.model.invocations import Invocation, InvocationResult

KEY = hosted().key
PROVISIONED = hosted().provisioned_key("blue")


class World:
    """A host of one environment's size, at first."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.stages: list[Stage] = []
        self.pool = Pool(
            starter=self._start,
            ledger=HostLedger(256),
            tasks=tasks,
            freeze_after_s=10.0,
            idle_timeout_s=100.0,
            max_per_deployment=None,
        )
        self.hosting = LocalHosting(self.pool)
        self.ended: list[InvocationResult | PlatformError] = []

    async def _start(
        self, hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
    ) -> ExecutionEnvironment:
        stage = make_stage(hosted.version, owner=owner)
        self.stages.append(stage)
        return stage.environment

    async def until_ready(self, number: int) -> Stage:
        """Wait for the start of an environment, whose runtime then comes up."""
        async with asyncio.timeout(5):
            while len(self.stages) < number:  # noqa: ASYNC110 - nothing to wait on
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        stage = self.stages[number - 1]
        stage.next()
        await asyncio.sleep(0)
        return stage

    async def acquire(self) -> Token | PlatformError:
        """A token, for which the first environment is started."""
        waiting: asyncio.Future[Token | PlatformError] = asyncio.get_running_loop().create_future()
        self.hosting.acquire(hosted(), 60.0, waiting.set_result)
        if not self.stages:
            await self.until_ready(1)
        return await waiting

    async def token(self) -> Token:
        """The same, which has to succeed."""
        outcome = await self.acquire()
        assert isinstance(outcome, int)
        return outcome

    async def provisioned(self, number: int = 1) -> None:
        """Provisioned environments for `blue`."""
        self.pool.provisioned.provision("blue", hosted(), number, lambda: None)
        for each in range(1, number + 1):
            await self.until_ready(each)

    def acquire_provisioned(self) -> Token | PlatformError | None:
        """What a provisioned environment that is idle, or the want of one, gives at once."""
        outcomes: list[Token | PlatformError | None] = []
        self.hosting.acquire_provisioned(PROVISIONED, 60.0, outcomes.append)
        (outcome,) = outcomes
        return outcome

    def invoke(self, token: Token) -> None:
        """Run with a token."""
        self.hosting.invoke(token, INVOCATION, self.ended.append)


INVOCATION = Invocation(
    request_id="id-1", payload=b"{}", invoked_function_arn="arn", trace_id="Root=1"
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A host that is closed afterwards."""
    async with asyncio.TaskGroup() as tasks:
        made = World(tasks)
        yield made
        await made.pool.close()


async def test_a_token_runs_one_invocation(world: World) -> None:
    """It is used up then: a second use fails and changes nothing."""
    token = await world.token()
    world.invoke(token)
    stage = world.stages[0]
    stage.respond("id-1", b"1")
    stage.next()
    world.invoke(token)
    result, error = world.ended
    assert isinstance(result, InvocationResult)
    assert result.payload == b"1"
    assert isinstance(error, SandboxError)
    assert world.hosting.acquire_nowait(KEY) is not None


async def test_a_held_environment_is_nobody_elses(world: World) -> None:
    """Until its token is released; also when its runtime process dies meanwhile."""
    token = await world.token()
    stage = world.stages[0]
    assert world.hosting.acquire_nowait(KEY) is None
    stage.environment.process_missing(lambda _: pytest.fail("nothing runs"))
    stage.environment.processes_ended()
    assert world.hosting.acquire_nowait(KEY) is None
    world.hosting.release(token)
    assert world.hosting.acquire_nowait(KEY) not in (None, token)


async def test_a_token_of_an_environment_that_died_fails(world: World) -> None:
    """By the callback, as everything that comes of an invocation."""
    token = await world.token()
    world.stages[0].environment.init_lost()
    world.invoke(token)
    (error,) = world.ended
    assert isinstance(error, SandboxError)


async def test_tells_what_the_host_has(world: World) -> None:
    """Promises, environments, and how many of these hold an invocation."""
    assert world.hosting.capacity() == Capacity(
        promisable_mib=256, promised_mib=0, environments=0, busy=0
    )
    token = await world.token()
    assert world.hosting.capacity() == Capacity(
        promisable_mib=256, promised_mib=128, environments=1, busy=1
    )
    world.hosting.release(token)
    assert world.hosting.capacity().busy == 0


async def test_a_provisioned_token_ends_its_lease_with_the_invocation(world: World) -> None:
    """One environment is one lease: taken, and free again when the answer is there."""
    await world.provisioned()
    token = world.acquire_provisioned()
    assert isinstance(token, int)
    assert world.acquire_provisioned() is None
    world.invoke(token)
    assert world.pool.provisioned.use(SCOPE, "fn", "blue").in_use == 1
    world.stages[0].respond("id-1", b"1")
    assert world.pool.provisioned.use(SCOPE, "fn", "blue").in_use == 0


async def test_a_released_provisioned_token_ends_its_lease(world: World) -> None:
    """The environment is free again too."""
    await world.provisioned()
    token = world.acquire_provisioned()
    assert isinstance(token, int)
    world.hosting.release(token)
    assert isinstance(world.acquire_provisioned(), int)


async def test_a_version_by_its_number_uses_the_environments_of_an_alias(world: World) -> None:
    """Whoever leads there: only another version's number, or alias, does not."""
    version = replace(make_version(), version="1")
    world.pool.provisioned.provision("blue", hosted(version), 1, lambda: None)
    await world.until_ready(1)
    outcomes: list[Token | PlatformError | None] = []
    for qualifier in ("2", "green", "1"):
        key = hosted(version).provisioned_key(qualifier)
        world.hosting.acquire_provisioned(key, 60.0, outcomes.append)
    assert outcomes[:2] == [None, None]
    assert isinstance(outcomes[2], int)
    assert world.pool.provisioned.use(SCOPE, "fn", "blue").in_use == 1


async def test_a_fault_on_the_way_reaches_the_caller_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends the environment in which it happened."""
    token = await world.token()
    monkeypatch.setattr(world.stages[0].environment.session, "deliver", _broken)
    world.invoke(token)
    (error,) = world.ended
    assert isinstance(error, SandboxError)
    assert world.hosting.acquire_nowait(KEY) is None


def _broken(*arguments: object, **options: object) -> None:
    raise RuntimeError("a fault of ours")


async def test_a_lease_ends_when_there_is_no_environment_after_all(world: World) -> None:
    """Its environment is gone, and the host has no room for another one."""
    await world.provisioned(2)
    outcomes: list[Token | PlatformError | None] = []
    for stage in world.stages:
        # Its runtime's connection has just gone: of no use, and nobody was told yet.
        stage.environment.session.reset()
    world.hosting.acquire_provisioned(PROVISIONED, 60.0, outcomes.append)
    async with asyncio.timeout(5):
        while not outcomes:  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.01)
    assert isinstance(outcomes[0], ThrottledError)
    assert world.pool.provisioned.use(SCOPE, "fn", "blue").in_use == 0


async def test_a_stream_is_resumed_and_discarded_by_its_token(world: World) -> None:
    """Only while it lasts; afterwards both do nothing."""
    token = await world.token()
    world.invoke(token)
    world.stages[0].respond("id-1", b"1")
    world.hosting.resume(token)
    world.hosting.discard(token)
    assert len(world.ended) == 1


def test_versions_have_keys_of_their_own() -> None:
    """Place, function, version and deployment all count."""
    version = make_version()
    assert hosted(version).key == ("000000000000", "us-east-1", "fn", "$LATEST", "d1")
    assert hosted(version).key.function == ("000000000000", "us-east-1", "fn")
