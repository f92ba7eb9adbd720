"""Asynchronous invocations through boto3: every target, attributes of dead letters, kills."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.acceptance.conftest import Server, wait_at_rest
from tests.acceptance.world import make
from tests.integration.moto_process import Moto, moto_server

from lambd.model.events import QueuedEvent
from lambd.store.database import create_sqlite_engine
from lambd.store.events import Writes, list_backlogs, write_events

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = "def handler(event, context):\n    return {'got': event}\n"
FAIL = "def handler(event, context):\n    raise ValueError('no')\n"


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """The other services."""
    with moto_server() as made:
        yield made


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, moto: Moto) -> Iterator[Server]:
    """A platform that retries at once and finds all services at one endpoint."""
    directory: Path = tmp_path_factory.mktemp("async")
    config = directory / "lambd.toml"
    config.write_text(f'event_retry_delays_s = [0.01, 0.02]\naws_endpoint_url = "{moto.url}"\n')
    made = Server(
        directory / "data",
        *("--config", str(config)),
        environ={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )
    made.start()
    yield made
    assert made.stop() == 0


def invoke(aws: LambdaClient, name: str, payload: bytes, **arguments: Any) -> str:
    """Accept an event; its request id."""
    reply = aws.invoke(FunctionName=name, InvocationType="Event", Payload=payload, **arguments)
    assert reply["StatusCode"] == 202
    assert reply["Payload"].read() == b""
    return reply["ResponseMetadata"]["RequestId"]


def test_queue_and_topic_hear_of_a_success(platform: Server, moto: Moto) -> None:
    """The same record as message of the queue, and inside the topic's envelope."""
    aws = platform.lambda_client()
    queue, url = moto.queue("successes")
    topic = moto.topic("successes", queue)
    name = make(aws, "echo", ECHO, Publish=True)
    for qualifier, target in (("$LATEST", queue), ("1", topic)):
        aws.put_function_event_invoke_config(
            FunctionName=name,
            Qualifier=qualifier,
            DestinationConfig={"OnSuccess": {"Destination": target}},
        )
    number = invoke(aws, name, b'{ "n": 1.50 }')
    (message,) = moto.messages(url)
    assert '"requestPayload":{ "n": 1.50 },' in message["Body"]
    record = json.loads(message["Body"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": number,
            "functionArn": f"{ARN}{name}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1.5},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"got": {"n": 1.5}},
    }
    number = invoke(aws, name, b"2", Qualifier="1")
    (message,) = moto.messages(url)
    record = json.loads(json.loads(message["Body"])["Message"])
    assert record["requestContext"]["requestId"] == number
    assert record["requestContext"]["functionArn"] == f"{ARN}{name}:1"


def test_a_bus_hears_of_a_failure(platform: Server, moto: Moto) -> None:
    """As an event with the bus and the function as resources."""
    aws = platform.lambda_client()
    queue, url = moto.queue("bus-events")
    bus = moto.bus("outcomes", queue)
    name = make(aws, "fails-to-bus", FAIL)
    aws.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": bus}}
    )
    invoke(aws, name, b"{}")
    (message,) = moto.messages(url)
    event = json.loads(message["Body"])
    assert event["source"] == "lambda"
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert event["resources"] == [bus, f"{ARN}{name}:$LATEST"]
    assert event["detail"]["requestContext"]["condition"] == "RetriesExhausted"
    assert event["detail"]["requestContext"]["approximateInvokeCount"] == 3
    assert event["detail"]["responseContext"]["functionError"] == "Unhandled"


def test_a_bucket_keeps_failures(platform: Server, moto: Moto) -> None:
    """Under a key with function and time."""
    aws, s3 = platform.lambda_client(), moto.client("s3")
    s3.create_bucket(Bucket="failures")
    name = make(aws, "fails-to-bucket", FAIL)
    aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}},
    )
    number = invoke(aws, name, b"{}")
    deadline = time.monotonic() + 30
    while not (found := s3.list_objects_v2(Bucket="failures").get("Contents", [])):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (item,) = found
    assert re.fullmatch(
        rf"aws/lambda/async/{name}/\d{{4}}/\d\d/\d\d/"
        r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}",
        item["Key"],
    )
    record = json.load(s3.get_object(Bucket="failures", Key=item["Key"])["Body"])
    assert record["requestContext"]["requestId"] == number


def test_dead_letter_queues(platform: Server, moto: Moto) -> None:
    """The event verbatim with its attributes, beside the on-failure destination; per version."""
    aws = platform.lambda_client()
    queue, url = moto.queue("dead")
    other, other_url = moto.queue("failed")
    name = make(aws, "dies", FAIL, DeadLetterConfig={"TargetArn": queue}, Publish=True)
    assert aws.get_function_configuration(FunctionName=name)["DeadLetterConfig"] == {
        "TargetArn": queue
    }
    aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": other}},
    )
    number = invoke(aws, name, b'{ "verbatim": 1.0 }')
    (message,) = moto.messages(url)
    assert message["Body"] == '{ "verbatim": 1.0 }'
    attributes = {
        key: (value["DataType"], value["StringValue"])
        for key, value in message["MessageAttributes"].items()
    }
    assert attributes == {
        "RequestID": ("String", number),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "no"),
    }
    (message,) = moto.messages(other_url)
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 2
    topic = moto.topic("dead", queue)
    aws.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": topic})
    wait_at_rest(aws, name)
    invoke(aws, name, b'"to the topic"')
    (message,) = moto.messages(url)
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == '"to the topic"'
    assert envelope["MessageAttributes"]["ErrorCode"]["Value"] == "200"
    moto.messages(other_url)
    invoke(aws, name, b'"version"', Qualifier="1")
    (message,) = moto.messages(url)
    assert message["Body"] == '"version"'
    # An empty structure says nothing.
    kept: Any = aws.update_function_configuration(FunctionName=name, DeadLetterConfig={})
    assert kept["DeadLetterConfig"] == {"TargetArn": topic}
    wait_at_rest(aws, name)
    aws.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in wait_at_rest(aws, name)


def test_throttled_events_run_later(platform: Server, moto: Moto) -> None:
    """A reservation of one: all run, one after the other, none counted as a failure."""
    aws = platform.lambda_client()
    queue, url = moto.queue("throttled")
    source = "import time\ndef handler(event, context):\n    time.sleep(0.05)\n    return event\n"
    name = make(aws, "narrow", source)
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    aws.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue}}
    )
    for number in range(6):
        invoke(aws, name, json.dumps(number).encode())
    records = [json.loads(message["Body"]) for message in moto.messages(url, 6)]
    assert sorted(record["responsePayload"] for record in records) == [*range(6)]
    assert {record["requestContext"]["approximateInvokeCount"] for record in records} == {1}


def test_the_largest_event(platform: Server, moto: Moto) -> None:
    """A megabyte is stored and arrives; a byte more is refused."""
    aws = platform.lambda_client()
    queue, url = moto.queue("sizes")
    name = make(aws, "sizes", "def handler(event, context):\n    return len(event)\n")
    aws.put_function_event_invoke_config(
        FunctionName=name,
        DestinationConfig={"OnSuccess": {"Destination": moto.topic("sizes", queue)}},
    )
    invoke(aws, name, b'"' + b"x" * (1_048_576 - 2) + b'"')
    (message,) = moto.messages(url)
    record = json.loads(json.loads(message["Body"])["Message"])
    assert record["responsePayload"] == 1_048_574
    assert "requestPayload" not in record
    with pytest.raises(ClientError) as caught:
        invoke(aws, name, b'"' + b"x" * (1_048_576 - 1) + b'"')
    assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"


@pytest.mark.slow
@pytest.mark.oci
def test_a_backlog_delays_no_other_function(tmp_path: Path, moto: Moto) -> None:
    """A fresh event runs at once although 100,000 of another function wait; memory stays flat."""
    config = tmp_path / "lambd.toml"
    config.write_text(f'aws_endpoint_url = "{moto.url}"\n')
    server = Server(
        tmp_path / "data",
        *("--config", str(config)),
        environ={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )
    server.start()
    aws = server.lambda_client()
    busy, fresh = make(aws, "busy", ECHO), make(aws, "fresh", ECHO)
    queue, url = moto.queue("fair")
    aws.put_function_event_invoke_config(
        FunctionName=fresh, DestinationConfig={"OnSuccess": {"Destination": queue}}
    )
    assert server.stop() == 0
    store_backlog(server.data_dir, busy, 100_000)
    server.start()
    assert server.process is not None
    for _ in range(3):
        invoke(aws, fresh, b"1")
        moto.messages(url)
    # Far from all of the backlog ran first.
    assert backlog(server.data_dir) > 50_000
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (resident,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    assert int(resident) < 250 * 1024
    server.kill()


def backlog(data_dir: Path) -> int:
    """How many events wait in the queue of a platform that runs."""
    engine = create_sqlite_engine(data_dir / "lambd.sqlite3")
    try:
        with engine.connect() as connection:
            return sum(each.events for each in list_backlogs(connection))
    finally:
        engine.dispose()


def store_backlog(data_dir: Path, function: str, count: int) -> None:
    """Put events into the queue of a platform that does not run."""
    now_us = time.time_ns() // 1000
    events = [
        QueuedEvent(
            id=number,
            request_id=f"backlog-{number}",
            function_name=function,
            qualifier=None,
            payload=b"{}",
            trace_header="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            accepted_us=now_us,
            due_us=now_us,
        )
        for number in range(1, count + 1)
    ]
    engine = create_sqlite_engine(data_dir / "lambd.sqlite3")
    with engine.execution_options(writes=True).begin() as connection:
        write_events(connection, Writes(added=events, updated=(), removed=()))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(180)
def test_no_acknowledged_event_is_lost_by_kills(tmp_path: Path, moto: Moto) -> None:
    """The whole platform killed under load, with real functions; few events run twice."""
    config = tmp_path / "lambd.toml"
    config.write_text(f'event_retry_delays_s = [0.01]\naws_endpoint_url = "{moto.url}"\n')
    server = Server(
        tmp_path / "data",
        *("--config", str(config)),
        environ={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )
    server.start()
    aws = server.lambda_client()
    name = make(aws, "counted", "def handler(event, context):\n    print('RAN', event)\n")
    queue, url = moto.queue("killed")
    aws.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue}}
    )
    acknowledged: list[str] = []
    for _ in range(3):
        stop = threading.Event()

        def load(stop: threading.Event = stop) -> None:
            client = server.lambda_client()
            while not stop.is_set():
                try:
                    acknowledged.append(invoke(client, name, b"{}"))
                except (BotoCoreError, ClientError):
                    return

        threads = [threading.Thread(target=load) for _ in range(4)]
        goal = len(acknowledged) + 50
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(acknowledged) < goal and time.monotonic() < deadline:
            time.sleep(0.005)
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        assert len(acknowledged) >= goal
        server.start()
    told: Counter[str] = Counter()
    while missing := set(acknowledged) - set(told):
        for message in moto.messages(url, timeout_s=60):
            told[json.loads(message["Body"])["requestContext"]["requestId"]] += 1
    assert not missing
    assert server.stop() == 0
    # Of each kill, those that were being attempted or told.
    assert told.total() - len(told) <= 3 * 32


@pytest.mark.oci
def test_the_log_of_an_event_that_is_gone_survives_a_kill(tmp_path: Path) -> None:
    """Down to its report: whoever finds no event any more finds what its function wrote."""
    server = Server(tmp_path / "data")
    server.start()
    aws = server.lambda_client()
    name = make(aws, "logged", "def handler(event, context):\n    print('RAN', event)\n")
    accepted = [invoke(aws, name, json.dumps(number).encode()) for number in range(20)]
    deadline = time.monotonic() + 30
    while backlog(server.data_dir) and time.monotonic() < deadline:
        time.sleep(0.001)
    server.kill()
    server.start()
    assert backlog(server.data_dir) == 0
    pages = server.logs_client().get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=f"/aws/lambda/{name}")
    lines = [event["message"] for page in found for event in page["events"]]
    assert {line for line in lines if line.startswith("RAN")} == {f"RAN {n}\n" for n in range(20)}
    reports = [line for line in lines if line.startswith("REPORT")]
    assert all(any(request in line for line in reports) for request in accepted)
    assert server.stop() == 0
