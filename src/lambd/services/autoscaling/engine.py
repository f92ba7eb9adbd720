"""The loop behind Application Auto Scaling: policies, schedules, and the ends of activities.

What is to be done is in the rows, and so survives a restart; only the measurements begin anew.
Every change it makes is one transaction of `control`, with the activity that tells of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from lambd.control.context import ControlContext
from lambd.model.clock_watch import ClockWatch
from lambd.model.provisioned import ProvisionedUse
from lambd.services.autoscaling.action_rows import next_due
from lambd.services.autoscaling.activity_rows import pending_activities
from lambd.services.autoscaling.capacity import settle_activities
from lambd.services.autoscaling.model import ScalingPolicy, parse_resource_id
from lambd.services.autoscaling.rows import all_policies
from lambd.services.autoscaling.scheduled_actions import plan_anew, run_due, skip_missed
from lambd.services.autoscaling.targets import follow_alarm
from lambd.services.autoscaling.tracker import Tracker
from lambd.store.database import Change, Connection, Database, ScalingChanged
from lambd.store.follower import Follower, seconds_until

_log = structlog.get_logger(__name__)

# Samples in a period; but at most one in so long, seconds, and at least one.
_SAMPLES = 60
_TICK_MIN_S, _TICK_MAX_S = 0.02, 1.0


class ScalingEngine:
    """See the module header; `run` under the root task group."""

    def __init__(
        self,
        *,
        database: Database,
        context: Callable[[], ControlContext],
        provisioned_use: Callable[[str, str], ProvisionedUse],
        period_s: float,
    ) -> None:
        """Args:
        database: where the rows are.
        context: the surroundings of what is done now; its time is the schedules' clock.
        provisioned_use: function and qualifier -> how its provisioned environments are used.
        period_s: of one measurement.
        """
        self._database = database
        self._context = context
        self._provisioned_use = provisioned_use
        self._period_s = period_s
        self._tick_s = min(max(period_s / _SAMPLES, _TICK_MIN_S), _TICK_MAX_S)
        self._is_stale = True
        self._policies: list[ScalingPolicy] = []
        self._trackers: dict[int, Tracker] = {}
        self._next_due: datetime | None = None
        self._is_waiting = False
        self._clock = ClockWatch()
        # Whether a clock that was ahead may have planned something: before the start, or now.
        self._may_be_astray = True
        self._follower = Follower("autoscaling", self._step, start=self._begin)
        database.subscribe(self._note)

    def _note(self, change: Change) -> None:
        if isinstance(change, ScalingChanged):
            self._is_stale = True
            self._follower.wake()

    async def run(self) -> None:
        """Scale until cancelled; what came due before is left out."""
        await self._follower.run()

    async def _begin(self) -> None:
        await self._database.run(skip_missed, self._context())

    async def _step(self) -> float | None:
        """Do what there is to do now; seconds until there is more."""
        try:
            await self._work()
        except BaseException:
            # What failed may have changed rows.
            self._is_stale = True
            raise
        return self._rest_s()

    async def _work(self) -> None:
        context = self._context()
        if self._clock.was_set_back(context.now, asyncio.get_running_loop().time()):
            _log.warning("clock_set_back", now=context.now.isoformat())
            self._may_be_astray = True
        if self._may_be_astray:
            await self._database.run(plan_anew, context)
            self._may_be_astray = False
        if self._is_stale:
            self._is_stale = False
            await self._read()
        if self._next_due is not None and self._next_due <= self._context().now:
            await self._database.run(run_due, self._context())
        if self._is_waiting:
            waiting = await self._database.run(settle_activities, self._context())
            self._is_waiting = bool(waiting)
        for policy in self._policies:
            await self._measure(policy)

    async def _read(self) -> None:
        self._policies, self._next_due, self._is_waiting = await self._database.read(_read_plan)
        known = {policy.id for policy in self._policies}
        for policy_id in self._trackers.keys() - known:
            del self._trackers[policy_id]

    async def _measure(self, policy: ScalingPolicy) -> None:
        tracker = self._trackers.setdefault(policy.id, Tracker(self._period_s))
        reference = parse_resource_id(policy.resource_id)
        use = self._provisioned_use(reference.name, reference.qualifier or "")
        now = asyncio.get_running_loop().time()
        state = tracker.sample(use, policy.tracking.target_value, now)
        if state is not None:
            alarm, utilisation = state
            await self._database.run(follow_alarm, self._context(), policy.id, alarm, utilisation)
            self._is_waiting = True

    def _rest_s(self) -> float | None:
        """Until something is due, or is to be measured."""
        due_in_s = seconds_until(self._next_due, self._context().now)
        if not (self._policies or self._is_waiting):
            return due_in_s
        return self._tick_s if due_in_s is None else min(self._tick_s, due_in_s)


def _read_plan(connection: Connection) -> tuple[list[ScalingPolicy], datetime | None, bool]:
    """The policies, when an action is due next, and whether an activity waits for its end."""
    is_waiting = bool(pending_activities(connection))
    return all_policies(connection), next_due(connection), is_waiting
