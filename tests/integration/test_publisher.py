"""Telling SQS, SNS, EventBridge and S3, played by a moto server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.integration.moto_process import Moto, moto_server

from lambd.aws.clients import Endpoints, ServiceClients
from lambd.aws.publisher import AwsPublisher
from lambd.invoke.destinations import BusEvent
from lambd.model.errors import UnavailableError

ATTRIBUTES = {"RequestID": ("String", "r"), "ErrorCode": ("Number", "200")}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """One server for all."""
    with moto_server() as server:
        yield server


@pytest.fixture
def publisher(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsPublisher:
    """At the server, with credentials that boto3 finds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    url = moto.url
    return AwsPublisher(
        ServiceClients(Endpoints(s3=url, sqs=url, sns=url, events=url), "us-east-1")
    )


def test_a_message_with_attributes(moto: Moto, publisher: AwsPublisher) -> None:
    """The queue is found by its ARN; the trace goes along."""
    arn, url = moto.queue("plain")
    for _ in range(2):
        publisher.send_message(arn, '{"n":1}', ATTRIBUTES, TRACE)
    message, _ = moto.messages(url, 2)
    assert message["Body"] == '{"n":1}'
    found = message["MessageAttributes"]
    assert found["RequestID"] == {"StringValue": "r", "DataType": "String"}
    assert found["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    assert message["Attributes"]["AWSTraceHeader"] == TRACE


def test_a_message_of_a_topic(moto: Moto, publisher: AwsPublisher) -> None:
    """With attributes."""
    arn, url = moto.queue("of-topic")
    publisher.publish(moto.topic("topic", arn), '{"n":1}', ATTRIBUTES)
    (message,) = moto.messages(url)
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == '{"n":1}'
    assert envelope["MessageAttributes"]["ErrorCode"]["Value"] == "200"


def test_an_event_of_a_bus(moto: Moto, publisher: AwsPublisher) -> None:
    """Detail, kind and resources."""
    arn, url = moto.queue("of-bus")
    bus = moto.bus("bus", arn)
    resources = (bus, "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST")
    publisher.put_event(
        bus, BusEvent(source="lambda", detail_type="kind", resources=resources, detail='{"n":1}')
    )
    (message,) = moto.messages(url)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("lambda", "kind")
    assert event["resources"] == list(resources)
    assert event["detail"] == {"n": 1}


def test_an_object(moto: Moto, publisher: AwsPublisher) -> None:
    """In the bucket of the ARN."""
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="records")
    publisher.put_object("arn:aws:s3:::records", "a/b", b"{}")
    assert s3.get_object(Bucket="records", Key="a/b")["Body"].read() == b"{}"


def test_refusals_are_errors_of_ours(publisher: AwsPublisher) -> None:
    """Targets that are not there, and services."""
    with pytest.raises(UnavailableError, match="NonExistentQueue"):
        publisher.send_message("arn:aws:sqs:us-east-1:000000000000:none", "{}", {}, TRACE)
    with pytest.raises(UnavailableError, match="NotFound"):
        publisher.publish("arn:aws:sns:us-east-1:000000000000:none", "{}", {})
    with pytest.raises(UnavailableError, match="NoSuchBucket"):
        publisher.put_object("arn:aws:s3:::none", "key", b"")
    nowhere = AwsPublisher(ServiceClients(Endpoints(sns="http://127.0.0.1:1"), "us-east-1"))
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        nowhere.publish("arn:aws:sns:us-east-1:000000000000:t", "{}", {})
