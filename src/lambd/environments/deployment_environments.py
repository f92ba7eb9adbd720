"""The environments of one deployment, and the requests that wait for one of them."""

from __future__ import annotations

import asyncio
from collections import deque

from lambd.environments.environment import AcquiredCallback, ExecutionEnvironment
from lambd.environments.phases import ON_ITS_WAY, Phase
from lambd.environments.room import host_full
from lambd.model.errors import PlatformError
from lambd.model.hosting import HostedVersion

# Bounds of the time that a request counts on an environment, seconds.
_SHORTEST_GRACE_S, _LONGEST_GRACE_S = 0.02, 0.5


class Waiter:
    """A request that waits for an environment."""

    __slots__ = ("_acquired", "timer")

    def __init__(self, acquired: AcquiredCallback) -> None:
        self._acquired = acquired
        # Ends the counting on an environment that is on its way, then the waiting.
        self.timer: asyncio.TimerHandle | None = None

    def finish(self, outcome: ExecutionEnvironment | PlatformError) -> None:
        """Tell the request; the waiter has left its queue."""
        if self.timer is not None:
            self.timer.cancel()
        self._acquired(outcome)


class DeploymentEnvironments:
    """The environments of one pool key. `starting` counts those not yet available."""

    __slots__ = (
        "environments",
        "hosted",
        "idle",
        "key",
        "memory_mib",
        "retired",
        "start_s",
        "starting",
        "waiters",
    )

    def __init__(self, hosted: HostedVersion) -> None:
        self.hosted = hosted
        self.key = hosted.key
        self.memory_mib = hosted.deployment.config.memory_mib
        self.environments: set[ExecutionEnvironment] = set()
        # Used from the right: the most recently used environment is the warmest.
        self.idle: deque[ExecutionEnvironment] = deque()
        self.waiters: deque[Waiter] = deque()
        self.starting = 0
        # How long the last start took that brought an environment; longer on a busy machine.
        self.start_s = 0.0
        self.retired = False

    def wait(self, acquired: AcquiredCallback) -> Waiter:
        """Let a request wait for the first environment that is free, at the end of the line."""
        waiter = Waiter(acquired)
        self.waiters.append(waiter)
        return waiter

    def give_up(self, waiter: Waiter) -> None:
        """Nothing has become free in time."""
        self.refuse(waiter, host_full())

    def refuse(self, waiter: Waiter, error: PlatformError) -> None:
        """Let a request wait no longer."""
        self.waiters.remove(waiter)
        waiter.finish(error)

    def fail_first(self, error: PlatformError) -> None:
        """Tell who waits longest, if anybody does, why there is no environment for him."""
        if self.waiters:
            self.waiters.popleft().finish(error)

    def lacks(self, waiting: int) -> bool:
        """Whether fewer environments are on their way than requests are waiting.

        On their way are those being started, and those whose caller has its answer and that will
        ask for more in a moment; not those that wait for their turn to start.
        """
        missing = waiting - self.starting
        return missing > 0 and missing > sum(e.phase in ON_ITS_WAY for e in self.environments)

    @property
    def grace_s(self) -> float:
        """How long a request counts on an environment that is on its way.

        As long as starting another one would take: by then waiting was no worse. Less would start
        environments just when the processors have no time for those there are.
        """
        return min(max(self.start_s, _SHORTEST_GRACE_S), _LONGEST_GRACE_S)

    def count_starting(self) -> int:
        """Environments that have not been available yet."""
        return self.starting + sum(e.phase is Phase.STARTING for e in self.environments)
