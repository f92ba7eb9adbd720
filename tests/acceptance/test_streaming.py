"""Response streaming through boto3: InvokeWithResponseStream, and what Python generates."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def stream(
    aws: LambdaClient, name: str, event: object = None, **arguments: Any
) -> Iterator[dict[str, Any]]:
    """The events of a streamed invocation, as they come."""
    reply = aws.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps(event).encode(), **arguments
    )
    yield from reply["EventStream"]  # type: ignore[misc]  # a union of one-key dicts


def collect(events: Iterator[dict[str, Any]]) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a stream and its last event."""
    body = b""
    complete: dict[str, Any] | None = None
    for event in events:
        assert complete is None, event
        if "PayloadChunk" in event:
            body += event["PayloadChunk"]["Payload"]
        else:
            complete = event["InvokeComplete"]
    assert complete is not None
    return body, complete


def test_the_first_part_is_there_before_the_handler_ends(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """The handler goes on only after another invocation, which is made once the part was read."""
    gate = create(
        """
        def handler(event, context):
            return context.aws_request_id
        """
    )
    name = create(
        """
        import boto3, time
        def handler(event, context):
            yield "first"
            client = boto3.client("lambda")
            deadline = time.monotonic() + 50
            while not client.list_tags(Resource=event)["Tags"] and time.monotonic() < deadline:
                time.sleep(0.05)
            yield "second" if time.monotonic() < deadline else "nobody came"
        """,
        Timeout=60,
        MemorySize=512,
    )
    arn = aws.get_function_configuration(FunctionName=gate)["FunctionArn"]
    events = stream(aws, name, arn)
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    aws.tag_resource(Resource=arn, Tags={"open": "yes"})
    assert collect(events) == (b"second", {})


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            """
            def handler(event, context):
                for part in event:
                    yield part
                yield b"\\x00\\xff"
            """,
            id="generator",
        ),
        pytest.param(
            """
            import asyncio
            async def handler(event, context):
                async with asyncio.timeout(5):
                    for part in event:
                        await asyncio.sleep(0)
                        yield part
                yield b"\\x00\\xff"
            """,
            id="async-generator",
        ),
    ],
)
def test_streams_what_a_handler_generates(
    aws: LambdaClient, create: CreateFunction, source: str
) -> None:
    """Strings and bytes, many times in one environment; Invoke gives the parts joined."""
    name = create(source)
    for _ in range(3):
        assert collect(stream(aws, name, ["a", "", "ä"])) == (b"a\xc3\xa4\x00\xff", {})
    reply = aws.invoke(FunctionName=name, Payload=b'["x", "y"]')
    assert reply["Payload"].read() == b"xy\x00\xff"
    assert reply.get("FunctionError") is None


def test_tells_version_and_log(aws: LambdaClient, create: CreateFunction) -> None:
    """X-Amz-Executed-Version is in the head, the log's tail in the last event."""
    name = create("def handler(event, context):\n    print('hello')\n    yield 'x'\n")
    reply = aws.invoke_with_response_stream(FunctionName=name, LogType="Tail")
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    assert reply["ExecutedVersion"] == "$LATEST"
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert headers["x-amzn-requestid"]
    events: Any = reply["EventStream"]
    body, complete = collect(iter(events))
    assert body == b"x"
    tail = base64.b64decode(complete["LogResult"]).decode()
    assert "\nhello\nEND RequestId: " in tail
    assert "\nREPORT RequestId: " in tail


def test_a_function_that_does_not_stream_gives_its_whole_result(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Small and large results arrive as parts of one stream; a dry run has none."""
    name = create("def handler(event, context):\n    return 'x' * event\n")
    assert collect(stream(aws, name, 3)) == (b'"xxx"', {})
    body, complete = collect(stream(aws, name, 6_000_000))
    assert (len(body), complete) == (6_000_002, {})
    reply = aws.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    reply["EventStream"].close()


def test_an_error_before_the_first_part_is_an_ordinary_one(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Nothing was sent: the document is AWS's client's own, its trace begins in the handler."""
    name = create("def handler(event, context):\n    raise ValueError('no')\n    yield 1\n")
    body, complete = collect(stream(aws, name))
    assert body == b""
    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("ValueError", "no")
    assert details["stackTrace"][0].startswith('  File "/var/task/app.py", line 2, in handler')


@pytest.mark.parametrize(
    ("statement", "error_type"),
    [
        pytest.param("raise KeyError('k')", "KeyError", id="raises"),
        pytest.param("yield 5", "TypeError", id="no-bytes"),
    ],
)
def test_an_error_in_the_middle_ends_the_stream(
    aws: LambdaClient, create: CreateFunction, statement: str, error_type: str
) -> None:
    """What came before arrives; the last event tells of the error; the environment goes on."""
    name = create(
        f"""
        count = 0
        async def handler(event, context):
            global count
            count += 1
            yield f"part {{count}}"
            if event:
                {statement}
        """
    )
    body, complete = collect(stream(aws, name, 1, LogType="Tail"))
    assert body == b"part 1"
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorType"] == error_type
    assert f"[ERROR] {error_type}" in base64.b64decode(complete["LogResult"]).decode()
    reply = aws.invoke(FunctionName=name, Payload=b"1")
    assert reply["FunctionError"] == "Unhandled"
    assert json.loads(reply["Payload"].read())["errorType"] == error_type
    assert collect(stream(aws, name, 0)) == (b"part 3", {})


@pytest.mark.parametrize(
    ("statement", "error_type"),
    [
        pytest.param("time.sleep(60)", "Sandbox.Timedout", id="timeout"),
        pytest.param("os._exit(3)", "Runtime.ExitError", id="exit"),
        pytest.param("sys.exit(4)", "Runtime.ExitError", id="sys-exit"),
    ],
)
def test_an_end_in_the_middle_ends_the_stream(
    aws: LambdaClient, create: CreateFunction, statement: str, error_type: str
) -> None:
    """Timeouts and exits are told in the last event, and the next invocation works."""
    name = create(
        f"""
        import os, sys, time
        def handler(event, context):
            yield "part"
            if event:
                {statement}
        """,
        Timeout=1,
    )
    body, complete = collect(stream(aws, name, 1))
    assert body == b"part"
    assert complete["ErrorCode"] == error_type
    assert json.loads(complete["ErrorDetails"])["errorType"] == error_type
    assert collect(stream(aws, name, 0)) == (b"part", {})


def test_refuses_before_it_streams(aws: LambdaClient, create: CreateFunction) -> None:
    """Errors of the request have their own status, as with Invoke."""
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke_with_response_stream(FunctionName="no-such-function")
    name = create("def handler(event, context):\n    yield 'x'\n")
    with pytest.raises(aws.exceptions.InvalidRequestContentException):
        aws.invoke_with_response_stream(FunctionName=name, Payload=b"{oops")
    with pytest.raises(ClientError) as raised:
        aws.invoke_with_response_stream(FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')
    assert raised.value.response["Error"]["Code"] == "RequestTooLargeException"


def test_a_streamed_response_wanted_whole_has_the_limit_of_one(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Invoke joins up to 6 MB and fails beyond; the generator is told to stop."""
    name = create(
        """
        ended = []
        def handler(event, context):
            if event is None:
                yield str(ended)
                return
            try:
                for _ in range(event):
                    yield bytes(65536)
            finally:
                ended.append("closed")
        """,
        Timeout=30,
    )
    reply = aws.invoke(FunctionName=name, Payload=b"96")
    assert len(reply["Payload"].read()) == 96 * 65536
    reply = aws.invoke(FunctionName=name, Payload=b"1000000")
    assert reply["FunctionError"] == "Unhandled"
    assert json.loads(reply["Payload"].read()) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        "(6291556 bytes).",
    }
    reply = aws.invoke(FunctionName=name, Payload=b"null")
    assert reply["Payload"].read() == b"['closed', 'closed']"
