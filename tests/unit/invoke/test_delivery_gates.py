"""Lines in front of targets: who may call, who waits, who comes again."""

from __future__ import annotations

import asyncio

from lambd.invoke.delivery_gates import TOGETHER, WAITING, DeliveryGates


async def test_a_few_call_together_and_the_rest_wait_their_turn() -> None:
    """In the order in which they came."""
    gates = DeliveryGates()
    for _ in range(TOGETHER):
        assert await gates.enter("a") is None
    order: list[int] = []

    async def call(number: int) -> None:
        assert await gates.enter("a") is None
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(call(number))
        await asyncio.sleep(0)
        assert order == []
        assert await gates.enter("b") is None
        for _ in range(3):
            gates.leave("a", is_reached=True)
    assert order == [0, 1, 2]


async def test_a_target_that_fails_is_called_by_one_at_a_time() -> None:
    """Until it has been reached again."""
    gates = DeliveryGates()
    assert await gates.enter("a") is None
    gates.leave("a", is_reached=False)
    assert await gates.enter("a") is None
    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(gates.enter("a")) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(other.done() for other in others)
        gates.leave("a", is_reached=True)
    assert [other.result() for other in others] == [None, None]


async def test_who_finds_the_line_too_long_comes_again_later_and_later() -> None:
    """Those in line are sent away at the end, so that nothing waits for a target that is gone."""
    gates = DeliveryGates()
    for _ in range(TOGETHER):
        await gates.enter("a")
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(gates.enter("a")) for _ in range(WAITING)]
        await asyncio.sleep(0)
        first, second = await gates.enter("a"), await gates.enter("a")
        assert first is not None
        assert second is not None
        assert 0 < first < second
        gates.close()
    assert all(isinstance(turn.result(), float) for turn in waiting)
    assert isinstance(await gates.enter("b"), float)


async def test_a_turn_is_not_given_to_who_has_gone() -> None:
    """A cancelled task leaves the line."""
    gates = DeliveryGates()
    for _ in range(TOGETHER):
        await gates.enter("a")
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(gates.enter("a"))
        next_one = tasks.create_task(gates.enter("a"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gates.leave("a", is_reached=True)
    assert next_one.result() is None
