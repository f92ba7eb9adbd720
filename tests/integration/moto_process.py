"""Other AWS services for tests: a moto server as a process of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3

REGION = "us-east-1"
_START_TIMEOUT_S = 60.0


class Moto:
    """A server that plays SQS, SNS, EventBridge and S3."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str) -> Any:
        """A client of one of the services."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of them
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def queue(self, name: str) -> tuple[str, str]:
        """Make a queue: its ARN and its URL."""
        sqs = self.client("sqs")
        url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"], url

    def topic(self, name: str, queue_arn: str) -> str:
        """Make a topic that passes its messages on to a queue: its ARN."""
        sns = self.client("sns")
        arn: str = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        return arn

    def bus(self, name: str, queue_arn: str) -> str:
        """Make an event bus that passes all events on to a queue: its ARN."""
        events = self.client("events")
        arn: str = events.create_event_bus(Name=name)["EventBusArn"]
        events.put_rule(Name="all", EventBusName=name, EventPattern='{"source":["lambda"]}')
        events.put_targets(
            Rule="all", EventBusName=name, Targets=[{"Id": "queue", "Arn": queue_arn}]
        )
        return arn

    def messages(self, queue_url: str, count: int = 1, timeout_s: float = 30.0) -> list[Any]:
        """So many messages, with their attributes, once they are there."""
        sqs = self.client("sqs")
        found: list[Any] = []
        deadline = time.monotonic() + timeout_s
        while len(found) < count:
            assert time.monotonic() < deadline, found
            reply = sqs.receive_message(
                QueueUrl=queue_url,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=0,
            )
            for message in reply.get("Messages", []):
                found.append(message)
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            if len(found) < count:
                time.sleep(0.02)
        return found


@contextlib.contextmanager
def moto_server() -> Iterator[Moto]:
    """Start it, wait until it answers, end it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Moto(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
