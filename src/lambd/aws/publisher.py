"""Calls by which the outcome of an asynchronous invocation reaches other services."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from lambd.aws.clients import ServiceClients
from lambd.model.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import (
        MessageAttributeValueTypeDef,
        MessageSystemAttributeValueTypeDef,
    )


class BusEntry(Protocol):
    """An event for a bus."""

    @property
    def source(self) -> str:
        """Who says it."""

    @property
    def detail_type(self) -> str:
        """What kind it is."""

    @property
    def resources(self) -> tuple[str, str]:
        """ARNs of what it is about."""

    @property
    def detail(self) -> str:
        """JSON."""


class AwsPublisher:
    """Publishes to SQS, SNS, EventBridge and S3; safe for concurrent use by threads.

    Every call raises UnavailableError when the service refused, or could not be reached.
    """

    def __init__(self, clients: ServiceClients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._queue_urls: dict[str, str] = {}

    def send_message(
        self,
        queue_arn: str,
        body: str,
        attributes: Mapping[str, tuple[str, str]],
        trace: str | None,
    ) -> None:
        """Send a message to a queue, with the trace header of what it comes from, if any."""
        system: dict[Literal["AWSTraceHeader"], MessageSystemAttributeValueTypeDef] = {}
        if trace is not None:
            system["AWSTraceHeader"] = {"DataType": "String", "StringValue": trace}
        with _told():
            self._clients.sqs(_region(queue_arn)).send_message(
                QueueUrl=self._queue_url(queue_arn),
                MessageBody=body,
                MessageAttributes=_attributes(attributes),
                MessageSystemAttributes=system,
            )

    def publish(
        self, topic_arn: str, message: str, attributes: Mapping[str, tuple[str, str]]
    ) -> None:
        """Publish a message to a topic."""
        with _told():
            self._clients.sns(_region(topic_arn)).publish(
                TopicArn=topic_arn, Message=message, MessageAttributes=_attributes(attributes)
            )

    def put_event(self, bus_arn: str, event: BusEntry) -> None:
        """Put an event on a bus."""
        with _told():
            reply = self._clients.events(_region(bus_arn)).put_events(
                Entries=[
                    {
                        "EventBusName": bus_arn,
                        "Source": event.source,
                        "DetailType": event.detail_type,
                        "Resources": list(event.resources),
                        "Detail": event.detail,
                    }
                ]
            )
        if reply["FailedEntryCount"]:
            entry = reply["Entries"][0]
            raise UnavailableError(
                f"{entry.get('ErrorCode', 'Unknown')}: {entry.get('ErrorMessage', '')}"
            )

    def put_object(self, bucket_arn: str, key: str, body: bytes) -> None:
        """Write an object into a bucket."""
        with _told():
            self._clients.s3().put_object(
                Bucket=bucket_arn.rpartition(":")[2],
                Key=key,
                Body=body,
                ContentType="application/json",
            )

    def _queue_url(self, arn: str) -> str:
        """The URL that the service gives; kept, since queues do not move."""
        with self._lock:
            known = self._queue_urls.get(arn)
        if known is not None:
            return known
        *_, region, account, name = arn.split(":")
        url = self._clients.sqs(region).get_queue_url(
            QueueName=name, QueueOwnerAWSAccountId=account
        )["QueueUrl"]
        with self._lock:
            self._queue_urls[arn] = url
        return url


@contextmanager
def _told() -> Iterator[None]:
    """Turn what boto3 raises into an error of ours."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError(str(error)) from error


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _attributes(
    attributes: Mapping[str, tuple[str, str]],
) -> dict[str, MessageAttributeValueTypeDef]:
    return {
        name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()
    }
