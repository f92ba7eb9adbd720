"""The environments of every deployment: acquire, release, scale, freeze, reap, replace.

Environments are keyed by account, region, function, version and deployment id, never by name alone,
so that regions share a host and an update can not meet old code. A request takes an idle environment, else waits for the first that
becomes free while another one is started for it. When a deployment is no longer served its idle
environments close at once and its busy ones after their invocation: an update drains, it never
kills.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection

import structlog

from lambd.environments.deployment_environments import DeploymentEnvironments, Waiter
from lambd.environments.environment import (
    AcquiredCallback,
    EnvironmentStarter,
    ExecutionEnvironment,
    Phase,
)
from lambd.environments.placement import HostLedger
from lambd.environments.provisioned import ProvisionedGroup
from lambd.environments.scaling import ScalingRate
from lambd.environments.start_queue import Slot, StartQueue
from lambd.model.arns import Scope
from lambd.model.errors import (
    CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
    PlatformError,
    SandboxError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.functions import Deployment
from lambd.model.hosting import Capacity, DeploymentKey, HostedVersion, ProvisionedKey
from lambd.model.provisioned import ProvisionedUse

_log = structlog.get_logger(__name__)

# How often idle environments are looked at, seconds.
_SWEEP_INTERVAL_S = 0.25
# How long a request counts on an environment that is on its way before another one is started.
_GRACE_S = 0.02


class Pool:
    """See the module header."""

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
        self._starter = starter
        self._ledger = ledger
        self._tasks = tasks
        self._freeze_after_s = freeze_after_s
        self._idle_timeout_s = idle_timeout_s
        self._max_per_deployment = max_per_deployment
        self._deployments: dict[DeploymentKey, DeploymentEnvironments] = {}
        self._by_environment: dict[ExecutionEnvironment, DeploymentEnvironments] = {}
        self._closing: set[ExecutionEnvironment] = set()
        # In the init phase that the pool itself has them run.
        self._initialising: set[ExecutionEnvironment] = set()
        self._accepting = True
        self._groups: dict[ProvisionedKey, ProvisionedGroup] = {}
        self._starts: StartQueue[DeploymentEnvironments | ProvisionedGroup] = StartQueue(
            starts_at_once or max(4, 2 * (os.cpu_count() or 1)), self._begin_start
        )
        self._scaling = scaling or ScalingRate(0)
        self._provisioned_mib = 0

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
            self._discard(environment)
        return None

    def acquire(
        self,
        hosted: HostedVersion,
        timeout_s: float,
        acquired: AcquiredCallback,
    ) -> None:
        """Call back with an environment ready for an invocation, one started if need be.

        Args:
            hosted: what to run.
            timeout_s: how long to wait at most.
            acquired: called once, perhaps before this returns, with the environment, which it
                must use at once, or with the reason why there is none: ThrottledError (the host
                has no room, or nothing became free in time), SandboxError (it could not be
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
        loop = asyncio.get_running_loop()
        waiter = Waiter(acquired)
        if not deployment.lacks(len(deployment.waiters) + 1 - self._starts.count(deployment)):
            waiter.timer = loop.call_later(
                _GRACE_S, self._start_if_waiting, deployment, waiter, timeout_s
            )
            deployment.waiters.append(waiter)
            return
        waiter.timer = loop.call_later(timeout_s, self._give_up, deployment, waiter)
        deployment.waiters.append(waiter)
        try:
            self._start_for_waiter(deployment)
        except ThrottledError as error:
            deployment.waiters.remove(waiter)
            self._drop_if_empty(deployment)
            waiter.finish(error)

    def environment_available(self, environment: ExecutionEnvironment) -> None:
        """Take back an environment that finished an invocation, its init or a reset."""
        deployment = self._by_environment.get(environment)
        if deployment is None:
            return
        if deployment.retired and not deployment.waiters:
            self._discard(environment)
            return
        deployment.idle.append(environment)
        self._serve_waiters(deployment)

    def environment_died(self, environment: ExecutionEnvironment) -> None:
        """Drop an environment whose sandbox is gone; start another for whoever waits."""
        if environment in self._initialising:
            # Whoever starts it is told, and tells why.
            return
        deployment = self._by_environment.get(environment)
        self._discard(environment)
        if deployment is not None and deployment.starting == 0:
            self._start_or_refuse(deployment)

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
                self._discard(deployment.idle.pop())
            self._drop_if_empty(deployment)

    def is_hosting(self, scope: Scope, names: Collection[str]) -> bool:
        """Whether there are environments of any of these functions of an account and region."""
        place = (scope.account_id, scope.region)
        return any(key[:2] == place and key.name in names for key in self._deployments)

    def deployments(self) -> list[Deployment]:
        """What any environment that exists runs."""
        pooled = [each.hosted for each in self._deployments.values() if each.environments]
        provisioned = [each.hosted for each in self._groups.values() if each.environments]
        return [hosted.deployment for hosted in (*pooled, *provisioned)]

    def capacity(self) -> Capacity:
        """What the host has, and what of it is taken."""
        environments = [
            *self._by_environment,
            *(each for group in self._groups.values() for each in group.environments),
        ]
        return Capacity(
            promisable_mib=self._ledger.promisable_mib,
            promised_mib=self._ledger.promised_mib,
            environments=len(environments),
            busy=sum(each.is_busy for each in environments),
        )

    async def run_sweeper(self) -> None:
        """Freeze and reap idle environments; runs until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """Freeze and reap what has been idle long enough at this `time.monotonic`."""
        for deployment in list(self._deployments.values()):
            self._sweep(deployment, now)
        for key, group in list(self._groups.items()):
            group.sweep(now, self._freeze_after_s)
            if group.is_gone:
                del self._groups[key]

    def stop_accepting(self) -> None:
        """Refuse new requests; running invocations go on."""
        self._accepting = False

    async def close(self) -> None:
        """Close every environment, the busy ones too."""
        self._accepting = False
        for deployment in self._deployments.values():
            while deployment.waiters:
                self._fail_waiter(deployment, UnavailableError("The platform is shutting down"))
        await asyncio.gather(
            *(self._close_environment(environment) for environment in list(self._by_environment)),
            *(group.close() for group in self._groups.values()),
        )

    # -- provisioned concurrency

    def provision(
        self,
        qualifier: str,
        hosted: HostedVersion,
        number: int,
        changed: Callable[[], None],
    ) -> None:
        """Keep so many environments of a version initialised.

        Args:
            qualifier: version number or alias by which they are invoked.
            hosted: what they run.
            number: how many.
            changed: called when some have become ready, or cannot.
        """
        key = hosted.provisioned_key(qualifier)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = ProvisionedGroup(
                hosted=hosted,
                starter=self._starter,
                host=self,
                tasks=self._tasks,
                changed=changed,
            )
        group.resize(number)

    def release_provisioned(self, key: ProvisionedKey) -> None:
        """Let environments go, the busy ones after their invocation."""
        if (group := self._groups.get(key)) is not None:
            group.resize(0)

    def group(self, key: ProvisionedKey) -> ProvisionedGroup | None:
        """The provisioned environments of a qualifier and deployment."""
        return self._groups.get(key)

    def lease_provisioned(self, key: ProvisionedKey) -> ProvisionedGroup | None:
        """A lease on a provisioned environment, if one is free."""
        group = self._groups.get(key)
        return group if group is not None and group.lease() else None

    def provisioned_counts(self, scope: Scope, name: str, qualifier: str) -> tuple[int, int]:
        """How many environments a qualifier has, and how many of them are initialised."""
        groups = self._groups_of(scope, name, qualifier)
        return sum(g.allocated for g in groups), sum(g.available for g in groups)

    def _groups_of(self, scope: Scope, name: str, qualifier: str) -> list[ProvisionedGroup]:
        wanted = (scope.account_id, scope.region, name, qualifier)
        return [each for key, each in self._groups.items() if key[:4] == wanted and each.target]

    def provisioned_use(self, scope: Scope, name: str, qualifier: str) -> ProvisionedUse:
        """How the provisioned environments of a qualifier are used now."""
        groups = self._groups_of(scope, name, qualifier)
        return ProvisionedUse(
            in_use=sum(g.in_use for g in groups),
            ready=sum(g.available for g in groups),
            wanted=sum(g.target for g in groups),
        )

    def take_room(self, memory_mib: int) -> None:
        """Promise memory to a provisioned environment, evicting idle ones.

        Raises:
            ThrottledError: everything on the host is busy.
            SandboxError: provisioned environments have all of the host.
        """
        if not self._accepting:
            raise UnavailableError("The platform is shutting down")
        is_all_provisioned = self._provisioned_mib == self._ledger.promised_mib
        if is_all_provisioned and not self._ledger.has_room(memory_mib):
            raise SandboxError(f"The host has no room for another {memory_mib} MiB")
        self._make_room(memory_mib)
        self._ledger.take(memory_mib)
        self._provisioned_mib += memory_mib

    def give_room_back(self, memory_mib: int) -> None:
        """Take the promise back."""
        self._ledger.give_back(memory_mib)
        self._provisioned_mib -= memory_mib

    # -- starting

    def _deployment(self, hosted: HostedVersion) -> DeploymentEnvironments:
        key = hosted.key
        deployment = self._deployments.get(key)
        if deployment is None:
            deployment = self._deployments[key] = DeploymentEnvironments(hosted)
        return deployment

    def _start_for_waiter(self, deployment: DeploymentEnvironments) -> None:
        """Begin another environment unless the deployment has all that it may have."""
        queued = self._starts.count(deployment)
        size = len(deployment.environments) + deployment.starting + queued
        if self._max_per_deployment is not None and size >= self._max_per_deployment:
            return
        self._scaling.take(deployment.key.function)
        try:
            self._make_room(deployment.memory_mib)
        except ThrottledError:
            self._scaling.give_back(deployment.key.function)
            raise
        self._ledger.take(deployment.memory_mib)
        self._starts.put(deployment)

    def _begin_start(self, item: DeploymentEnvironments | ProvisionedGroup) -> bool:
        """Begin a start whose turn it is, unless whoever wanted it has been served meanwhile."""
        if isinstance(item, ProvisionedGroup):
            return item.begin()
        is_wanted = item.count_starting() < len(item.waiters)
        if is_wanted and self._ledger.has_memory(item.memory_mib):
            item.starting += 1
            self._tasks.create_task(self._start(item))
            return True
        self._ledger.give_back(item.memory_mib)
        self._scaling.give_back(item.key.function)
        if is_wanted:
            self._fail_waiter(item, host_full())
        return False

    def want_start(self, group: ProvisionedGroup) -> None:
        """Call a group's `begin` when it is its turn."""
        self._starts.put(group)

    def start_slot(self) -> Slot:
        """The slot of a start that has begun."""
        return self._starts.slot()

    def _start_if_waiting(
        self, deployment: DeploymentEnvironments, waiter: Waiter, timeout_s: float
    ) -> None:
        """Start an environment after all for a request that counted on another one."""
        loop = asyncio.get_running_loop()
        waiter.timer = loop.call_later(timeout_s, self._give_up, deployment, waiter)
        queued = self._starts.count(deployment)
        if deployment.count_starting() + queued >= len(deployment.waiters):
            return
        try:
            self._start_for_waiter(deployment)
        except ThrottledError as error:
            deployment.waiters.remove(waiter)
            waiter.finish(error)

    def _give_up(self, deployment: DeploymentEnvironments, waiter: Waiter) -> None:
        deployment.waiters.remove(waiter)
        waiter.finish(host_full())

    def _make_room(self, memory_mib: int) -> None:
        """Evict idle environments, the longest idle first, until another one fits.

        Raises:
            ThrottledError: everything on the host is busy.
        """
        while not self._ledger.has_room(memory_mib):
            idle = [e for d in self._deployments.values() for e in d.idle]
            if not idle:
                raise host_full()
            oldest = min(idle, key=lambda environment: environment.idle_since)
            self._by_environment[oldest].idle.remove(oldest)
            self._discard(oldest)

    async def _start(self, deployment: DeploymentEnvironments) -> None:
        """Start one environment and run its init phase; failures go to one waiter."""
        environment: ExecutionEnvironment | None = None
        slot = self._starts.slot()
        try:
            environment = await self._starter(deployment.hosted, self)
            deployment.starting -= 1
            self._adopt(environment, deployment)
            await self._initialise(environment)
        except PlatformError as error:
            self._start_failed(deployment, environment, error)
        except Exception as error:  # noqa: BLE001 - a task root: a fault of ours must reach a caller
            _log.exception("environment_start_failed", function=deployment.key.name)
            self._start_failed(deployment, environment, SandboxError(str(error)))
        finally:
            slot.release()

    async def _initialise(self, environment: ExecutionEnvironment) -> None:
        self._initialising.add(environment)
        try:
            await environment.initialise()
        finally:
            self._initialising.discard(environment)

    def _adopt(self, environment: ExecutionEnvironment, deployment: DeploymentEnvironments) -> None:
        self._by_environment[environment] = deployment
        deployment.environments.add(environment)
        if not self._accepting:
            raise UnavailableError("The platform is shutting down")

    def _start_failed(
        self,
        deployment: DeploymentEnvironments,
        environment: ExecutionEnvironment | None,
        error: PlatformError,
    ) -> None:
        if environment is None:
            deployment.starting -= 1
            self._ledger.give_back(deployment.memory_mib)
            self._scaling.give_back(deployment.key.function)
        else:
            self._discard(environment)
        self._fail_waiter(deployment, error)
        if not deployment.environments and deployment.starting == 0:
            # Those who wait counted on the one that failed (see max_per_deployment).
            self._start_or_refuse(deployment)

    def _start_or_refuse(self, deployment: DeploymentEnvironments) -> None:
        """Start an environment for who waits longest, or tell him why not, and the next one."""
        while deployment.waiters:
            try:
                self._start_for_waiter(deployment)
            except ThrottledError as error:
                self._fail_waiter(deployment, error)
            else:
                return

    # -- waiters

    def _serve_waiters(self, deployment: DeploymentEnvironments) -> None:
        while deployment.waiters and deployment.idle:
            environment = deployment.idle.pop()
            if environment.is_usable:
                deployment.waiters.popleft().finish(environment)
            else:
                self._discard(environment)

    def _fail_waiter(self, deployment: DeploymentEnvironments, error: PlatformError) -> None:
        if deployment.waiters:
            deployment.waiters.popleft().finish(error)

    # -- ending

    def _sweep(self, deployment: DeploymentEnvironments, now: float) -> None:
        for environment in list(deployment.idle):
            idle_s = now - environment.idle_since
            if idle_s >= self._idle_timeout_s or environment.phase is Phase.DEAD:
                deployment.idle.remove(environment)
                self._discard(environment)
            elif idle_s >= self._freeze_after_s:
                self._freeze(environment)

    def _freeze(self, environment: ExecutionEnvironment) -> None:
        try:
            environment.freeze()
        except SandboxError as error:
            _log.warning("freeze_failed", sandbox=environment.sandbox_id, error=error.message)
            self._discard(environment)

    def _discard(self, environment: ExecutionEnvironment) -> None:
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
        self._ledger.give_back(deployment.memory_mib)
        deployment.environments.discard(environment)
        if environment in deployment.idle:
            deployment.idle.remove(environment)
        self._drop_if_empty(deployment)

    def _drop_if_empty(self, deployment: DeploymentEnvironments) -> None:
        unused = not (deployment.environments or deployment.starting or deployment.waiters)
        if unused and self._deployments.get(deployment.key) is deployment:
            del self._deployments[deployment.key]


def host_full() -> ThrottledError:
    """Every environment that the host has room for is busy."""
    return ThrottledError(CONCURRENT_INVOCATION_LIMIT_EXCEEDED, retry_after_s=1)
