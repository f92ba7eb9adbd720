"""The provisioned environments of one qualifier and one deployment: kept at a number, initialised.

The qualifier is a version number or an alias; only invocations through it use them. An invocation takes a lease
first, of which there are as many as initialised environments; who gets none goes the way of every
other invocation (spill-over). With a lease an environment is free or about to be: its last caller
has the answer, and the runtime asks for more in a moment. An environment that has lost its runtime
process, or is gone, is replaced rather than left to start over in somebody's invocation, and idle
ones are never closed. A lower number, 0 at the end, drains what runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from lambd.environments.environment import (
    AcquiredCallback,
    EnvironmentStarter,
    ExecutionEnvironment,
)
from lambd.environments.freezing import GiveUp
from lambd.environments.phases import LOST, Phase
from lambd.environments.start_queue import Slot
from lambd.model.errors import PlatformError, ThrottledError, UnavailableError
from lambd.model.hosting import HostedVersion
from lambd.model.provisioned import INIT_FAILURE

_log = structlog.get_logger(__name__)

# So many starts in a row may fail before the allocation counts as failed.
_FAILURES = 3
# Delay before a start that the platform could not do is tried again, seconds.
_RETRY_S = 1.0
# How long an invocation with a lease counts on an environment before it spills over, seconds.
_GRACE_S = 0.05


class GroupHost(Protocol):
    """What a group needs of the pool it belongs to."""

    def want_start(self, group: ProvisionedGroup) -> None:
        """Call the group's `begin` when it is its turn."""

    def start_slot(self) -> Slot:
        """The slot of a start that `begin` has begun."""

    def note_idle(self, environment: ExecutionEnvironment, give_up: GiveUp) -> None:
        """Freeze it after a moment, if it is idle still; see `Freezer`."""

    def take_room(self, memory_mib: int) -> None:
        """Promise memory, evicting idle on-demand environments; raises ThrottledError."""

    def give_room_back(self, memory_mib: int) -> None:
        """Take the promise back."""

    def acquire(
        self,
        hosted: HostedVersion,
        timeout_s: float,
        acquired: AcquiredCallback,
    ) -> None:
        """An on-demand environment; see `Pool.acquire`."""


class _Waiter:
    """An invocation with a lease, waiting for an environment to come back."""

    __slots__ = ("acquired", "timeout_s", "timer")

    def __init__(self, acquired: AcquiredCallback, timeout_s: float) -> None:
        self.acquired = acquired
        self.timeout_s = timeout_s
        self.timer: asyncio.TimerHandle | None = None


class ProvisionedGroup:
    """See the module header; on the event loop. It is the owner of its environments."""

    def __init__(
        self,
        *,
        hosted: HostedVersion,
        starter: EnvironmentStarter,
        host: GroupHost,
        tasks: asyncio.TaskGroup,
        changed: Callable[[], None],
    ) -> None:
        """Args:
        hosted: what to run; the version is Active.
        starter: makes the environments.
        host: the pool.
        tasks: where starts and ends run.
        changed: called when an environment has become ready, or none can.
        """
        self.hosted = hosted
        self.target = 0
        # Why no more environments are started, once that is so.
        self.failure: str | None = None
        self._memory_mib = hosted.deployment.config.memory_mib
        self._starter = starter
        self._host = host
        self._tasks = tasks
        self._changed = changed
        # All that exist; those initialised; the idle ones among them, the warmest at the right.
        self._environments: set[ExecutionEnvironment] = set()
        self._ready: set[ExecutionEnvironment] = set()
        self._idle: deque[ExecutionEnvironment] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._leases = 0
        # Starts that are wanted or under way, without an environment yet.
        self._starting = 0
        self._failures = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._is_open = True

    @property
    def allocated(self) -> int:
        """Environments that exist, initialised or not."""
        return len(self._environments)

    @property
    def available(self) -> int:
        """Environments that are initialised, and not about to be replaced."""
        return sum(each.phase not in LOST for each in self._ready)

    @property
    def in_use(self) -> int:
        """Invocations that have a lease."""
        return self._leases

    @property
    def is_complete(self) -> bool:
        """Whether there are as many environments as there should be, all initialised."""
        return len(self._ready) == len(self._environments) == self.target

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left and nothing is to come."""
        nothing = not (self._environments or self._starting or self._waiters or self._leases)
        return self.target == 0 and nothing

    @property
    def environments(self) -> tuple[ExecutionEnvironment, ...]:
        """Every environment that exists."""
        return tuple(self._environments)

    # -- invocations

    def lease(self) -> bool:
        """Take a lease, unless all are taken."""
        if self._leases >= min(len(self._ready), self.target):
            return False
        self._leases += 1
        return True

    def release(self) -> None:
        """Give a lease back."""
        self._leases -= 1

    def acquire(self, timeout_s: float, acquired: AcquiredCallback) -> None:
        """Call back with an environment for the holder of a lease; see `Pool.acquire`."""
        while self._idle:
            environment = self._idle.pop()
            if environment.is_usable:
                acquired(environment)
                return
            # Its runtime has just gone; nobody else will tell.
            self._drop(environment)
            self._fill()
        waiter = _Waiter(acquired, timeout_s)
        loop = asyncio.get_running_loop()
        waiter.timer = loop.call_later(_GRACE_S, self._spill_over, waiter)
        self._waiters.append(waiter)

    def _spill_over(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        self._host.acquire(self.hosted, waiter.timeout_s, waiter.acquired)

    # -- how many there should be

    def resize(self, target: int) -> None:
        """Keep so many from now on; what failed before is tried again."""
        self.target = target
        self.failure, self._failures = None, 0
        self._shrink()
        self._fill()

    def _fill(self) -> None:
        while (
            self._is_open
            and self.failure is None
            and len(self._environments) + self._starting < self.target
        ):
            self._starting += 1
            self._host.want_start(self)

    def _shrink(self) -> None:
        while self._idle and len(self._environments) > self.target:
            self._drop(self._idle.popleft())

    def begin(self) -> bool:
        """Begin one of the starts that `want_start` asked for; False if it is not wanted now."""
        is_wanted = self._is_open and len(self._environments) < self.target
        if not is_wanted or self.failure is not None:
            self._starting -= 1
            return False
        self._tasks.create_task(self._start())
        return True

    async def _start(self) -> None:
        """Bring one more environment."""
        slot = self._host.start_slot()
        try:
            failure = await self._start_one()
            if failure is not None and self._is_open:
                self._count_failure(failure)
        except Exception:  # noqa: BLE001 - a task root: one function must not stop the platform
            _log.exception("environment_start_crashed", function=self.hosted.version.name)
        finally:
            slot.release()
        self._fill()

    async def _start_one(self) -> str | None:
        """Start and initialise one environment; why that failed, or "" for want of room."""
        environment: ExecutionEnvironment | None = None
        try:
            self._host.take_room(self._memory_mib)
        except PlatformError as error:
            self._starting -= 1
            # Busy environments give their room back in time; that is no failure.
            return "" if isinstance(error, ThrottledError) else error.message
        try:
            environment = await self._starter(self.hosted, self, provisioned=True)
            self._starting -= 1
            self._environments.add(environment)
            failure = await environment.initialise()
            if failure is None:
                return None
            reason = INIT_FAILURE
        except PlatformError as error:
            reason = error.message
        except Exception as error:  # noqa: BLE001 - a task root: the allocation has to end
            _log.exception("environment_start_failed", function=self.hosted.version.name)
            reason = str(error)
        if environment is None:
            self._starting -= 1
            self._host.give_room_back(self._memory_mib)
        else:
            self._drop(environment)
        return reason

    def _count_failure(self, reason: str) -> None:
        """Try again, at once or after a moment, or give up."""
        if reason:
            self._failures += 1
        if self._failures >= _FAILURES:
            self.failure = reason
            self._changed()
        elif reason != INIT_FAILURE:
            # One task is held back, and with it the place it fills.
            self._starting += 1
            asyncio.get_running_loop().call_later(_RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._starting -= 1
        self._fill()

    # -- lambd.environments.environment.EnvironmentOwner

    def environment_available(self, environment: ExecutionEnvironment) -> None:
        """Take back an environment after its init or an invocation."""
        if environment not in self._environments:
            return
        if environment.phase is Phase.COLD or len(self._environments) > self.target:
            self._drop(environment)
            self._fill()
            return
        if environment not in self._ready:
            self._ready.add(environment)
            self._failures = 0
            self._changed()
        if not environment.is_usable:
            # Its runtime has gone since.
            self._replace(environment)
        elif self._waiters:
            waiter = self._waiters.popleft()
            if waiter.timer is not None:
                waiter.timer.cancel()
            waiter.acquired(environment)
        else:
            self._idle.append(environment)
            self._host.note_idle(environment, self._replace)

    def environment_died(self, environment: ExecutionEnvironment) -> None:
        """Replace an environment whose sandbox is gone."""
        was_ready = environment in self._ready
        self._drop(environment)
        if was_ready:
            self._fill()

    # -- ending

    def _replace(self, environment: ExecutionEnvironment) -> None:
        self._drop(environment)
        self._fill()

    def _drop(self, environment: ExecutionEnvironment) -> None:
        """Close an environment in the background."""
        if environment not in self._environments:
            return
        self._environments.discard(environment)
        self._ready.discard(environment)
        # At once, though it takes some milliseconds to go: whoever made it go counts on the room.
        self._host.give_room_back(self._memory_mib)
        if self.is_complete:
            self._changed()
        if environment in self._idle:
            self._idle.remove(environment)
        task = self._tasks.create_task(self._close_one(environment))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_one(self, environment: ExecutionEnvironment) -> None:
        try:
            await environment.close()
        except Exception:  # noqa: BLE001 - a task root: one environment must not stop the platform
            _log.exception("environment_close_failed", sandbox=environment.sandbox_id)

    async def close(self) -> None:
        """Close every environment, the busy ones too."""
        self._is_open = False
        self.target = 0
        while self._waiters:
            waiter = self._waiters.popleft()
            if waiter.timer is not None:
                waiter.timer.cancel()
            waiter.acquired(UnavailableError("The platform is shutting down"))
        for environment in tuple(self._environments):
            self._drop(environment)
        if self._closing:
            await asyncio.wait(self._closing)
