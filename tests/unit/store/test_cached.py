"""Values in memory: read once, dropped with their function's change, and never stale."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from lambd.store.cached import Cached
from lambd.store.database import FunctionChanged


@dataclass
class Shelf:
    """Values by key, whose first letter is their function's name; reads wait for `gate`."""

    values: dict[str, str]
    reads: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, key: str) -> str | None:
        """Take what is there now, and give it once the gate is open."""
        self.reads.append(key)
        value = self.values.get(key)
        await self.gate.wait()
        return value


def cached(shelf: Shelf) -> Cached[str, str]:
    """A cache whose values say whose they are, as those found by another name than it do."""
    return Cached(shelf.read, lambda _key, value: value[0])


def opened(**values: str) -> Shelf:
    """A shelf that answers at once."""
    shelf = Shelf(values)
    shelf.gate.set()
    return shelf


async def test_a_value_is_read_once() -> None:
    """Then it is there without waiting; what is not there is asked for each time."""
    shelf = opened(a="f1")
    cache = cached(shelf)
    assert cache.get_nowait("a") is None
    assert [await cache.get("a"), await cache.get("a")] == ["f1", "f1"]
    assert cache.get_nowait("a") == "f1"
    assert [await cache.get("b"), await cache.get("b")] == [None, None]
    assert shelf.reads == ["a", "b", "b"]


async def test_a_change_drops_all_of_a_function_and_nothing_else() -> None:
    """By whatever keys its values are found."""
    cache = cached(opened(a="f1", b="f2", c="g1"))
    for key in "abc":
        await cache.get(key)
    cache.note(FunctionChanged(name="f"))
    cache.note("something else")
    assert [cache.get_nowait(key) for key in "abc"] == [None, None, "g1"]


async def test_what_a_change_overtook_is_not_kept() -> None:
    """Whoever asked before the change gets the old value, who asks after it the new one."""
    shelf = Shelf({"a": "f1"})
    cache = cached(shelf)
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(cache.get("a"))
        await asyncio.sleep(0)
        shelf.values["a"] = "f2"
        cache.forget("f")
        late = tasks.create_task(cache.get("a"))
        await asyncio.sleep(0)
        shelf.gate.set()
    assert (early.result(), late.result()) == ("f1", "f2")
    assert cache.get_nowait("a") == "f2"


async def test_a_change_of_another_function_does_no_harm_to_a_read() -> None:
    """Though whose the value is, is known only when it has come."""
    shelf = Shelf({"a": "f1"})
    cache = cached(shelf)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cache.get("a"))
        await asyncio.sleep(0)
        cache.forget("g")
        shelf.gate.set()
    assert cache.get_nowait("a") == "f1"


async def test_a_read_that_was_cancelled_leaves_nothing() -> None:
    """Nor does it keep listening for changes."""
    cache = cached(Shelf({"a": "f1"}))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(cache.get("a"))
        await asyncio.sleep(0)
        task.cancel()
    assert cache.get_nowait("a") is None
    assert cache._reads == []
