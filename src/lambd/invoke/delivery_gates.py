"""How many calls to one target are under way: a few, one if it does not answer, and a few that wait.

A target that cannot be reached holds up what is to be told to it and nothing else. Whoever finds
the line too long comes again later; what is to be told is on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque

# Calls to one target together, and how many may wait in line for them.
TOGETHER = 8
WAITING = 64
# When to come again: a little later for each that has been turned away, up to the longest, seconds.
_AGAIN_S, _LONGEST_AGAIN_S = 0.05, 60.0


class _Gate:
    """One target's."""

    __slots__ = ("is_reached", "running", "turned_away", "waiting")

    def __init__(self) -> None:
        self.is_reached = True
        self.running = 0
        self.turned_away = 0
        self.waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether one more may call."""
        return self.running < (TOGETHER if self.is_reached else 1)


class DeliveryGates:
    """See the module header; on the event loop."""

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}
        self._is_open = True

    def close(self) -> None:
        """Let nobody in any more, and send those away who wait."""
        self._is_open = False
        for gate in self._gates.values():
            for turn in gate.waiting:
                if not turn.done():
                    turn.set_result(False)
            gate.waiting.clear()

    async def enter(self, target: str) -> float | None:
        """Wait for the turn to call a target: None when it has come; `leave` after the call.

        Otherwise, in how many seconds to come again.
        """
        gate = self._gates.setdefault(target, _Gate())
        if not self._is_open:
            return _AGAIN_S
        if gate.has_room:
            gate.running += 1
            return None
        if len(gate.waiting) < WAITING:
            turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            gate.waiting.append(turn)
            return None if await turn else _AGAIN_S
        gate.turned_away += 1
        return min(gate.turned_away * _AGAIN_S, _LONGEST_AGAIN_S)

    def leave(self, target: str, *, is_reached: bool) -> None:
        """The call has ended."""
        gate = self._gates[target]
        gate.running -= 1
        gate.is_reached = is_reached
        if is_reached:
            gate.turned_away = 0
        while gate.waiting and gate.has_room:
            turn = gate.waiting.popleft()
            # Unless whoever waited has been cancelled.
            if not turn.done():
                gate.running += 1
                turn.set_result(True)
        if is_reached and not (gate.running or gate.waiting):
            del self._gates[target]
