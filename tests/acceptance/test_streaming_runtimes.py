"""Response streaming from Node.js and from OS-only runtimes, through boto3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import CreateFunction
from tests.acceptance.packages import archive

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

BOTH = pytest.mark.parametrize("runtime", ["nodejs24.x", "nodejs22.x"])
# Streams by the Runtime API's protocol: chunks, and an error in the trailers.
BOOTSTRAP = """\
#!/usr/bin/env python3
import base64, json, os, socket, urllib.request
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
base = "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen("http://" + host + ":" + port + base + "next") as request:
        parts = json.load(request)
        path = base + request.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    with socket.create_connection((host, int(port))) as api:
        def send(*lines):
            api.sendall("\\r\\n".join((*lines, "")).encode())
        send("POST " + path + " HTTP/1.1", "Host: x", "Transfer-Encoding: chunked",
             "Lambda-Runtime-Function-Response-Mode: streaming",
             "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body", "")
        for part in parts:
            if part != "fail":
                send(format(len(part), "x"), part)
        send("0")
        if "fail" in parts:
            send("Lambda-Runtime-Function-Error-Type: Function.Mine",
                 "Lambda-Runtime-Function-Error-Body: " + base64.b64encode(b'{"why": 1}').decode())
        send("")
        api.recv(4096)
"""


def node(create: CreateFunction, body: str, runtime: str, **arguments: Any) -> str:
    """Create a function whose handler streams; `body` writes to `out`."""
    source = f"""
    import {{ pipeline }} from "node:stream/promises";
    import {{ Readable }} from "node:stream";
    export const handler = awslambda.streamifyResponse(async (event, out, context) => {{
    {body}
    }});
    """
    settings = {"Handler": "index.handler", "MemorySize": 512, "Timeout": 20, **arguments}
    code = {"ZipFile": archive({"index.mjs": source})}
    return create("", Code=code, Runtime=runtime, **settings)


def stream(aws: LambdaClient, name: str, event: object = None) -> Iterator[dict[str, Any]]:
    """The events of a streamed invocation, as they come."""
    payload = json.dumps(event).encode()
    reply = aws.invoke_with_response_stream(FunctionName=name, Payload=payload)
    yield from reply["EventStream"]  # type: ignore[misc]  # a union of one-key dicts


def collect(events: Iterator[dict[str, Any]]) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a stream and its last event."""
    parts = list(events)
    body = b"".join(part["PayloadChunk"]["Payload"] for part in parts[:-1])
    complete: dict[str, Any] = parts[-1]["InvokeComplete"]
    return body, complete


@BOTH
def test_the_first_part_is_there_before_a_node_handler_ends(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """The handler goes on once its function has a tag, which it gets after the first part."""
    name = node(
        create,
        """
        const { Lambda } = await import("@aws-sdk/client-lambda");
        out.write("first");
        const end = Date.now() + 15000, client = new Lambda({});
        const Resource = context.invokedFunctionArn;
        while (!Object.keys((await client.listTags({ Resource })).Tags).length && Date.now() < end)
          await new Promise((resolve) => setTimeout(resolve, 20));
        out.end(Date.now() < end ? "second" : "nobody came");
        """,
        runtime,
    )
    arn = aws.get_function_configuration(FunctionName=name)["FunctionArn"]
    events = stream(aws, name)
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    aws.tag_resource(Resource=arn, Tags={"open": "yes"})
    assert collect(events) == (b"second", {})


@BOTH
def test_node_streams_again_and_again_and_buffered(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """One environment serves one stream after the other; Invoke gives the parts joined."""
    name = node(create, "for (const part of event) out.write(part); out.end();", runtime)
    for _ in range(3):
        assert collect(stream(aws, name, ["a", "ä"])) == (b"a\xc3\xa4", {})
    reply = aws.invoke(FunctionName=name, Payload=b'["x", "y"]')
    assert reply["Payload"].read() == b"xy"
    assert collect(stream(aws, name, ["again"])) == (b"again", {})


@BOTH
def test_a_node_error_in_the_middle_ends_the_stream(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """What was written arrives, the last event has type and document, the next call works."""
    name = node(
        create,
        """
        out.write("begun");
        if (event) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          throw new RangeError("no good");
        }
        out.end();
        """,
        runtime,
    )
    body, complete = collect(stream(aws, name, 1))
    assert body == b"begun"
    assert complete["ErrorCode"]
    details = json.loads(complete["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("RangeError", "no good")
    assert collect(stream(aws, name, 0)) == (b"begun", {})


def test_node_streams_more_than_a_buffered_result_may_hold(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Ten megabytes by a pipeline, byte for byte."""
    name = node(
        create,
        """
        function* parts() {
          for (let i = 0; i < 160; i++) yield Buffer.alloc(65536, i % 251);
        }
        await pipeline(Readable.from(parts()), out);
        """,
        "nodejs24.x",
    )
    expected = hashlib.sha256()
    for i in range(160):
        expected.update(bytes([i % 251]) * 65536)
    body, complete = collect(stream(aws, name))
    assert (len(body), complete) == (160 * 65536, {})
    assert hashlib.sha256(body).digest() == expected.digest()


def test_node_writes_the_prelude_of_http_responses(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """`HttpResponseStream.from`: status and headers as JSON, eight zero bytes, the body."""
    name = node(
        create,
        """
        const http = awslambda.HttpResponseStream.from(out, { statusCode: 201 });
        http.write("made");
        http.end();
        """,
        "nodejs24.x",
    )
    body, _ = collect(stream(aws, name))
    assert body == b'{"statusCode":201}' + bytes(8) + b"made"


def test_an_os_only_runtime_streams(aws: LambdaClient, create: CreateFunction) -> None:
    """Chunks become parts, and trailers the error of the last event."""
    code = {"ZipFile": archive({"bootstrap": BOOTSTRAP}, mode=0o755)}
    name = create("", Code=code, Runtime="provided.al2023", Handler="any", Timeout=10)
    assert collect(stream(aws, name, ["one", "two"])) == (b"onetwo", {})
    body, complete = collect(stream(aws, name, ["begun", "fail"]))
    assert body == b"begun"
    assert (complete["ErrorCode"], complete["ErrorDetails"]) == ("Unhandled", '{"why": 1}')
    assert collect(stream(aws, name, [])) == (b"", {})
