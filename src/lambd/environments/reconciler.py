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
from lambd.store.database import Change, Database, FunctionChanged, LayerChanged
from lambd.store.follower import Follower
from lambd.store.functions import (
    list_in_transition,
    list_serving,
    mark_failed,
    mark_ready,
)

_log = structlog.get_logger(__name__)

# After the last change, before unneeded code is removed; and without one, seconds.
_GARBAGE_DELAY_S, _GARBAGE_PERIOD_S = 60.0, 600.0
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
        state_window_s: float = 0.0,
        garbage_delay_s: float = _GARBAGE_DELAY_S,
    ) -> None:
        """Args as the names say; `state_window_s`: how long states in transition last at least."""
        self._database = database
        self._scope = scope
        self._blobs = blobs
        self._preparer = preparer
        self._pool = pool
        self._tasks = tasks
        self._state_window_s = state_window_s
        self._collection = Collection(garbage_delay_s, _GARBAGE_PERIOD_S)
        self._is_changed = True
        self._changed_names: set[str] = set()
        # Deployments being prepared, so that a second notice doesn't start them again.
        self._preparing: set[DeploymentKey] = set()
        self._follower = Follower("reconciliation", self._step)
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, FunctionChanged):
            self._changed_names.add(change.name)
        elif not isinstance(change, LayerChanged):
            # Others come by the minute, and nothing here depends on them.
            return
        self._look_again()

    def _look_again(self) -> None:
        self._is_changed = True
        self._follower.wake()

    async def run(self) -> None:
        """Reconcile on start and after every change; runs until cancelled."""
        await self._follower.run()

    async def _step(self) -> float:
        """Take up what has changed, and clear away code in a quiet minute or now and then."""
        clock = asyncio.get_running_loop().time
        if self._is_changed:
            self._collection.note_change(clock())
            await self._reconcile()
        if self._collection.due_at(clock()) <= clock():
            try:
                await self._collect_garbage()
            except Exception:  # noqa: BLE001 - what is left is found the next time; changes must not wait
                _log.exception("garbage_not_collected")
            self._collection.note_end(clock())
        return self._collection.due_at(clock()) - clock()

    async def _reconcile(self) -> None:
        names, self._changed_names = self._changed_names, set()
        self._is_changed = False
        try:
            await self._start_preparations()
            await self._retire(names)
        except BaseException:
            self._changed_names |= names
            self._is_changed = True
            raise

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
        await self._outlast_window(version.last_modified)
        now = datetime.now(UTC)  # noqa: TID251 - an edge
        try:
            if reason is None:
                await self._database.run(mark_ready, name, number, deployment_id, now)
            else:
                await self._database.run(mark_failed, name, number, deployment_id, reason, now)
        except Exception:  # noqa: BLE001 - a task root: the row is found again and tried again
            _log.exception("state_not_stored", function=name, retry_after_s=_RETRY_S)
            await asyncio.sleep(_RETRY_S)
            self._look_again()
        finally:
            self._preparing.discard(key)

    async def _outlast_window(self, changed_at: datetime) -> None:
        """Wait until callers have had time to see the transition, which began then.

        The row says when, so that a restart in between waits for the rest only.
        """
        passed_s = (datetime.now(UTC) - changed_at).total_seconds()  # noqa: TID251 - an edge
        # A clock that was set back must not hold a function up.
        left_s = min(self._state_window_s - passed_s, self._state_window_s)
        if left_s > 0:
            await asyncio.sleep(left_s)

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


class Collection:
    """When to look for code that nothing needs, by a clock that only goes forward, seconds.

    Some time after the last change, since one change seldom comes alone; but at least once in a
    period, since some functions change by the minute, and what environments still use is kept.
    """

    def __init__(self, delay_s: float, period_s: float) -> None:
        self._delay_s, self._period_s = delay_s, period_s
        self._changed_at: float | None = None
        self._last_at: float | None = None

    def note_change(self, now: float) -> None:
        """Something changed that may have left code behind."""
        self._changed_at = now

    def note_end(self, now: float) -> None:
        """It was looked for."""
        self._changed_at, self._last_at = None, now

    def due_at(self, now: float) -> float:
        """When to look for it next."""
        if self._last_at is None:
            # The first time begins with the clock.
            self._last_at = now
        latest = self._last_at + self._period_s
        return latest if self._changed_at is None else min(latest, self._changed_at + self._delay_s)


def _references(deployment: Deployment) -> References:
    """What an environment's own deployment needs, in the rows still or not."""
    layers = tuple(layer.code.sha256 for layer in deployment.config.layers)
    return References(
        archives=frozenset((deployment.code.sha256, *layers)), layer_lists=frozenset({layers})
    )
