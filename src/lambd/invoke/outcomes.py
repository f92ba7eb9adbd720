"""Who is to hear how an event ended, and telling them. Source: invoke.md sections 3.1 and 3.2.

A failure goes to the dead-letter queue of the version and to the scope's on-failure destination,
both where both are set; a success to the on-success destination. Other services are told by calls
(`deliveries.py`), repeated a few times; functions by events that follow the one they tell of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from lambd.invoke.deliveries import Deliverer, service_of
from lambd.invoke.delivery_gates import DeliveryGates
from lambd.invoke.destinations import result_record
from lambd.invoke.event_options import EventCounts, EventOptions
from lambd.invoke.event_rules import backoff_s, now_us
from lambd.invoke.recursion import advance_lineage, is_exhausted
from lambd.model.arns import parse_function_reference
from lambd.model.errors import UnavailableError
from lambd.model.events import Condition, Outcome, QueuedEvent, Target, TargetKind
from lambd.model.settings import EventInvokeConfig, RecursiveLoop
from lambd.store.settings_cache import SettingsCache
from lambd.telemetry.ids import new_request_id

_log = structlog.get_logger(__name__)

# Times that a target is tried before it is given up.
DELIVERY_ATTEMPTS = 4

# The ARN of the dead-letter queue of what a function's qualifier leads to, if there is one.
DeadLetterReader = Callable[[str, str | None], Awaitable[str | None]]


class Left(NamedTuple):
    """What is to be told later, and in how many seconds."""

    outcome: Outcome
    delay_s: float


class Outcomes:
    """See the module header."""

    def __init__(
        self,
        *,
        deliverer: Deliverer,
        dead_letter: DeadLetterReader,
        settings: SettingsCache,
        options: EventOptions,
        now_us: Callable[[], int] = now_us,
    ) -> None:
        self._deliverer = deliverer
        self._dead_letter = dead_letter
        self._settings = settings
        self._gates = DeliveryGates()
        self._options = options
        self._now_us = now_us
        self.counts = EventCounts()

    def stop(self) -> None:
        """Begin no more calls; what is to be told stays on disk."""
        self._gates.close()

    def close(self) -> None:
        """Let calls under way end."""
        self._deliverer.close()

    async def of(
        self,
        event: QueuedEvent,
        condition: Condition,
        config: EventInvokeConfig,
        *,
        is_loop: bool = False,
    ) -> Outcome:
        """The outcome of an event that is done with, by recursion detection if `is_loop`."""
        targets: list[Target] = []
        if condition is Condition.SUCCESS:
            self.counts.succeeded += 1
            destination = config.on_success
        else:
            self.counts.dropped += 1
            report("event_failed", event, condition.value)
            destination = config.on_failure
            dead_letter = await self._dead_letter(event.function_name, event.qualifier)
            if dead_letter is not None:
                targets.append(Target(TargetKind.DEAD_LETTER_QUEUE, dead_letter))
        if destination is not None:
            target = Target(TargetKind.DESTINATION, destination)
            if is_loop and await self._goes_on(event, target):
                self._give_up(event, target, "it is part of the loop")
            else:
                targets.append(target)
        return Outcome(condition=condition, targets=tuple(targets))

    async def _goes_on(self, event: QueuedEvent, target: Target) -> bool:
        """Whether a target is a function that has run in this chain as often as it may."""
        if not _is_function(target):
            return False
        name = parse_function_reference(target.arn, self._options.scope).name
        settings = await self._settings.get(name)
        is_stopped = settings.recursive_loop is RecursiveLoop.TERMINATE
        arn = self._options.scope.function_arn(name)
        return is_stopped and is_exhausted(event.trace_header, arn)

    async def deliver(self, event: QueuedEvent, outcome: Outcome) -> Left | None:
        """Tell the targets that are no functions; what is left for later, if anything."""
        functions = tuple(target for target in outcome.targets if _is_function(target))
        failed: list[Target] = []
        crowded: list[Target] = []
        delay_s = 0.0
        for target in outcome.targets:
            if target in functions:
                continue
            again_s = await self._gates.enter(target.arn)
            if again_s is not None:
                crowded.append(target)
                delay_s = max(delay_s, again_s)
            elif not await self._tell(event, target):
                failed.append(target)
        failures = outcome.failed_deliveries + bool(failed)
        if failures >= DELIVERY_ATTEMPTS:
            for target in failed:
                self._give_up(event, target, "it could not be reached")
            failed.clear()
            failures = 0
        if not failed and not crowded:
            return None
        if failed:
            delay_s = max(delay_s, backoff_s(failures, self._options.first_backoff_s))
        left = Outcome(
            condition=outcome.condition,
            targets=(*failed, *crowded, *functions),
            failed_deliveries=failures,
        )
        return Left(left, delay_s)

    async def _tell(self, event: QueuedEvent, target: Target) -> bool:
        """Call a target, whose gate has been entered; whether it was told."""
        is_reached = False
        try:
            await self._deliverer.deliver(event, target, self._now_us())
            is_reached = True
        except UnavailableError as error:
            report("event_delivery_failed", event, f"{target.arn}: {error.message}")
        finally:
            self._gates.leave(target.arn, is_reached=is_reached)
        return is_reached

    def followers(self, event: QueuedEvent, outcome: Outcome) -> tuple[QueuedEvent, ...]:
        """The events that tell functions."""
        found = (
            self._follower(event, target) for target in outcome.targets if _is_function(target)
        )
        return tuple(follower for follower in found if follower is not None)

    def _follower(self, event: QueuedEvent, target: Target) -> QueuedEvent | None:
        """The event that tells a function; None when it would be too large for one."""
        moment_us, scope = self._now_us(), self._options.scope
        payload = result_record(event, scope, moment_us).encode()
        if len(payload) > self._options.limits.async_payload_bytes:
            self._give_up(event, target, "the record is too large for an event")
            return None
        function = parse_function_reference(target.arn, scope)
        return QueuedEvent(
            request_id=new_request_id(),
            function_name=function.name,
            qualifier=function.qualifier,
            payload=payload,
            # It follows from this function's run, so a circle of destinations is seen as one.
            trace_header=advance_lineage(
                event.trace_header, scope.function_arn(event.function_name), terminate=False
            ),
            accepted_us=moment_us,
            due_us=moment_us,
        )

    def _give_up(self, event: QueuedEvent, target: Target, reason: str) -> None:
        if target.kind is TargetKind.DEAD_LETTER_QUEUE:
            self.counts.dead_letter_failures += 1
        else:
            self.counts.destination_failures += 1
        report("event_target_given_up", event, f"{target.arn}: {reason}")


def needs_delivery(outcome: Outcome) -> bool:
    """Whether a target is to be told by a call."""
    return not all(_is_function(target) for target in outcome.targets)


def report(action: str, event: QueuedEvent, reason: str) -> None:
    """Write what went wrong with an event to the platform's log."""
    _log.warning(action, function=event.function_name, request_id=event.request_id, reason=reason)


def _is_function(target: Target) -> bool:
    return service_of(target.arn) == "lambda"
