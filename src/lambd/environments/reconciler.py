"""Brings versions in transition to rest: Pending -> Active or Failed, updates -> served or refused.

The control plane changes rows and goes; this is the other half. It also retires environments that
no row serves any more, and clears away code that nothing needs. On start it takes up whatever a
predecessor left in the middle.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from lambd.environments.pool import Pool
from lambd.environments.preparation import PreparationFailedError, Preparer
from lambd.model.arns import Scope
from lambd.model.functions import Deployment, FunctionVersion, Reason
from lambd.model.hosting import DeploymentKey
from lambd.store.blobs import BlobStore
from lambd.store.contents import References, references
from lambd.store.database import Change, Database, FunctionChanged
from lambd.store.functions import (
    list_in_transition,
    list_serving,
    mark_failed,
    mark_ready,
)

_log = structlog.get_logger(__name__)

# After the last change, before unneeded code is removed.
_GARBAGE_DELAY_S = 60.0
# Blobs younger than this may belong to a request that has not committed yet.
_GARBAGE_MIN_AGE = timedelta(hours=1)

# After a fault of ours, seconds.
_RETRY_S = 1.0


class Reconciler:
    """See the module header; `run` under the root task group."""

    def __init__(
        self,
        *,
        database: Database,
        scope: Scope,
        blobs: BlobStore,
        preparer: Preparer,
        pool: Pool,
        tasks: asyncio.TaskGroup,
        garbage_delay_s: float = _GARBAGE_DELAY_S,
    ) -> None:
        self._database = database
        self._scope = scope
        self._blobs = blobs
        self._preparer = preparer
        self._pool = pool
        self._tasks = tasks
        self._garbage_delay_s = garbage_delay_s
        self._changed = asyncio.Event()
        self._changed_names: set[str] = set()
        # Deployments being prepared, so that a second notice doesn't start them again.
        self._preparing: set[DeploymentKey] = set()
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, FunctionChanged):
            self._changed_names.add(change.name)
        self._changed.set()

    async def run(self) -> None:
        """Reconcile on start and after every change; runs until cancelled."""
        self._changed.set()
        while True:
            try:
                await self._wait_change()
                await self._reconcile()
            except Exception:  # noqa: BLE001 - a task root: a full disk must not stop the platform
                _log.exception("reconcile_failed", retry_after_s=_RETRY_S)
                await asyncio.sleep(_RETRY_S)
                self._changed.set()

    async def _reconcile(self) -> None:
        names, self._changed_names = self._changed_names, set()
        self._changed.clear()
        try:
            await self._start_preparations()
            await self._retire(names)
        except BaseException:
            self._changed_names |= names
            raise

    async def _wait_change(self) -> None:
        """Wait for a change; use a quiet minute to clear away code."""
        try:
            async with asyncio.timeout(self._garbage_delay_s):
                await self._changed.wait()
        except TimeoutError:
            await self._collect_garbage()
            await self._changed.wait()

    async def _start_preparations(self) -> None:
        for version in await self._database.read(list_in_transition):
            key = self._key(version.name, version.version, version.deployment.id)
            if key not in self._preparing:
                self._preparing.add(key)
                self._tasks.create_task(self._prepare(version, key))

    def _key(self, name: str, version: str, deployment_id: str) -> DeploymentKey:
        scope = self._scope
        return DeploymentKey(scope.account_id, scope.region, name, version, deployment_id)

    async def _prepare(self, version: FunctionVersion, key: DeploymentKey) -> None:
        """Prepare one version's deployment and write down how that ended."""
        name, number, deployment_id = key.name, key.version, key.deployment_id
        reason: Reason | None = None
        try:
            await self._preparer.prepare(version.deployment, check=True)
        except PreparationFailedError as error:
            reason = error.reason
        except Exception as error:  # noqa: BLE001 - a task root: the row must not stay Pending
            _log.exception("preparation_crashed", function=name, version=number)
            reason = Reason(text=f"Internal error: {error}", code="InternalError")
        now = datetime.now(UTC)  # noqa: TID251 - an edge
        try:
            if reason is None:
                await self._database.run(mark_ready, name, number, deployment_id, now)
            else:
                await self._database.run(mark_failed, name, number, deployment_id, reason, now)
        except Exception:  # noqa: BLE001 - a task root: the row is found again and tried again
            _log.exception("state_not_stored", function=name, retry_after_s=_RETRY_S)
            await asyncio.sleep(_RETRY_S)
            self._changed.set()
        finally:
            self._preparing.discard(key)

    async def _retire(self, names: set[str]) -> None:
        """Close environments of deployments that no version serves any more."""
        if not self._pool.is_hosting(self._scope, names):
            return
        served: set[DeploymentKey] = set()
        for name in names:
            rows = await self._database.read(list_serving, name)
            served.update(self._key(*row) for row in rows)
        self._pool.retire(self._scope, names, served)

    async def _collect_garbage(self) -> None:
        self._preparer.begin_collection()
        needed = await self._database.read(references)
        in_use = [_references(deployment) for deployment in self._pool.deployments()]
        await asyncio.to_thread(self._preparer.collect_garbage, [needed, *in_use])
        put_before = datetime.now(UTC) - _GARBAGE_MIN_AGE  # noqa: TID251 - an edge
        await asyncio.to_thread(self._blobs.collect_garbage, needed.archives, put_before=put_before)


def _references(deployment: Deployment) -> References:
    """What an environment's own deployment needs, in the rows still or not."""
    layers = tuple(layer.code.sha256 for layer in deployment.config.layers)
    return References(
        archives=frozenset((deployment.code.sha256, *layers)), layer_lists=frozenset({layers})
    )
