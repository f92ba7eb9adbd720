"""When idle environments are frozen, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.unit.environments.conftest import Stage, make_stage

from lambd.environments.environment import ExecutionEnvironment
from lambd.environments.freezing import Freezer
from lambd.environments.phases import Phase
from lambd.model.invocations import Invocation
from lambd.testing import run_in_virtual_time

INVOCATION = Invocation(
    request_id="id-1", payload=b"{}", invoked_function_arn="arn", trace_id="Root=1"
)


async def idle_stage() -> Stage:
    """An environment after its init phase."""
    stage = make_stage()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        stage.next()
    return stage


def keep(environment: ExecutionEnvironment) -> None:
    """Nothing is given up here."""
    raise AssertionError(environment)


def play(after_s: float, act: Callable[[Freezer, Stage], Coroutine[Any, Any, None]]) -> None:
    """Let a freezer act on an environment, which is closed afterwards."""

    async def main() -> None:
        freezer, stage = Freezer(after_s), await idle_stage()
        await act(freezer, stage)
        freezer.close()
        await stage.environment.close()

    run_in_virtual_time(main())


def test_freezes_what_has_been_idle_for_the_time() -> None:
    """Not before."""

    async def act(freezer: Freezer, stage: Stage) -> None:
        freezer.note_idle(stage.environment, keep)
        await asyncio.sleep(0.4)
        assert not stage.sandbox.is_frozen
        await asyncio.sleep(0.2)
        assert stage.sandbox.is_frozen

    play(0.5, act)


def test_zero_freezes_at_the_end_of_the_invocation() -> None:
    """As on AWS: nothing that is left over runs between invocations."""

    async def act(freezer: Freezer, stage: Stage) -> None:
        freezer.note_idle(stage.environment, keep)
        assert stage.sandbox.is_frozen

    play(0.0, act)


def test_the_time_begins_anew_with_each_invocation() -> None:
    """Calls that follow each other meet no frozen environment."""

    async def act(freezer: Freezer, stage: Stage) -> None:
        for _ in range(5):
            freezer.note_idle(stage.environment, keep)
            await asyncio.sleep(0.3)
            stage.invoke(INVOCATION)
            await asyncio.sleep(0.3)
            assert stage.environment.phase is Phase.BUSY
            assert not stage.sandbox.is_frozen
            stage.respond("id-1", b"1")
            stage.next()

    play(0.5, act)


def test_each_is_frozen_in_its_time() -> None:
    """One timer serves all."""

    async def act(freezer: Freezer, stage: Stage) -> None:
        other = await idle_stage()
        freezer.note_idle(stage.environment, keep)
        await asyncio.sleep(0.3)
        freezer.note_idle(other.environment, keep)
        await asyncio.sleep(0.3)
        assert (stage.sandbox.is_frozen, other.sandbox.is_frozen) == (True, False)
        await asyncio.sleep(0.3)
        assert other.sandbox.is_frozen
        await other.environment.close()

    play(0.5, act)


@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_what_cannot_be_frozen_is_given_up(monkeypatch: pytest.MonkeyPatch, after_s: float) -> None:
    """Whatever the fault."""

    async def act(freezer: Freezer, stage: Stage) -> None:
        given_up: list[ExecutionEnvironment] = []
        monkeypatch.setattr(stage.sandbox, "freeze", _broken)
        freezer.note_idle(stage.environment, given_up.append)
        await asyncio.sleep(1)
        assert given_up == [stage.environment]

    play(after_s, act)


def _broken() -> None:
    raise OSError("a fault")
