"""Brings provisioned concurrency about: rows say what is wanted, the pool keeps it, rows learn how.

Follows every change of a function: a config comes, goes or changes, an alias leads elsewhere, a
version becomes Active. On start everything configured is allocated anew.
"""

from __future__ import annotations

from dataclasses import replace

from lambd.environments.provisioned_groups import ProvisionedGroups
from lambd.model.arns import Scope
from lambd.model.hosting import HostedVersion, ProvisionedKey
from lambd.model.provisioned import (
    Allocation,
    AllocationStatus,
    ProvisionedConcurrency,
)
from lambd.store import provisioned as rows
from lambd.store.database import Change, Database, FunctionChanged
from lambd.store.follower import Follower


class Allocator:
    """See the module header; `run` under the root task group."""

    def __init__(self, database: Database, scope: Scope, groups: ProvisionedGroups) -> None:
        """Args:
        database: of one account and region.
        scope: that account and region.
        groups: keep the environments, of others too.
        """
        self._database = database
        self._scope = scope
        self._groups = groups
        self._follower = Follower("allocation", self._follow, start=self._begin)
        self._changed_names: set[str] = set()
        # By function and qualifier what the row says, and the groups in the pool.
        self._configs: dict[
            tuple[str, str], tuple[ProvisionedConcurrency, list[ProvisionedKey]]
        ] = {}
        # The allocation that each group was last brought to its number for.
        self._applied: dict[ProvisionedKey, str] = {}
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, FunctionChanged):
            self._changed_names.add(change.name)
            self._follower.wake()

    async def run(self) -> None:
        """Allocate on start and after every change; runs until cancelled."""
        await self._follower.run()

    async def _begin(self) -> None:
        await self._database.run(rows.restart_allocations)
        self._changed_names.update(await self._database.read(rows.configured_functions))

    async def _follow(self) -> None:
        """Take up what has changed."""
        for name in list(self._changed_names):
            self._changed_names.discard(name)
            try:
                self._apply(name, await self._database.read(rows.list_allocations, name))
            except BaseException:
                self._changed_names.add(name)
                raise
        await self._settle()

    def _apply(self, name: str, allocations: list[Allocation]) -> None:
        """Bring the pool to what the rows say of one function."""
        wanted: set[ProvisionedKey] = set()
        for configured in [each for each in self._configs if each[0] == name]:
            del self._configs[configured]
        for allocation in allocations:
            config = allocation.config
            keys = []
            for share in allocation.shares:
                hosted = HostedVersion.of(self._scope, share.version)
                key = hosted.provisioned_key(config.qualifier)
                keys.append(key)
                if config.status is AllocationStatus.FAILED:
                    # What there is stays; more is not tried until somebody asks again.
                    continue
                if self._applied.get(key) != config.allocation_id:
                    self._applied[key] = config.allocation_id
                    self._groups.provision(
                        config.qualifier, hosted, share.environments, self._follower.wake
                    )
            wanted.update(keys)
            if keys:
                self._configs[name, config.qualifier] = (config, keys)
        for key in [key for key in self._applied if key.name == name and key not in wanted]:
            del self._applied[key]
            self._groups.release(key)

    async def _settle(self) -> None:
        """Write down what has come to rest."""
        for configured, (config, keys) in list(self._configs.items()):
            status, reason = self._outcome(keys)
            # An environment that is being replaced does not take READY back, as on AWS.
            if status in {AllocationStatus.IN_PROGRESS, config.status}:
                continue
            settled = replace(config, status=status, status_reason=reason)
            await self._database.run(rows.settle_allocation, settled)
            self._configs[configured] = (settled, keys)

    def _outcome(self, keys: list[ProvisionedKey]) -> tuple[AllocationStatus, str | None]:
        groups = [self._groups.get(key) for key in keys]
        for group in groups:
            if group is not None and group.failure is not None:
                return AllocationStatus.FAILED, group.failure
        if all(group is not None and group.is_complete for group in groups):
            return AllocationStatus.READY, None
        return AllocationStatus.IN_PROGRESS, None
