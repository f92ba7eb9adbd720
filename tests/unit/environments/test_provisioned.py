"""Groups of provisioned environments: numbers, leases, replacement, failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import integers, lists, tuples
from tests.unit.environments.conftest import hosted

from lambd.environments.environment import (
    AcquiredCallback,
    EnvironmentOwner,
    EnvironmentStarter,
    ExecutionEnvironment,
)
from lambd.environments.failures import Failure
from lambd.environments.freezing import GiveUp
from lambd.environments.phases import Phase
from lambd.environments.provisioned import ProvisionedGroup
from lambd.environments.start_queue import Slot, StartQueue
from lambd.model.errors import PlatformError, SandboxError, ThrottledError, UnavailableError
from lambd.model.hosting import HostedVersion


class FakeEnvironment:
    """An environment that is ready as soon as it is told to initialise, or fails as told."""

    def __init__(self, owner: EnvironmentOwner, failure: Failure | None) -> None:
        self.phase = Phase.STARTING
        self.idle_since = 0.0
        self.is_frozen = False
        self.is_closed = False
        self.sandbox_id = "fake"
        self._owner = owner
        self._failure = failure

    @property
    def is_usable(self) -> bool:
        """Whether it can take an invocation."""
        return self.phase is Phase.IDLE

    async def initialise(self) -> Failure | None:
        """End at once."""
        await asyncio.sleep(0)
        if self._failure is None:
            self.become(Phase.IDLE)
        return self._failure

    def become(self, phase: Phase) -> None:
        """End an invocation or a reset in this phase."""
        self.phase = phase
        self._owner.environment_available(cast("ExecutionEnvironment", self))

    def die(self) -> None:
        """Lose the sandbox."""
        self.phase = Phase.DEAD
        self._owner.environment_died(cast("ExecutionEnvironment", self))

    def try_freeze(self) -> bool:
        """Remember it."""
        self.is_frozen = True
        return True

    async def close(self) -> None:
        """Remember it."""
        self.phase = Phase.DEAD
        self.is_closed = True


class Stage:
    """A group, its host and what it starts."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.starts: StartQueue[ProvisionedGroup] = StartQueue(2, ProvisionedGroup.begin)
        self.rooms = self.asked = 0
        self.room_left = 1000
        self.started: list[FakeEnvironment] = []
        self.failures: list[Failure | PlatformError] = []
        self.spilled: list[AcquiredCallback] = []
        self.changes = 0
        self.idle: list[tuple[ExecutionEnvironment, GiveUp]] = []
        self.group = ProvisionedGroup(
            hosted=hosted(),
            starter=cast("EnvironmentStarter", self.start),
            host=self,
            tasks=tasks,
            changed=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def start(
        self, hosted: HostedVersion, owner: EnvironmentOwner, *, provisioned: bool = False
    ) -> FakeEnvironment:
        """Start one, or fail with what is next in `failures`."""
        assert provisioned
        await asyncio.sleep(0)
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, PlatformError):
            raise failure
        made = FakeEnvironment(owner, failure)
        self.started.append(made)
        return made

    def want_start(self, group: ProvisionedGroup) -> None:
        """Two at a time."""
        self.starts.put(group)

    def start_slot(self) -> Slot:
        """One of the two."""
        return self.starts.slot()

    def note_idle(self, environment: ExecutionEnvironment, give_up: GiveUp) -> None:
        """Remember it for `freeze_idle`."""
        self.idle.append((environment, give_up))

    def freeze_idle(self) -> None:
        """Freeze what has become idle and is not busy again."""
        for environment, give_up in self.idle:
            if environment.phase is Phase.IDLE and not environment.try_freeze():
                give_up(environment)

    def take_room(self, memory_mib: int) -> None:
        """Count, within `room_left`."""
        self.asked += 1
        if self.rooms >= self.room_left:
            raise ThrottledError("full")
        self.rooms += 1

    def give_room_back(self, memory_mib: int) -> None:
        """Count."""
        self.rooms -= 1

    def acquire(
        self,
        hosted: HostedVersion,
        timeout_s: float,
        acquired: AcquiredCallback,
    ) -> None:
        """Remember who asked for an on-demand environment."""
        self.spilled.append(acquired)

    async def settle(self, until: Callable[[], bool]) -> None:
        """Let the loop run until something is so."""
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110 - steps of this very loop, no time passes
                await asyncio.sleep(0)

    def failure(self) -> str | None:
        """Why the group has given up."""
        return self.group.failure

    def take(self) -> FakeEnvironment:
        """An environment for the holder of a lease, which is there at once."""
        found: list[object] = []
        assert self.group.lease()
        self.group.acquire(1.0, found.append)
        (environment,) = found
        assert isinstance(environment, FakeEnvironment)
        environment.phase = Phase.BUSY
        return environment


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A group without environments, closed afterwards; its memory comes back."""
    async with asyncio.TaskGroup() as tasks:
        made = Stage(tasks)
        yield made
        await made.group.close()
    assert made.rooms == 0
    assert all(environment.is_closed for environment in made.started)


def failed() -> Failure:
    """How an init phase fails."""
    return Failure(payload=b"{}", error_type="Runtime.ExitError")


async def test_environments_are_started_and_complete(stage: Stage) -> None:
    """So many as asked for; leases as many as are initialised."""
    stage.group.resize(3)
    assert not stage.group.is_complete
    assert not stage.group.lease()
    await stage.settle(lambda: stage.group.is_complete)
    assert (stage.group.allocated, stage.group.available, stage.rooms) == (3, 3, 3)
    assert stage.changes >= 1
    assert [stage.group.lease() for _ in range(4)] == [True, True, True, False]
    stage.group.release()
    assert stage.group.lease()


async def test_a_lease_waits_for_the_environment_that_comes_back(stage: Stage) -> None:
    """Its last caller has been answered, and it is available a moment later."""
    stage.group.resize(1)
    await stage.settle(lambda: stage.group.is_complete)
    busy = stage.take()
    stage.group.release()
    found: list[object] = []
    assert stage.group.lease()
    stage.group.acquire(1.0, found.append)
    assert not found
    busy.become(Phase.IDLE)
    assert found == [busy]
    assert not stage.spilled


async def test_a_lease_without_an_environment_spills_over(stage: Stage) -> None:
    """After a moment, when none has come back."""
    stage.group.resize(1)
    await stage.settle(lambda: stage.group.is_complete)
    stage.take()
    stage.group.release()
    assert stage.group.lease()
    stage.group.acquire(1.0, lambda outcome: None)
    await stage.settle(lambda: bool(stage.spilled))


@pytest.mark.parametrize("cold", [True, False], ids=["reset", "dead"])
async def test_what_ends_is_replaced(stage: Stage, *, cold: bool) -> None:
    """A runtime that is gone and a sandbox that is gone alike."""
    stage.group.resize(2)
    await stage.settle(lambda: stage.group.is_complete)
    broken = stage.take()
    stage.group.release()
    if cold:
        broken.become(Phase.COLD)
    else:
        broken.die()
    assert stage.group.available == 1
    await stage.settle(lambda: stage.group.is_complete)
    assert len(stage.started) == 3
    await stage.settle(lambda: broken.is_closed)


async def test_a_smaller_number_drains(stage: Stage) -> None:
    """Idle ones close at once, busy ones after their invocation; at 0 nothing is left."""
    stage.group.resize(3)
    await stage.settle(lambda: stage.group.is_complete)
    busy = stage.take()
    stage.group.resize(0)
    assert stage.group.allocated == 1
    assert not stage.group.lease()
    assert not stage.group.is_gone
    stage.group.release()
    busy.become(Phase.IDLE)
    await stage.settle(lambda: stage.group.is_gone and stage.rooms == 0)


async def test_three_failures_in_a_row_are_one(stage: Stage) -> None:
    """The reason is AWS's; what there is stays; a new number tries again."""
    stage.failures = [failed(), failed(), failed()]
    stage.group.resize(1)
    await stage.settle(lambda: stage.failure() is not None)
    assert stage.failure() == "FUNCTION_ERROR_INIT_FAILURE"
    assert len(stage.started) == 3
    stage.group.resize(1)
    assert stage.failure() is None
    await stage.settle(lambda: stage.group.is_complete)


async def test_a_success_forgives_failures(stage: Stage) -> None:
    """An init phase that fails now and then fails no allocation."""
    stage.starts = StartQueue(1, ProvisionedGroup.begin)
    stage.failures = [failed(), failed()]
    stage.group.resize(2)
    await stage.settle(lambda: stage.group.is_complete)
    assert stage.failure() is None


async def test_faults_of_the_platform_are_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment; and without room for as long as it takes."""
    monkeypatch.setattr("lambd.environments.provisioned._RETRY_S", 0.001)
    stage.failures = [SandboxError("no"), SandboxError("no")]
    stage.room_left = 0
    stage.group.resize(1)
    await stage.settle(lambda: stage.asked >= 3)
    assert stage.failure() is None
    assert stage.group.allocated == 0
    stage.room_left = 1
    await stage.settle(lambda: stage.group.is_complete)
    assert len(stage.started) == 1


async def test_closing_answers_who_waits(stage: Stage) -> None:
    """With the reason why there is nothing."""
    stage.group.resize(1)
    await stage.settle(lambda: stage.group.is_complete)
    stage.take()
    stage.group.release()
    found: list[object] = []
    assert stage.group.lease()
    stage.group.acquire(1.0, found.append)
    await stage.group.close()
    assert isinstance(found[0], UnavailableError)
    stage.group.release()


async def test_idle_environments_are_frozen_and_kept(stage: Stage) -> None:
    """However long they have been idle."""
    stage.group.resize(2)
    await stage.settle(lambda: stage.group.is_complete)
    busy = stage.take()
    stage.freeze_idle()
    assert sorted(each.is_frozen for each in stage.started) == [False, True]
    assert stage.group.allocated == 2
    stage.group.release()
    busy.become(Phase.IDLE)


@given(steps=lists(tuples(integers(0, 4), integers(0, 6)), max_size=25))
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_happens_the_number_is_reached(steps: list[tuple[int, int]]) -> None:
    """Random resizes, invocations and deaths; at the end there are as many as asked for."""

    async def play() -> None:
        async with asyncio.TaskGroup() as tasks:
            stage = Stage(tasks)
            busy: list[FakeEnvironment] = []
            for kind, number in steps:
                if kind == 0:
                    stage.group.resize(number)
                elif kind == 1 and stage.group.lease():
                    stage.group.acquire(1.0, lambda got: busy.append(cast("FakeEnvironment", got)))
                    if busy:
                        busy[-1].phase = Phase.BUSY
                elif kind == 2 and busy:
                    stage.group.release()
                    busy.pop().become(Phase.IDLE)
                elif kind == 3 and busy:
                    stage.group.release()
                    busy.pop().die()
                for _ in range(number):
                    await asyncio.sleep(0)
            while busy:
                stage.group.release()
                busy.pop().become(Phase.IDLE)
            stage.group.resize(4)
            await stage.settle(lambda: stage.group.is_complete)
            assert stage.group.allocated == stage.group.available == 4
            stage.group.resize(0)
            await stage.settle(lambda: stage.group.is_gone and stage.rooms == 0)
        assert all(each.is_closed for each in stage.started)

    asyncio.run(play())


async def test_an_idle_environment_whose_runtime_has_gone_is_replaced(stage: Stage) -> None:
    """Whoever finds it unusable has it replaced, though its sandbox never told."""
    stage.group.resize(1)
    await stage.settle(lambda: stage.group.is_complete)
    stage.started[0].phase = Phase.RESETTING
    assert stage.group.lease()
    found: list[object] = []
    stage.group.acquire(1.0, found.append)
    await stage.settle(lambda: bool(found))
    assert found == [stage.started[1]]
