"""The environments of every deployment: acquire, release, freeze, reap, replace.

Environments are keyed by account, region, function, version and deployment id, never by name alone,
so that regions share a host and an update can not meet old code. A request takes an idle
environment, else waits for the first that becomes free while another one is started for it
(`starting.py`). When a deployment is no longer served its idle environments close at once and its
busy ones after their invocation: an update drains, it never kills.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection

import structlog

from lambd.environments.deployment_environments import DeploymentEnvironments, Waiter
from lambd.environments.environment import (
    AcquiredCallback,
    EnvironmentStarter,
    ExecutionEnvironment,
)
from lambd.environments.freezing import Freezer
from lambd.environments.phases import Phase
from lambd.environments.placement import HostLedger
from lambd.environments.provisioned_groups import ProvisionedGroups
from lambd.environments.room import Room
from lambd.environments.scaling_rate import ScalingRate
from lambd.environments.starting import Starting
from lambd.model.arns import Scope
from lambd.model.errors import ThrottledError, UnavailableError
from lambd.model.functions import Deployment
from lambd.model.hosting import Capacity, DeploymentKey, HostedVersion

_log = structlog.get_logger(__name__)

# How often idle environments are looked at, seconds.
_SWEEP_INTERVAL_S = 0.25


class Pool:
    """See the module header. Implements `starting.StartingOwner`."""

    def __init__(
        self,
        *,
        starter: EnvironmentStarter,
        ledger: HostLedger,
        tasks: asyncio.TaskGroup,
        freeze_after_s: float,
        idle_timeout_s: float,
        max_per_deployment: int | None,
        scaling: ScalingRate | None = None,
        starts_at_once: int | None = None,
    ) -> None:
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._freezer = Freezer(freeze_after_s)
        self._idle_timeout_s = idle_timeout_s
        self._deployments: dict[DeploymentKey, DeploymentEnvironments] = {}
        self._by_environment: dict[ExecutionEnvironment, DeploymentEnvironments] = {}
        self._closing: set[ExecutionEnvironment] = set()
        self._accepting = True
        self._room = Room(ledger, self._evict)
        self._starting = Starting(
            owner=self,
            starter=starter,
            room=self._room,
            scaling=scaling or ScalingRate(0),
            tasks=tasks,
            starts_at_once=starts_at_once or max(4, 2 * (os.cpu_count() or 1)),
            max_per_deployment=max_per_deployment,
        )
        self.provisioned = ProvisionedGroups(
            starter=starter,
            room=self._room,
            starts=self._starting.queue,
            on_demand=self.acquire,
            freezer=self._freezer,
            tasks=tasks,
        )

    # -- acquire and release

    def acquire_nowait(self, key: DeploymentKey) -> ExecutionEnvironment | None:
        """An idle environment that is alive, or None."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        while deployment.idle:
            environment = deployment.idle.pop()
            if environment.is_usable:
                return environment
            self.discard(environment)
        return None

    def acquire(self, hosted: HostedVersion, timeout_s: float, acquired: AcquiredCallback) -> None:
        """Call back with an environment ready for an invocation, one started if need be.

        Args:
            hosted: what to run.
            timeout_s: how long to wait at most.
            acquired: called once, perhaps before this returns, with the environment, which it
                must hold or use at once, or with the reason why there is none: ThrottledError (the
                host has no room, or nothing became free in time), SandboxError (it could not be
                started), UnavailableError (the platform is shutting down).
        """
        if not self._accepting:
            acquired(UnavailableError("The platform is shutting down"))
            return
        deployment = self._deployment(hosted)
        environment = self.acquire_nowait(deployment.key)
        if environment is not None:
            acquired(environment)
            return
        waiting = len(deployment.waiters) + 1 - self._starting.queue.count(deployment)
        is_lacking = deployment.lacks(waiting)
        waiter = deployment.wait(acquired)
        # One timer at a time: most requests are served before the first one ends.
        if is_lacking:
            waiter.timer = self._loop.call_later(timeout_s, deployment.give_up, waiter)
            self._start_for(deployment, waiter)
        else:
            waiter.timer = self._loop.call_later(
                deployment.grace_s, self._start_if_waiting, deployment, waiter, timeout_s
            )

    def _start_for(self, deployment: DeploymentEnvironments, waiter: Waiter) -> None:
        try:
            self._starting.want(deployment)
        except ThrottledError as error:
            deployment.refuse(waiter, error)
            self._drop_if_empty(deployment)

    def _start_if_waiting(
        self, deployment: DeploymentEnvironments, waiter: Waiter, timeout_s: float
    ) -> None:
        """Start an environment after all for a request that counted on another one."""
        waiter.timer = self._loop.call_later(timeout_s, deployment.give_up, waiter)
        queued = self._starting.queue.count(deployment)
        if deployment.count_starting() + queued < len(deployment.waiters):
            self._start_for(deployment, waiter)

    def _deployment(self, hosted: HostedVersion) -> DeploymentEnvironments:
        key = hosted.key
        deployment = self._deployments.get(key)
        if deployment is None:
            deployment = self._deployments[key] = DeploymentEnvironments(hosted)
        return deployment

    # -- lambd.environments.starting.StartingOwner

    def adopt(self, environment: ExecutionEnvironment, deployment: DeploymentEnvironments) -> None:
        """Take a new environment, which has no init phase yet.

        Raises:
            UnavailableError: the platform is shutting down.
        """
        self._by_environment[environment] = deployment
        deployment.environments.add(environment)
        if not self._accepting:
            raise UnavailableError("The platform is shutting down")

    def environment_available(self, environment: ExecutionEnvironment) -> None:
        """Take back an environment that finished an invocation, its init or a reset."""
        deployment = self._by_environment.get(environment)
        if deployment is None:
            return
        if deployment.retired and not deployment.waiters:
            self.discard(environment)
            return
        deployment.idle.append(environment)
        if deployment.waiters:
            self._serve_waiters(deployment)
        else:
            self._freezer.note_idle(environment, self.discard)

    def _serve_waiters(self, deployment: DeploymentEnvironments) -> None:
        while deployment.waiters and deployment.idle:
            environment = deployment.idle.pop()
            if environment.is_usable:
                deployment.waiters.popleft().finish(environment)
            else:
                self.discard(environment)

    def environment_died(self, environment: ExecutionEnvironment) -> None:
        """Drop an environment whose sandbox is gone; start another for whoever waits."""
        if self._starting.is_initialising(environment):
            return
        deployment = self._by_environment.get(environment)
        self.discard(environment)
        if deployment is not None and deployment.starting == 0:
            self._starting.want_or_refuse(deployment)

    # -- reconciling with the rows

    def retire(
        self, scope: Scope, names: Collection[str], served: Collection[DeploymentKey]
    ) -> None:
        """Close the environments of what these functions of an account and region serve no more."""
        place = (scope.account_id, scope.region)
        for key, deployment in list(self._deployments.items()):
            if deployment.retired or key[:2] != place or key.name not in names or key in served:
                continue
            deployment.retired = True
            while deployment.idle:
                self.discard(deployment.idle.pop())
            self._drop_if_empty(deployment)

    def is_hosting(self, scope: Scope, names: Collection[str]) -> bool:
        """Whether there are environments of any of these functions of an account and region."""
        place = (scope.account_id, scope.region)
        return any(key[:2] == place and key.name in names for key in self._deployments)

    def deployments(self) -> list[Deployment]:
        """What any environment that exists runs."""
        pooled = [each.hosted for each in self._deployments.values() if each.environments]
        return [hosted.deployment for hosted in (*pooled, *self.provisioned.hosted())]

    def capacity(self) -> Capacity:
        """What the host has, and what of it is taken."""
        environments = [*self._by_environment, *self.provisioned.environments()]
        return Capacity(
            promisable_mib=self._room.ledger.promisable_mib,
            promised_mib=self._room.ledger.promised_mib,
            environments=len(environments),
            busy=sum(each.is_busy for each in environments),
        )

    # -- idle and ending

    async def run_sweeper(self) -> None:
        """Close environments that have been idle for long; runs until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            try:
                self.sweep(time.monotonic())
            except Exception:  # noqa: BLE001 - a task root: the next sweep finds the rest
                _log.exception("sweep_crashed")

    def sweep(self, now: float) -> None:
        """Close what has been idle for long at this `time.monotonic`."""
        for deployment in list(self._deployments.values()):
            self._sweep(deployment, now)
        self.provisioned.forget_gone()

    def stop_accepting(self) -> None:
        """Refuse new requests; running invocations go on."""
        self._accepting = False
        self.provisioned.stop()

    async def close(self) -> None:
        """Close every environment, the busy ones too."""
        self.stop_accepting()
        for deployment in self._deployments.values():
            while deployment.waiters:
                deployment.fail_first(UnavailableError("The platform is shutting down"))
        self._freezer.close()
        await asyncio.gather(
            *(self._close_environment(environment) for environment in list(self._by_environment)),
            self.provisioned.close(),
        )

    def _sweep(self, deployment: DeploymentEnvironments, now: float) -> None:
        for environment in list(deployment.idle):
            idle_s = now - environment.idle_since
            if idle_s >= self._idle_timeout_s or environment.phase is Phase.DEAD:
                deployment.idle.remove(environment)
                self.discard(environment)

    def _evict(self) -> bool:
        """Close the environment that has been idle longest; False if none is idle."""
        idle = [each for deployment in self._deployments.values() for each in deployment.idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda environment: environment.idle_since)
        self._by_environment[oldest].idle.remove(oldest)
        self.discard(oldest)
        return True

    def discard(self, environment: ExecutionEnvironment) -> None:
        """Close an environment in the background."""
        if environment in self._by_environment and environment not in self._closing:
            self._tasks.create_task(self._close_environment(environment))
            self._remove(environment)

    async def _close_environment(self, environment: ExecutionEnvironment) -> None:
        self._remove(environment)
        if environment in self._closing:
            return
        self._closing.add(environment)
        try:
            await environment.close()
        except Exception:  # noqa: BLE001 - a task root: one environment must not stop the platform
            _log.exception("environment_close_failed", sandbox=environment.sandbox_id)
        finally:
            self._closing.discard(environment)

    def _remove(self, environment: ExecutionEnvironment) -> None:
        deployment = self._by_environment.pop(environment, None)
        if deployment is None:
            return
        # At once, though it takes some milliseconds to go: whoever evicted it counts on the room.
        self._room.give_back(deployment.memory_mib)
        deployment.environments.discard(environment)
        if environment in deployment.idle:
            deployment.idle.remove(environment)
        self._drop_if_empty(deployment)

    def _drop_if_empty(self, deployment: DeploymentEnvironments) -> None:
        unused = not (deployment.environments or deployment.starting or deployment.waiters)
        if unused and self._deployments.get(deployment.key) is deployment:
            del self._deployments[deployment.key]
