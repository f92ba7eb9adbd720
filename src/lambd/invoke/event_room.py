"""How much may wait for one function: who sends more is throttled.

A function that cannot keep up would otherwise fill the disk, and with it stop all others. Events by
which functions are told of others' ends count, too, but are not refused: they take the place of one
that was accepted.
"""

from __future__ import annotations

from lambd.model.errors import INVOCATION_RATE_LIMIT_EXCEEDED, ThrottledError
from lambd.model.events import QueuedEvent

# What an event takes on disk beside its payload, bytes.
EVENT_BYTES = 512


class EventRoom:
    """Bytes that wait, by function; on the event loop."""

    def __init__(self, limit_bytes: int) -> None:
        """0: any number."""
        self._limit_bytes = limit_bytes
        self._waiting: dict[str, int] = {}

    def waiting(self, function_name: str) -> int:
        """Bytes that wait for a function."""
        return self._waiting.get(function_name, 0)

    def load(self, function_name: str, events: int, payload_bytes: int) -> None:
        """Count what was found on disk."""
        self._add(function_name, events * EVENT_BYTES + payload_bytes)

    def check(self, event: QueuedEvent) -> None:
        """Whether there is room for an event.

        Raises:
            ThrottledError: as much waits for its function as may.
        """
        # DEVIATION: AWS's event queue has no published bound; a full one here is told as too many
        # requests, before the disk is full.
        size = _size(event)
        if self._limit_bytes and self.waiting(event.function_name) + size > self._limit_bytes:
            raise ThrottledError(INVOCATION_RATE_LIMIT_EXCEEDED)

    def take(self, event: QueuedEvent) -> None:
        """Count an event that is to be stored."""
        self._add(event.function_name, _size(event))

    def leave(self, event: QueuedEvent) -> None:
        """It is gone, or was not stored."""
        self._add(event.function_name, -_size(event))

    def _add(self, name: str, size: int) -> None:
        left = self.waiting(name) + size
        if left:
            self._waiting[name] = left
        else:
            self._waiting.pop(name, None)


def _size(event: QueuedEvent) -> int:
    return len(event.payload) + EVENT_BYTES
