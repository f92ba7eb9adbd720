"""The loop that follows rows: when it runs its step, and what faults do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from lambd.store.follower import Follower, seconds_until
from lambd.testing import run_in_virtual_time

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Steps:
    """Records when steps run; each does what it is told, then waits so long."""

    def __init__(self, *waits: float | Exception | None) -> None:
        self._waits = list(waits)
        self.times: list[float] = []
        self.during: Callable[[], None] | None = None

    async def __call__(self) -> float | None:
        """One step; for ever idle after the last."""
        self.times.append(asyncio.get_running_loop().time())
        if self.during is not None:
            during, self.during = self.during, None
            during()
        wait = self._waits.pop(0) if self._waits else None
        if isinstance(wait, Exception):
            raise wait
        return wait


def follow(
    follower: Follower, until_s: float, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run a follower for so long of virtual time."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(follower.run())
            if meanwhile is not None:
                tasks.create_task(_call(meanwhile))
            await asyncio.sleep(until_s)
            running.cancel()

    async def _call(meanwhile: Callable[[], Awaitable[None]]) -> None:
        await meanwhile()

    run_in_virtual_time(main())


def test_a_step_runs_at_once_and_when_its_time_has_come() -> None:
    """Then only a change brings another."""
    steps = Steps(5.0, 60.0, None)
    follow(Follower("test", steps), 1000)
    assert steps.times == pytest.approx([0, 5, 65])


def test_a_change_wakes_it() -> None:
    """Before its time, and when it would wait for ever."""
    steps = Steps(100.0, None)
    follower = Follower("test", steps)

    async def change() -> None:
        for _ in range(2):
            await asyncio.sleep(10)
            follower.wake()

    follow(follower, 1000, change)
    assert steps.times == pytest.approx([0, 10, 20])


def test_a_change_during_a_step_is_not_lost() -> None:
    """Another step follows at once."""
    steps = Steps(None, None)
    follower = Follower("test", steps)
    steps.during = follower.wake
    follow(follower, 1000)
    assert steps.times == [0, 0]


def test_a_fault_is_logged_and_tried_again_with_growing_delays() -> None:
    """It never ends the loop, and after a success delays begin anew."""
    fault = OSError("disk full")
    steps = Steps(*[fault] * 7, 10.0, fault, None)
    with capture_logs() as logs:
        follow(Follower("test", steps), 1000)
    after_faults = [0, 1, 3, 7, 15, 31, 61, 91]
    assert steps.times == pytest.approx([*after_faults, 101, 102])
    assert [entry["event"] for entry in logs] == ["loop_failed"] * 8
    assert logs[0]["loop"] == "test"
    assert [entry["retry_after_s"] for entry in logs] == [1, 2, 4, 8, 16, 30, 30, 1]


def test_changes_do_not_hurry_what_failed() -> None:
    """They come by the hundred when many are served."""
    steps = Steps(OSError("disk full"), None)
    follower = Follower("test", steps)

    async def change() -> None:
        await asyncio.sleep(0.1)
        follower.wake()

    follow(follower, 1000, change)
    # The change is seen to by the step that follows.
    assert steps.times == pytest.approx([0, 1])


def test_the_start_is_done_once_before_the_first_step() -> None:
    """And again only if it failed."""
    begun = Steps(OSError("disk full"), None)
    steps = Steps(5.0, None)
    with capture_logs():
        follow(Follower("test", steps, start=begun), 1000)
    assert begun.times == pytest.approx([0, 1])
    assert steps.times == pytest.approx([1, 6])


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        pytest.param(None, None, id="never"),
        pytest.param(NOON + timedelta(seconds=5), 5.0, id="soon"),
        pytest.param(NOON - timedelta(hours=1), 0.0, id="over"),
        pytest.param(NOON + timedelta(days=1), 30.0, id="later: the clock may be set"),
    ],
)
def test_the_wall_clock_is_looked_at_now_and_then(
    moment: datetime | None, seconds: float | None
) -> None:
    """However late something is due."""
    assert seconds_until(moment, NOON) == seconds
