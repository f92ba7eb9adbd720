"""Starts of on-demand environments, for requests that wait: wanted, begun in turn, failed.

A start belongs to nobody: who waits longest gets whichever environment is there first. So a start
whose turn comes when nobody is left to wait is dropped, and one that fails fails one request.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from lambd.environments.deployment_environments import DeploymentEnvironments
from lambd.environments.environment import (
    EnvironmentOwner,
    EnvironmentStarter,
    ExecutionEnvironment,
)
from lambd.environments.provisioned import ProvisionedGroup
from lambd.environments.room import Room
from lambd.environments.scaling_rate import ScalingRate
from lambd.environments.start_queue import StartQueue
from lambd.model.errors import PlatformError, SandboxError, ThrottledError

_log = structlog.get_logger(__name__)

# Starts of both kinds take turns.
Starts = StartQueue[DeploymentEnvironments | ProvisionedGroup]


class StartingOwner(EnvironmentOwner, Protocol):
    """Whose environments they become."""

    def adopt(self, environment: ExecutionEnvironment, deployment: DeploymentEnvironments) -> None:
        """Take one that has no init phase yet; raises UnavailableError while shutting down."""

    def discard(self, environment: ExecutionEnvironment) -> None:
        """Close one in the background."""


class Starting:
    """See the module header; on the event loop."""

    def __init__(
        self,
        *,
        owner: StartingOwner,
        starter: EnvironmentStarter,
        room: Room,
        scaling: ScalingRate,
        tasks: asyncio.TaskGroup,
        starts_at_once: int,
        max_per_deployment: int | None,
    ) -> None:
        self._owner = owner
        self._starter = starter
        self._room = room
        self._scaling = scaling
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._max_per_deployment = max_per_deployment
        self.queue: Starts = StartQueue(starts_at_once, self._begin)
        # In the init phase that follows their start.
        self._initialising: set[ExecutionEnvironment] = set()

    def is_initialising(self, environment: ExecutionEnvironment) -> bool:
        """Whether its start is not over: whoever starts it is told of its end, and tells why."""
        return environment in self._initialising

    def want(self, deployment: DeploymentEnvironments) -> None:
        """Start another environment, unless the deployment has all that it may have.

        Raises:
            ThrottledError: the host has no room, or the function scales too fast.
        """
        queued = self.queue.count(deployment)
        size = len(deployment.environments) + deployment.starting + queued
        if self._max_per_deployment is not None and size >= self._max_per_deployment:
            return
        self._scaling.take(deployment.key.function)
        try:
            self._room.take(deployment.memory_mib)
        except ThrottledError:
            self._scaling.give_back(deployment.key.function)
            raise
        self.queue.put(deployment)

    def want_or_refuse(self, deployment: DeploymentEnvironments) -> None:
        """Start an environment for who waits longest, or tell him why not, and the next one."""
        while deployment.waiters:
            try:
                self.want(deployment)
            except ThrottledError as error:
                deployment.fail_first(error)
            else:
                return

    def _begin(self, item: DeploymentEnvironments | ProvisionedGroup) -> bool:
        """Begin a start whose turn it is, unless whoever wanted it has been served meanwhile."""
        if isinstance(item, ProvisionedGroup):
            return item.begin()
        if item.count_starting() >= len(item.waiters):
            self._take_back(item)
            return False
        error = self._obstacle(item)
        if error is None:
            item.starting += 1
            self._tasks.create_task(self._start(item))
            return True
        self._take_back(item)
        item.fail_first(error)
        return False

    def _obstacle(self, deployment: DeploymentEnvironments) -> PlatformError | None:
        """Why the machine cannot have another environment now."""
        try:
            has_memory = self._room.ledger.has_memory(deployment.memory_mib)
        except Exception as error:  # noqa: BLE001 - a root: a fault of ours must reach a caller
            _log.exception("memory_not_measured", function=deployment.key.name)
            return SandboxError(str(error))
        if has_memory:
            return None
        reason = "the machine has less memory left than it may use"
        return self._room.refusal(reason, deployment.memory_mib)

    def _take_back(self, deployment: DeploymentEnvironments) -> None:
        """A start that was wanted brings no environment."""
        self._room.give_back(deployment.memory_mib)
        self._scaling.give_back(deployment.key.function)

    async def _start(self, deployment: DeploymentEnvironments) -> None:
        """Start one environment; failures go to one waiter."""
        slot = self.queue.slot()
        try:
            await self._start_one(deployment)
        except Exception:  # noqa: BLE001 - a task root: one function must not stop the platform
            _log.exception("environment_start_crashed", function=deployment.key.name)
        finally:
            slot.release()

    async def _start_one(self, deployment: DeploymentEnvironments) -> None:
        """Start one environment and run its init phase."""
        environment: ExecutionEnvironment | None = None
        begun_at = self._loop.time()
        try:
            environment = await self._starter(deployment.hosted, self._owner)
            deployment.starting -= 1
            self._owner.adopt(environment, deployment)
            await self._initialise(environment)
            deployment.start_s = self._loop.time() - begun_at
        except PlatformError as error:
            self._failed(deployment, environment, error)
        except Exception as error:  # noqa: BLE001 - a task root: a fault of ours must reach a caller
            _log.exception("environment_start_failed", function=deployment.key.name)
            self._failed(deployment, environment, SandboxError(str(error)))

    async def _initialise(self, environment: ExecutionEnvironment) -> None:
        self._initialising.add(environment)
        try:
            await environment.initialise()
        finally:
            self._initialising.discard(environment)

    def _failed(
        self,
        deployment: DeploymentEnvironments,
        environment: ExecutionEnvironment | None,
        error: PlatformError,
    ) -> None:
        if environment is None:
            deployment.starting -= 1
            self._take_back(deployment)
        else:
            self._owner.discard(environment)
        deployment.fail_first(error)
        if not deployment.environments and deployment.starting == 0:
            # Those who wait counted on the one that failed (see max_per_deployment).
            self.want_or_refuse(deployment)
