"""The event loop that stays awake, as a real loop shows it: by how often it goes round."""

from __future__ import annotations

import asyncio

import pytest

from lambd.http.busy_poll import BusyPoll


async def rounds_of_the_loop(poll: BusyPoll, delay_s: float) -> int:
    """How often the loop goes round while a task sleeps after a touch."""
    rounds = 0
    # A loop with nothing to do goes round once for the sleep; each round of one that stays awake
    # asks whether it is still worthwhile.
    loop = asyncio.get_running_loop()
    original = loop.call_soon

    def counting(*args: object, **kwargs: object) -> object:
        nonlocal rounds
        rounds += 1
        return original(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_soon", counting)
        poll.touch()
        await asyncio.sleep(delay_s)
    return rounds


async def test_a_touched_loop_goes_round_until_its_window_ends() -> None:
    """It stays awake after a message, and sleeps again afterwards."""
    assert await rounds_of_the_loop(BusyPoll(0.005, lambda: True), 0.02) > 20
    quiet = BusyPoll(0.0, lambda: True)
    assert await rounds_of_the_loop(quiet, 0.02) < 10


async def test_a_loop_sleeps_while_nothing_is_to_spare() -> None:
    """When it is not worthwhile a touch keeps nothing awake."""
    assert await rounds_of_the_loop(BusyPoll(0.005, lambda: False), 0.02) < 10
