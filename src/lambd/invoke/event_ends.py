"""How an event ends and who is to hear of it. Source: invoke.md sections 3.1 and 3.2.

A failure goes to the dead-letter queue of the version and to the scope's on-failure destination,
both where both are set; a success to the on-success destination. Other services are told by calls
(`deliveries.py`), functions by events that follow the one they tell of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lambd.invoke.delivery_calls import service_of
from lambd.invoke.destinations import result_record
from lambd.invoke.event_attempts import Ended
from lambd.invoke.event_options import EventCounts, EventOptions, report
from lambd.invoke.recursion import advance_lineage, is_exhausted
from lambd.model.arns import parse_function_reference
from lambd.model.events import EndReason, EventEnd, QueuedEvent, Target, TargetKind
from lambd.model.function_controls import RecursiveLoop
from lambd.store.controls_cache import ControlsCache
from lambd.telemetry.ids import new_request_id

# The ARN of the dead-letter queue of what a function's qualifier leads to, if there is one.
DeadLetterReader = Callable[[str, str | None], Awaitable[str | None]]


class EventEnds:
    """See the module header; it counts ends, and targets that cannot be told."""

    def __init__(
        self,
        *,
        dead_letter: DeadLetterReader,
        controls: ControlsCache,
        options: EventOptions,
        counts: EventCounts,
        now_us: Callable[[], int],
    ) -> None:
        self._dead_letter = dead_letter
        self._controls = controls
        self._options = options
        self._counts = counts
        self._now_us = now_us

    async def of(self, event: QueuedEvent, ended: Ended) -> EventEnd:
        """The end of an event that is done with, and whom it concerns."""
        targets: list[Target] = []
        if ended.reason is EndReason.SUCCESS:
            self._counts.succeeded += 1
            destination = ended.config.on_success
        else:
            self._counts.dropped += 1
            report("event_failed", event, ended.reason.value)
            destination = ended.config.on_failure
            dead_letter = await self._dead_letter(event.function_name, event.qualifier)
            if dead_letter is not None:
                targets.append(Target(TargetKind.DEAD_LETTER_QUEUE, dead_letter))
        if destination is not None:
            target = Target(TargetKind.DESTINATION, destination)
            if ended.is_loop and await self._goes_on(event, target):
                self._counts.give_up(event, target, "it is part of the loop")
            else:
                targets.append(target)
        return EventEnd(reason=ended.reason, targets=tuple(targets))

    def successors(self, event: QueuedEvent, end: EventEnd) -> tuple[QueuedEvent, ...]:
        """The events that tell functions of it."""
        found = (self._successor(event, target) for target in end.targets if is_function(target))
        return tuple(successor for successor in found if successor is not None)

    async def _goes_on(self, event: QueuedEvent, target: Target) -> bool:
        """Whether a target is a function that has run in this chain as often as it may."""
        if not is_function(target):
            return False
        name = parse_function_reference(target.arn, self._options.scope).name
        controls = await self._controls.get(name)
        is_stopped = controls.recursive_loop is RecursiveLoop.TERMINATE
        arn = self._options.scope.function_arn(name)
        return is_stopped and is_exhausted(event.trace_header, arn)

    def _successor(self, event: QueuedEvent, target: Target) -> QueuedEvent | None:
        """The event that tells a function; None when it would be too large for one."""
        moment_us, scope = self._now_us(), self._options.scope
        payload = result_record(event, scope, moment_us).encode()
        if len(payload) > self._options.limits.async_payload_bytes:
            self._counts.give_up(event, target, "the record is too large for an event")
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


def needs_delivery(end: EventEnd) -> bool:
    """Whether a target is to be told by a call."""
    return not all(is_function(target) for target in end.targets)


def is_function(target: Target) -> bool:
    """Whether a target is told by an event."""
    return service_of(target.arn) == "lambda"
