"""Function settings in memory: no database on the warm path.

A snapshot is read when a function is first used and dropped when the store says that the function
changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lambd.model.settings import FunctionSettings
from lambd.store.database import FunctionChanged

# Reads one function's settings from the store; None when there is no such function.
SettingsReader = Callable[[str], Awaitable[FunctionSettings | None]]

_DEFAULTS = FunctionSettings()


class SettingsCache:
    """Settings by function name."""

    def __init__(self, read: SettingsReader) -> None:
        self._read = read
        self._settings: dict[str, FunctionSettings] = {}
        # Reads under way; a change drops the function's, so that what they find is not kept.
        self._reading: dict[str, set[object]] = {}

    def get_nowait(self, name: str) -> FunctionSettings | None:
        """The settings if they are cached."""
        return self._settings.get(name)

    async def get(self, name: str) -> FunctionSettings:
        """The settings; the defaults for a function that does not exist."""
        cached = self._settings.get(name)
        if cached is not None:
            return cached
        reading = self._reading.setdefault(name, set())
        token = object()
        reading.add(token)
        try:
            settings = await self._read(name)
            if settings is not None and self._reading.get(name) is reading:
                self._settings[name] = settings
            return settings or _DEFAULTS
        finally:
            reading.discard(token)
            if not reading and self._reading.get(name) is reading:
                del self._reading[name]

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self._settings.pop(change.name, None)
            self._reading.pop(change.name, None)
