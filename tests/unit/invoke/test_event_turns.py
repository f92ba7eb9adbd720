"""Whose event is next: turns, slots, backlogs that stay on disk, pauses."""

from __future__ import annotations

from collections import Counter

from tests.unit.invoke.event_world import BAD, OK, EventWorld, event, until

from lambd.invoke.event_turns import FIRST_SLOTS, FunctionTurns
from lambd.invoke.events import EventQueue
from lambd.model.errors import ThrottledError


async def fill(world: EventWorld, queue: EventQueue, function: str, events: int) -> None:
    """Accept events and wait until they are stored."""
    before = len(world.accepted)
    for number in range(events):
        queue.accept(event(str(number).encode(), function=function), world.accepted.append)
    await until(lambda: len(world.accepted) == before + events)


async def test_a_backlog_runs_in_its_slots_and_the_rest_stays_on_disk() -> None:
    """Memory holds a few events of a function, however many wait."""
    world = EventWorld(holds_attempts=True, max_per_function=8)
    async with world.running() as queue:
        await fill(world, queue, "f", 500)
        await until(lambda: len(world.held) == 8)
        assert len(queue._turns._functions["f"].held) <= 8 + 64
        world.holds_attempts = False
        for _, answer in world.held[:]:
            answer(OK)
        await until(lambda: not world.database.waiting)
    assert Counter(int(request.payload) for request in world.attempts) == Counter(range(500))


async def test_a_fresh_event_does_not_wait_behind_a_backlog() -> None:
    """Where all functions together have too few slots, the next one that is free is its."""
    world = EventWorld(holds_attempts=True, concurrency=4)
    async with world.running() as queue:
        await fill(world, queue, "f", 300)
        await until(lambda: len(world.held) == 4)
        await fill(world, queue, "fresh", 1)
        assert [request.function_name for request, _ in world.held] == ["f"] * 4
        for _ in range(2):
            _, answer = world.held.pop(0)
            answer(OK)
        await until(lambda: len(world.held) == 4)
        assert "fresh" in {request.function_name for request, _ in world.held}


async def test_functions_take_turns() -> None:
    """Slots that become free go round, not to the one with the most events."""
    world = EventWorld(holds_attempts=True, concurrency=6)
    async with world.running() as queue:
        await fill(world, queue, "f", 200)
        await fill(world, queue, "g", 50)
        await fill(world, queue, "h", 50)
        begun = 0
        ran: list[str] = []
        while len(ran) < 90:
            await until(lambda: len(world.held) == 6)
            request, answer = world.held.pop(0)
            ran.append(request.function_name)
            answer(OK)
            begun += 1
        shares = Counter(ran[30:])
        assert max(shares.values()) - min(shares.values()) <= 6, shares


async def test_slots_double_while_none_becomes_free() -> None:
    """Functions that mostly wait are not held to the first few slots."""
    world = EventWorld(holds_attempts=True, growth_s=0.02)
    async with world.running() as queue:
        await fill(world, queue, "f", 100)
        await until(lambda: len(world.held) >= FIRST_SLOTS)
        await until(lambda: len(world.held) >= FIRST_SLOTS * 2)


async def test_a_throttled_function_is_tried_now_and_then() -> None:
    """A backlog that cannot run is left alone, not tried event by event."""
    world = EventWorld([ThrottledError("x")] * 1000)
    async with world.running() as queue:
        await fill(world, queue, "f", 200)
        await until(lambda: queue._turns._functions["f"].paused_until_us > 0)
        assert len(world.attempts) <= FIRST_SLOTS + 1
        assert world.database.waiting == 200


def test_a_throttle_cuts_slots_down_to_those_that_run() -> None:
    """They come back one by one as attempts run; without any the function pauses."""
    turns = FunctionTurns("f", 16, first_pause_s=1, longest_pause_s=5)
    turns.running = 4
    turns.was_refused(0)
    assert (turns.slots, turns.paused_until_us) == (4, 0)
    for _ in range(5):
        turns.ran(16)
    assert 5 <= turns.slots < 6
    turns.running = 0
    pauses = []
    for _ in range(5):
        turns.was_refused(0)
        pauses.append(turns.paused_until_us / 1e6)
    assert pauses == [1, 2, 4, 5, 5]
    assert turns.slots == 1
    turns.ran(16)
    assert turns.pause_s == 1


async def test_a_retry_does_not_keep_others_waiting() -> None:
    """An event that waits for its next attempt holds no slot."""
    world = EventWorld([BAD] * 16, delays_s=(3600.0,), max_per_function=16)
    async with world.running() as queue:
        await fill(world, queue, "f", 16)
        await until(lambda: len(world.attempts) == 16)
        await fill(world, queue, "f", 1)
        await until(lambda: len(world.attempts) == 17)
        await until(lambda: world.database.waiting == 16)
