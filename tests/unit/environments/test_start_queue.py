"""Whose start is next."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from

from lambd.environments.start_queue import Slot, StartQueue


class Starts:
    """A queue whose starts last until they are ended."""

    def __init__(self, slots: int) -> None:
        self.queue: StartQueue[str] = StartQueue(slots, self._begin)
        self.begun: list[str] = []
        self.unwanted: set[str] = set()
        self.running: list[Slot] = []
        # Set with the fourth.
        self.all_begun = asyncio.Event()

    def _begin(self, item: str) -> bool:
        if item in self.unwanted:
            return False
        self.begun.append(item)
        if len(self.begun) == 4:
            self.all_begun.set()
        self.running.append(self.queue.slot())
        return True


async def test_starts_take_turns() -> None:
    """A burst of one does not hold up another."""
    starts = Starts(1)
    for item in ("a", "a", "a", "b", "b"):
        starts.queue.put(item)
    assert starts.begun == ["a"]
    assert (starts.queue.count("a"), starts.queue.count("b")) == (2, 2)
    while len(starts.begun) < 5:
        starts.running.pop().release()
    assert starts.begun == ["a", "a", "b", "a", "b"]
    starts.running.pop().release()


async def test_what_is_no_longer_wanted_costs_no_turn() -> None:
    """The next one begins at once."""
    starts = Starts(1)
    for item in ("a", "b", "b", "c"):
        starts.queue.put(item)
    starts.unwanted.add("b")
    starts.running.pop().release()
    assert starts.begun == ["a", "c"]
    assert starts.queue.count("b") == 0
    starts.running.pop().release()


async def test_a_slot_is_given_up_once() -> None:
    """By whoever is first: the start that ends, or time, when it takes long."""
    starts = Starts(1)
    starts.queue.put("a")
    slot = starts.running.pop()
    slot.release()
    slot.release()
    for item in ("b", "c", "d"):
        starts.queue.put(item)
    assert starts.begun == ["a", "b"]
    async with asyncio.timeout(10):
        await starts.all_begun.wait()
    for each in starts.running:
        each.release()


@given(slots=integers(1, 3), steps=lists(sampled_from(["a", "b", "c", "end"]), max_size=40))
def test_slots_are_neither_lost_nor_exceeded(slots: int, steps: list[str]) -> None:
    """However starts come and go."""

    async def play() -> None:
        starts = Starts(slots)
        wanted = 0
        for step in steps:
            if step == "end":
                if starts.running:
                    starts.running.pop(0).release()
            else:
                wanted += 1
                starts.queue.put(step)
            waiting = sum(map(starts.queue.count, "abc"))
            assert len(starts.running) <= slots
            assert waiting == 0 or len(starts.running) == slots
            assert len(starts.begun) + waiting == wanted
        while starts.running:
            starts.running.pop(0).release()
        assert len(starts.begun) == wanted

    asyncio.run(play())
