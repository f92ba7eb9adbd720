"""The bound on what waits for one function."""

from __future__ import annotations

import pytest
from tests.unit.invoke.event_world import BAD, OK, EventWorld, event, until

from lambd.invoke.event_room import EVENT_BYTES, EventRoom
from lambd.model.errors import ThrottledError, UnavailableError
from lambd.model.events import QueuedEvent


def queued(size: int, function: str = "f") -> QueuedEvent:
    """An event of so many bytes, all counted."""
    return QueuedEvent(
        request_id="r",
        function_name=function,
        qualifier=None,
        payload=bytes(size - EVENT_BYTES),
        trace_header="",
        accepted_us=0,
        due_us=0,
    )


def test_a_function_has_room_for_so_much() -> None:
    """For an event that just fits and no more, until another leaves; for others as before."""
    room = EventRoom(3000)
    room.load("f", 1, 1000 - EVENT_BYTES)
    first = queued(1000)
    room.check(first)
    room.take(first)
    room.check(queued(1000))
    with pytest.raises(ThrottledError) as raised:
        room.check(queued(1001))
    assert raised.value.reason == "FunctionInvocationRateLimitExceeded"
    room.check(queued(3000, "g"))
    room.leave(first)
    room.check(queued(2000))
    assert room.waiting("f") == 1000


def test_no_limit_is_none() -> None:
    """Zero turns it off."""
    room = EventRoom(0)
    room.load("f", 10**6, 10**12)
    room.check(queued(10**6))


async def test_a_full_queue_throttles_and_has_room_again() -> None:
    """Whoever was refused may come again once the others are done with; retries keep their place."""
    world = EventWorld([BAD], holds_attempts=True, queued_event_bytes=2 * (EVENT_BYTES + 7))
    async with world.running() as queue:
        for _ in range(3):
            queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.accepted) == 3)
        assert sorted(map(type, world.accepted), key=str) == sorted(
            [type(None), type(None), ThrottledError], key=str
        )
        await until(lambda: len(world.held) == 2)
        world.held.pop()[1](OK)
        await until(lambda: world.database.waiting == 1)
        await until(lambda: not queue._room.waiting("f") > EVENT_BYTES + 7)
        queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.accepted) == 4)
        assert world.accepted[-1] is None


async def test_what_was_not_stored_takes_no_room() -> None:
    """Nor does what a restart finds take it twice."""
    world = EventWorld(holds_attempts=True, queued_event_bytes=2 * (EVENT_BYTES + 7))
    async with world.running() as queue:
        world.database.failure = OSError("full")
        queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.accepted) == 1)
        assert isinstance(world.accepted[0], UnavailableError)
        assert queue._room.waiting("f") == 0
        world.database.failure = None
        queue.accept(event(), world.accepted.append)
        await until(lambda: len(world.accepted) == 2)
    async with world.running() as queue:
        assert queue._room.waiting("f") == EVENT_BYTES + 7
