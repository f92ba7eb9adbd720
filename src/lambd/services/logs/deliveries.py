"""Log events to the functions that subscribed to them: packed, permitted, handed over.

An event of Lambda for each delivery, or several where one would be too large; it is Lambda's queue
that repeats what fails afterwards. What cannot be handed over is told in the platform's log and
dropped, as are deliveries when functions' logs outrun Lambda's queue. Form of the event:
eventsources.md, CloudWatch Logs.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog

from lambd.access import principals
from lambd.access.actions import INVOKE_FUNCTION
from lambd.access.authority import Authority
from lambd.access.context_keys import OnBehalf
from lambd.model.arns import FunctionReference, Scope, parse_function_reference
from lambd.model.errors import AccessDeniedError, InvalidParameterError, PlatformError
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.services.logs.group_names import group_arn
from lambd.services.logs.subscriptions import DeliveredEvent, Delivery
from lambd.services.service import Contexts
from lambd.telemetry.ids import new_id

_log = structlog.get_logger(__name__)

# Runs or queues an invocation (`InvokePipeline.invoke`).
Invoke = Callable[[InvocationRequest], Awaitable[InvocationResult | None]]

_WAITING_DELIVERIES = 1000
# Characters of messages in one event; it is small enough for Lambda even where nothing compresses.
_EVENT_CHARACTERS = 200_000


class SubscriptionDeliveries:
    """See the module header. Methods are called on the event loop."""

    def __init__(self, *, authority: Authority, contexts: Contexts, invoke: Invoke) -> None:
        self._authority = authority
        self._contexts = contexts
        self._invoke = invoke
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue(_WAITING_DELIVERIES)

    def take(self, delivery: Delivery) -> None:
        """Deliver it soon; never blocks."""
        try:
            self._waiting.put_nowait(delivery)
        except asyncio.QueueFull:
            _report("log_delivery_dropped", delivery, "too many are waiting")

    async def run(self) -> None:
        """Deliver what is taken, until cancelled."""
        while True:
            delivery = await self._waiting.get()
            try:
                await self._deliver(delivery)
            except PlatformError as error:
                _report("log_delivery_failed", delivery, error.message)
            except Exception:  # noqa: BLE001 - a task root
                _log.exception("log_delivery_broken", action="deliver", group=delivery.group)

    async def check(self, group: str, destination_arn: str) -> None:
        """Find out whether a destination can be delivered to.

        Raises:
            InvalidParameterError: it is no function here, or this group may not invoke it.
        """
        parts = destination_arn.split(":")
        if len(parts) < 6 or parts[0] != "arn":
            raise InvalidParameterError("Invalid destination ARN.")
        if parts[2] != "lambda":
            raise InvalidParameterError(
                "PutSubscriptionFilter operation cannot work with destinationArn for vendor "
                f"{parts[2]}"
            )
        try:
            await self._hand_over(group, destination_arn, b"null", InvocationType.DRY_RUN)
        except PlatformError as error:
            raise InvalidParameterError(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs "
                "permission to execute your function."
            ) from error

    async def _deliver(self, delivery: Delivery) -> None:
        scope = self._contexts(self._authority.root).scope
        for part in _parts(delivery.events):
            payload = await asyncio.to_thread(pack, delivery, part, scope.account_id)
            await self._hand_over(
                delivery.group, delivery.destination_arn, payload, InvocationType.EVENT
            )

    async def _hand_over(
        self, group: str, destination_arn: str, payload: bytes, kind: InvocationType
    ) -> None:
        scope = self._contexts(self._authority.root).scope
        function = parse_function_reference(destination_arn, scope)
        await self._authorise(group, function, scope)
        await self._invoke(
            InvocationRequest(
                request_id=new_id(),
                function_name=function.name,
                qualifier=function.qualifier,
                invocation_type=kind,
                payload=payload,
            )
        )

    async def _authorise(self, group: str, function: FunctionReference, scope: Scope) -> None:
        """Policies name the service with its region or, since there are opt-in regions, without."""
        names = (f"logs.{scope.region}.amazonaws.com", "logs.amazonaws.com")
        for last, name in enumerate(names, start=1 - len(names)):
            principal = principals.service(name)
            origin = OnBehalf(
                source_arn=f"{group_arn(scope, group)}:*",
                account_id=scope.account_id,
                now=self._contexts(principal).now,
            )
            try:
                pending = self._authority.authorise(principal, INVOKE_FUNCTION, function, origin)
                if pending is not None:
                    await pending
            except AccessDeniedError:
                if last == 0:
                    raise
            else:
                return


def pack(delivery: Delivery, events: Sequence[DeliveredEvent], account_id: str) -> bytes:
    """The event that a function gets."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": account_id,
        "logGroup": delivery.group,
        "logStream": delivery.stream,
        "subscriptionFilters": [delivery.filter_name],
        "logEvents": [
            {
                "id": f"{event.id:056d}",
                "timestamp": event.timestamp_ms,
                "message": event.message,
            }
            for event in events
        ],
    }
    data = base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0))
    return json.dumps({"awslogs": {"data": data.decode()}}).encode()


def _parts(events: Sequence[DeliveredEvent]) -> Iterator[Sequence[DeliveredEvent]]:
    start, size = 0, 0
    for index, event in enumerate(events):
        size += len(event.message)
        if size > _EVENT_CHARACTERS and index > start:
            yield events[start:index]
            start, size = index, len(event.message)
    yield events[start:]


def _report(what: str, delivery: Delivery, why: str) -> None:
    _log.warning(
        what,
        action="deliver",
        group=delivery.group,
        filter=delivery.filter_name,
        destination=delivery.destination_arn,
        events=len(delivery.events),
        error=why,
    )
