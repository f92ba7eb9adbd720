"""Function controls in memory: no database on the warm path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lambd.model.function_controls import FunctionControls
from lambd.store.cached import Cached

# Reads one function's controls from the store; None when there is no such function.
SettingsReader = Callable[[str], Awaitable[FunctionControls | None]]

_DEFAULTS = FunctionControls()


class ControlsCache(Cached[str, FunctionControls]):
    """Settings by function name."""

    def __init__(self, read: SettingsReader) -> None:
        super().__init__(read, lambda name, _controls: name)

    async def get(self, name: str) -> FunctionControls:
        """The controls; the defaults for a function that does not exist."""
        return await super().get(name) or _DEFAULTS
