"""Telling the services around Lambda how events ended: which call for which ARN.

Calls block, so they run on threads of their own, a bounded number. Functions are not told from
here: an event for them goes into the queue, in the transaction that ends the one it tells of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from lambd.invoke.destinations import (
    SNS_MESSAGE_BYTES,
    SQS_MESSAGE_BYTES,
    BusEvent,
    bus_event,
    dead_letter_attributes,
    event_text,
    object_key,
    result_record,
)
from lambd.model.arns import Scope
from lambd.model.errors import UnavailableError
from lambd.model.events import QueuedEvent, Target, TargetKind

# Name -> type and value.
Attributes = dict[str, tuple[str, str]]
_THREADS = 32


class Publisher(Protocol):
    """Calls to other services (`aws/publisher.py`); each raises UnavailableError."""

    def send_message(self, queue_arn: str, body: str, attributes: Attributes, trace: str) -> None:
        """SQS."""

    def publish(self, topic_arn: str, message: str, attributes: Attributes) -> None:
        """SNS."""

    def put_event(self, bus_arn: str, event: BusEvent) -> None:
        """EventBridge."""

    def put_object(self, bucket_arn: str, key: str, body: bytes) -> None:
        """S3."""


def service_of(arn: str) -> str:
    """The service that an ARN names."""
    return arn.split(":", 3)[2]


class DeliveryCalls:
    """See the module header."""

    def __init__(self, publisher: Publisher, scope: Scope) -> None:
        self._publisher = publisher
        self._scope = scope
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="deliver")

    def close(self) -> None:
        """Let calls under way end (they take seconds at most), make no more."""
        self._threads.shutdown(cancel_futures=True)

    async def tell(self, event: QueuedEvent, target: Target, now_us: int) -> None:
        """Tell one target.

        Raises:
            UnavailableError: it was not told.
        """
        call = self._call(event, target, now_us)
        await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _call(self, event: QueuedEvent, target: Target, now_us: int) -> Callable[[], None]:
        publisher, scope, arn = self._publisher, self._scope, target.arn
        service = service_of(arn)
        is_dead_letter = target.kind is TargetKind.DEAD_LETTER_QUEUE

        def call() -> None:
            attributes = dead_letter_attributes(event) if is_dead_letter else {}
            if service == "sqs":
                body = (
                    event_text(event)
                    if is_dead_letter
                    else result_record(event, scope, now_us, limit_bytes=SQS_MESSAGE_BYTES)
                )
                publisher.send_message(arn, body, attributes, event.trace_header)
            elif service == "sns":
                body = (
                    event_text(event)
                    if is_dead_letter
                    else result_record(event, scope, now_us, limit_bytes=SNS_MESSAGE_BYTES)
                )
                publisher.publish(arn, body, attributes)
            elif service == "events":
                publisher.put_event(arn, bus_event(event, scope, now_us, arn))
            elif service == "s3":
                body = result_record(event, scope, now_us)
                publisher.put_object(arn, object_key(event, now_us), body.encode())
            else:
                raise UnavailableError(f"{arn} cannot be told of anything")

        return call
