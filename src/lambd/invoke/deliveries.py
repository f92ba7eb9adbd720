"""Telling the targets of an event's end that are no functions: a few times each, one line a target.

Which call tells whom is `delivery_calls.py`'s, how many calls are under way `delivery_gates.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import structlog

from lambd.invoke.delivery_calls import DeliveryCalls
from lambd.invoke.delivery_gates import DeliveryGates
from lambd.invoke.event_ends import is_function
from lambd.invoke.event_options import EventCounts, EventOptions, report
from lambd.invoke.event_rules import backoff_s
from lambd.model.errors import UnavailableError
from lambd.model.events import EventEnd, QueuedEvent, Target

_log = structlog.get_logger(__name__)

# Times that a target is tried before it is given up.
DELIVERY_ATTEMPTS = 4


class Left(NamedTuple):
    """What is to be told later, and in how many seconds."""

    end: EventEnd
    delay_s: float


class Deliveries:
    """See the module header; it counts targets that are given up."""

    def __init__(
        self,
        *,
        calls: DeliveryCalls,
        options: EventOptions,
        counts: EventCounts,
        now_us: Callable[[], int],
    ) -> None:
        self._calls = calls
        self._gates = DeliveryGates()
        self._options = options
        self._counts = counts
        self._now_us = now_us

    def stop(self) -> None:
        """Begin no more calls; what is to be told stays on disk."""
        self._gates.close()

    def close(self) -> None:
        """Let calls under way end; blocks."""
        self._calls.close()

    async def deliver(self, event: QueuedEvent, end: EventEnd) -> Left | None:
        """Tell the targets; what is left for later, if anything. Raises nothing."""
        try:
            return await self._deliver(event, end)
        except Exception:  # noqa: BLE001 - a task root: a fault of ours must not lose the event
            _log.exception("event_crashed", request_id=event.request_id)
            event.faults += 1
            return Left(end, backoff_s(event.faults, self._options.first_backoff_s))

    async def _deliver(self, event: QueuedEvent, end: EventEnd) -> Left | None:
        functions = tuple(target for target in end.targets if is_function(target))
        failed: list[Target] = []
        crowded: list[Target] = []
        delay_s = 0.0
        for target in end.targets:
            if target in functions:
                continue
            again_s = await self._gates.enter(target.arn)
            if again_s is not None:
                crowded.append(target)
                delay_s = max(delay_s, again_s)
            elif not await self._tell(event, target):
                failed.append(target)
        failures = end.failed_deliveries + bool(failed)
        if failures >= DELIVERY_ATTEMPTS:
            for target in failed:
                self._counts.give_up(event, target, "it could not be reached")
            failed.clear()
            failures = 0
        if not failed and not crowded:
            return None
        if failed:
            delay_s = max(delay_s, backoff_s(failures, self._options.first_backoff_s))
        left = EventEnd(
            reason=end.reason,
            targets=(*failed, *crowded, *functions),
            failed_deliveries=failures,
        )
        return Left(left, delay_s)

    async def _tell(self, event: QueuedEvent, target: Target) -> bool:
        """Call a target, whose gate has been entered; whether it was told."""
        is_reached = False
        try:
            await self._calls.tell(event, target, self._now_us())
            is_reached = True
        except UnavailableError as error:
            report("event_delivery_failed", event, f"{target.arn}: {error.message}")
        finally:
            self._gates.leave(target.arn, is_reached=is_reached)
        return is_reached
