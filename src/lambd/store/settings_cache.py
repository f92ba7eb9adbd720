"""Function settings in memory: no database on the warm path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lambd.model.settings import FunctionSettings
from lambd.store.cached import Cached

# Reads one function's settings from the store; None when there is no such function.
SettingsReader = Callable[[str], Awaitable[FunctionSettings | None]]

_DEFAULTS = FunctionSettings()


class SettingsCache(Cached[str, FunctionSettings]):
    """Settings by function name."""

    def __init__(self, read: SettingsReader) -> None:
        super().__init__(read, lambda name, _settings: name)

    async def get(self, name: str) -> FunctionSettings:
        """The settings; the defaults for a function that does not exist."""
        return await super().get(name) or _DEFAULTS
