"""All groups of provisioned environments on the host, by qualifier and deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from lambd.environments.environment import (
    AcquiredCallback,
    EnvironmentStarter,
    ExecutionEnvironment,
)
from lambd.environments.freezing import Freezer, GiveUp
from lambd.environments.provisioned import ProvisionedGroup
from lambd.environments.room import Room
from lambd.environments.start_queue import Slot
from lambd.environments.starting import Starts
from lambd.model.arns import Scope
from lambd.model.errors import UnavailableError
from lambd.model.hosting import DeploymentKey, HostedVersion, ProvisionedKey
from lambd.model.provisioned import ProvisionedUse

# What a lease does without a provisioned environment: (what to run, seconds, whom to tell).
OnDemand = Callable[[HostedVersion, float, AcquiredCallback], None]


class ProvisionedGroups:
    """See the module header; on the event loop. Implements `provisioned.GroupHost`."""

    def __init__(
        self,
        *,
        starter: EnvironmentStarter,
        room: Room,
        starts: Starts,
        on_demand: OnDemand,
        freezer: Freezer,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._starter = starter
        self._room = room
        self._starts = starts
        self._on_demand = on_demand
        self._freezer = freezer
        self._tasks = tasks
        self._groups: dict[ProvisionedKey, ProvisionedGroup] = {}
        # The same by what they run.
        self._of_versions: dict[DeploymentKey, list[ProvisionedGroup]] = {}
        self._is_open = True

    # -- what there should be, and is

    def provision(
        self, qualifier: str, hosted: HostedVersion, number: int, changed: Callable[[], None]
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
            self._of_versions.setdefault(hosted.key, []).append(group)
        group.resize(number)

    def release(self, key: ProvisionedKey) -> None:
        """Let environments go, the busy ones after their invocation."""
        if (group := self._groups.get(key)) is not None:
            group.resize(0)

    def get(self, key: ProvisionedKey) -> ProvisionedGroup | None:
        """The provisioned environments of a qualifier and deployment."""
        return self._groups.get(key)

    def lease(self, key: ProvisionedKey) -> ProvisionedGroup | None:
        """A lease on a provisioned environment, if one is free.

        Who invokes a version by its number may have one of an alias that leads there as well.
        """
        group = self._groups.get(key)
        if group is not None and group.lease():
            return group
        version = DeploymentKey(*key[:3], version=key.qualifier, deployment_id=key.deployment_id)
        for other in self._of_versions.get(version, ()):
            if other.lease():
                return other
        return None

    def counts(self, scope: Scope, name: str, qualifier: str) -> tuple[int, int]:
        """How many environments a qualifier has, and how many of them are initialised."""
        groups = self._groups_of(scope, name, qualifier)
        return sum(each.allocated for each in groups), sum(each.available for each in groups)

    def use(self, scope: Scope, name: str, qualifier: str) -> ProvisionedUse:
        """How the provisioned environments of a qualifier are used now."""
        groups = self._groups_of(scope, name, qualifier)
        return ProvisionedUse(
            in_use=sum(each.in_use for each in groups),
            ready=sum(each.available for each in groups),
            wanted=sum(each.target for each in groups),
        )

    def environments(self) -> Iterator[ExecutionEnvironment]:
        """Every environment that exists."""
        for group in self._groups.values():
            yield from group.environments

    def hosted(self) -> list[HostedVersion]:
        """What those that exist run."""
        return [each.hosted for each in self._groups.values() if each.environments]

    def forget_gone(self) -> None:
        """Forget the groups of which nothing is left."""
        for key, group in list(self._groups.items()):
            if group.is_gone:
                del self._groups[key]
                of_version = self._of_versions[group.hosted.key]
                of_version.remove(group)
                if not of_version:
                    del self._of_versions[group.hosted.key]

    def stop(self) -> None:
        """Start nothing any more."""
        self._is_open = False

    async def close(self) -> None:
        """Close every environment, the busy ones too."""
        self.stop()
        await asyncio.gather(*(group.close() for group in self._groups.values()))

    def _groups_of(self, scope: Scope, name: str, qualifier: str) -> list[ProvisionedGroup]:
        wanted = (scope.account_id, scope.region, name, qualifier)
        return [each for key, each in self._groups.items() if key[:4] == wanted and each.target]

    # -- lambd.environments.provisioned.GroupHost

    def note_idle(self, environment: ExecutionEnvironment, give_up: GiveUp) -> None:
        """Freeze it after a moment."""
        self._freezer.note_idle(environment, give_up)

    def want_start(self, group: ProvisionedGroup) -> None:
        """Call a group's `begin` when it is its turn."""
        self._starts.put(group)

    def start_slot(self) -> Slot:
        """The slot of a start that has begun."""
        return self._starts.slot()

    def take_room(self, memory_mib: int) -> None:
        """Promise memory; see `Room.take_provisioned`."""
        if not self._is_open:
            raise UnavailableError("The platform is shutting down")
        self._room.take_provisioned(memory_mib)

    def give_room_back(self, memory_mib: int) -> None:
        """Take the promise back."""
        self._room.give_provisioned_back(memory_mib)

    def acquire(self, hosted: HostedVersion, timeout_s: float, acquired: AcquiredCallback) -> None:
        """An on-demand environment."""
        self._on_demand(hosted, timeout_s, acquired)
