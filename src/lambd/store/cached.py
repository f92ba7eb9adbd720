"""What is read from the store once and kept in memory until the function it belongs to changes.

The guard: a read may be under way when a change notice comes. What it finds may be older than the
change, so its caller gets it and it is not kept; the next one reads again. Each read hears of the
functions that change while it is under way, since whose a value is may not be known before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from lambd.store.database import FunctionChanged

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cached(Generic[K, V]):
    """Values by key; on the event loop."""

    def __init__(
        self, read: Callable[[K], Awaitable[V | None]], function_of: Callable[[K, V], str]
    ) -> None:
        """Nothing is read before it is asked for.

        Args:
            read: finds a value in the store, in one snapshot; None when there is none.
            function_of: the name of the function that a value belongs to.
        """
        self._read = read
        self._function_of = function_of
        self._values: dict[K, V] = {}
        # The keys of each function's values.
        self._keys: dict[str, set[K]] = {}
        # For each read under way, the functions that have changed meanwhile.
        self._reads: list[set[str]] = []

    def get_nowait(self, key: K) -> V | None:
        """The value if it is in memory."""
        return self._values.get(key)

    async def get(self, key: K) -> V | None:
        """The value, read if need be; None is not remembered."""
        value = self._values.get(key)
        if value is not None:
            return value
        changed: set[str] = set()
        self._reads.append(changed)
        try:
            value = await self._read(key)
        finally:
            # By identity: sets that are equal are not the same.
            self._reads = [each for each in self._reads if each is not changed]
        if value is not None and (name := self._function_of(key, value)) not in changed:
            self._values[key] = value
            self._keys.setdefault(name, set()).add(key)
        return value

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self.forget(change.name)

    def forget(self, name: str) -> None:
        """Drop what belongs to a function that has changed."""
        for key in self._keys.pop(name, ()):
            del self._values[key]
        for changed in self._reads:
            changed.add(name)
