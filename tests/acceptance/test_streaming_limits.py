"""Streams that are large, slow or abandoned, through sockets and boto3; every Python and Node.js."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest
from botocore.eventstream import EventStreamBuffer
from tests.acceptance.conftest import ROLE, RUNTIME, CreateFunction, Server, wait_at_rest, zipped
from tests.acceptance.test_function_urls import open_to_all
from tests.acceptance.test_streaming import collect, stream

from lambd.runtimes.provision import Provisioner

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.literals import RuntimeType

MIB = 1024 * 1024
# Yields so many parts of so many bytes, then how long that took it.
GENERATOR = """
import json, time
def handler(event, context):
    parts, size = event if isinstance(event, list) else json.loads(event["body"])
    part = bytes(size)
    started = time.monotonic()
    for _ in range(parts):
        yield part
    print("finished after", time.monotonic() - started)
    yield str(time.monotonic() - started)
"""
pytestmark = [pytest.mark.slow, pytest.mark.oci]


def usable_runtimes() -> list[str]:
    """The Pythons that this machine's interpreters make usable."""
    available = asyncio.run(Provisioner(Path("/var/cache/lambd")).available())
    return [each.identifier for each in available if each.is_usable and "python" in each.identifier]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform without a limit of bandwidth, and the generator as function `fn`."""
    directory = tmp_path_factory.mktemp("free")
    config = directory / "lambd.toml"
    config.write_text("[limits]\nstreamed_response_bytes_per_s = 0\n")
    made = Server(directory / "data", "--config", str(config))
    made.start()
    aws = made.lambda_client()
    aws.create_function(
        FunctionName="fn",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(GENERATOR)},
        Timeout=60,
        MemorySize=512,
    )
    wait_at_rest(aws, "fn")
    yield made
    assert made.stop() == 0


class RawStream:
    """A streamed invocation on a bare socket: reads what it is told to, when it is told to."""

    def __init__(self, server: Server, name: str, event: object) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._socket.settimeout(60)
        self._socket.connect(("127.0.0.1", server.port))
        payload = json.dumps(event).encode()
        self._socket.sendall(
            f"POST /2021-11-15/functions/{name}/response-streaming-invocations HTTP/1.1\r\n"
            f"Host: localhost\r\nContent-Length: {len(payload)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + payload
        )
        self._file = self._socket.makefile("rb")
        assert self._file.readline() == b"HTTP/1.1 200 OK\r\n"
        while self._file.readline() != b"\r\n":
            pass

    def chunks(self) -> Iterator[bytes]:
        """The chunks of the answer."""
        while (size := int(self._file.readline(), 16)) > 0:
            yield self._file.read(size)
            self._file.readline()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def payloads(chunks: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Event types and payloads."""
    buffer = EventStreamBuffer()
    for chunk in chunks:
        buffer.add_data(chunk)
        for event in buffer:
            headers: Any = event.headers
            yield headers[":event-type"], event.payload


def memory_kib(server: Server, field: str) -> int:
    """`VmRSS` now or `VmHWM`, the most there ever was."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_two_hundred_megabytes_take_no_memory(free: Server) -> None:
    """The limit's worth arrives whole, one byte more is an error, and the server stays small."""
    aws = free.lambda_client()
    collect(stream(aws, "fn", [1, 1]))
    before = memory_kib(free, "VmRSS")
    size = 0
    last = b""
    for event in stream(aws, "fn", [199, MIB]):
        if "PayloadChunk" in event:
            last = event["PayloadChunk"]["Payload"]
            size += len(last)
    assert 199 * MIB < size < 199 * MIB + 100
    assert memory_kib(free, "VmHWM") - before < 32 * 1024
    too_large = RawStream(free, "fn", [201, MIB])
    size = 0
    for kind, payload in payloads(too_large.chunks()):
        if kind == "PayloadChunk":
            size += len(payload)
        else:
            complete = json.loads(payload)
    too_large.close()
    assert size <= 200 * MIB
    assert complete["ErrorCode"] == "Function.ResponseSizeTooLarge"
    assert memory_kib(free, "VmHWM") - before < 32 * 1024
    # The environment goes on.
    assert collect(stream(aws, "fn", [1, 1]))[1] == {}


def test_a_slow_client_holds_the_function_up(free: Server) -> None:
    """While the client reads nothing the handler stands still, and the server stays small."""
    collect(stream(free.lambda_client(), "fn", [1, 1]))
    before = memory_kib(free, "VmRSS")
    slow = RawStream(free, "fn", [64, MIB])
    chunks = slow.chunks()
    next(chunks)
    pause_s = 1.0
    time.sleep(pause_s)  # the client's slowness, not a wait for something
    assert memory_kib(free, "VmRSS") - before < 16 * 1024
    events = list(payloads(chunks))
    slow.close()
    assert events[-1] == ("InvokeComplete", b"{}")
    # The handler was blocked for that long: its own clock says so, in the last part.
    assert float(events[-2][1][-10:].strip(b"\0")) > pause_s * 0.9


def test_a_client_that_leaves_does_not_stop_the_function(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """The handler runs to its end, its output is dropped, and the next invocation is served."""
    name = create(GENERATOR, Timeout=60, MemorySize=512)
    leaving = RawStream(server, name, [48, MIB])
    next(leaving.chunks())
    leaving.close()
    logs = server.logs_client()
    deadline = time.monotonic() + 60
    found: list[str] = []
    while not found and time.monotonic() < deadline:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        found = re.findall(r"finished after ([\d.]+)", "".join(each["message"] for each in events))
    assert found
    body, complete = collect(stream(aws, name, [1, 3]))
    assert (body[:3], complete) == (bytes(3), {})


def test_bandwidth_is_limited_after_the_first_six_megabytes(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """What is beyond them comes at two a second, so that two more take a second."""
    name = create(GENERATOR, Timeout=60, MemorySize=512)
    started = time.monotonic()
    assert len(collect(stream(aws, name, [8, MIB]))[0]) > 8 * MIB
    assert time.monotonic() - started > 0.6


def test_a_large_answer_of_a_url_takes_no_memory(free: Server) -> None:
    """The same through a function URL, and a reader who leaves in the middle."""
    aws = free.lambda_client()
    url = open_to_all(aws, "fn", InvokeMode="RESPONSE_STREAM")
    before = memory_kib(free, "VmRSS")

    def opened(parts: int) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", free.port, timeout=60)
        event = json.dumps([parts, MIB])
        headers = {"Host": urlsplit(url).netloc, "Content-Type": "application/json"}
        connection.request("POST", "/", event, headers)
        return connection

    with contextlib.closing(opened(199)) as connection, connection.getresponse() as answer:
        size = 0
        while data := answer.read(MIB):
            size += len(data)
    assert 199 * MIB < size < 199 * MIB + 100
    with contextlib.closing(opened(100)) as connection, connection.getresponse() as answer:
        assert answer.read(10) == bytes(10)
    assert collect(stream(aws, "fn", [1, 1]))[1] == {}
    assert memory_kib(free, "VmHWM") - before < 32 * 1024
    aws.delete_function_url_config(FunctionName="fn")


def test_a_timeout_in_the_middle(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """The last event tells; a function URL's answer is cut off; the next one is served."""
    name = create(
        "import time\n"
        "def handler(event, context):\n"
        "    yield b'part'\n"
        "    time.sleep(0 if event == 'quick' else 30)\n",
        Timeout=1,
    )
    body, complete = collect(stream(aws, name))
    assert (body, complete["ErrorCode"]) == (b"part", "Sandbox.Timedout")
    url = open_to_all(aws, name, InvokeMode="RESPONSE_STREAM")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": urlsplit(url).netloc})
        with connection.getresponse() as answer:
            assert (answer.status, answer.read(4)) == (200, b"part")
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
    assert collect(stream(aws, name, "quick")) == (b"part", {})


@pytest.mark.parametrize("runtime", usable_runtimes())
def test_every_python_streams(aws: LambdaClient, create: CreateFunction, runtime: str) -> None:
    """With either generation of AWS's client: generators, async ones, errors at any time."""
    name = create(
        """
        async def later():
            yield "async"
            raise KeyError("k")
        def now():
            yield "sync"
            yield b"hronous"
        def early():
            raise ValueError("v")
            yield
        def handler(event, context):
            return {"later": later, "now": now, "early": early}[event]()
        """,
        Runtime=cast("RuntimeType", runtime),
    )
    assert collect(stream(aws, name, "now")) == (b"synchronous", {})
    body, complete = collect(stream(aws, name, "later"))
    assert (body, json.loads(complete["ErrorDetails"])["errorType"]) == (b"async", "KeyError")
    trace = json.loads(complete["ErrorDetails"])["stackTrace"]
    assert trace[0].startswith('  File "/var/task/app.py", line 4, in later')
    body, complete = collect(stream(aws, name, "early"))
    assert (body, json.loads(complete["ErrorDetails"])["errorType"]) == (b"", "ValueError")
    assert collect(stream(aws, name, "now")) == (b"synchronous", {})


def test_node_streams(aws: LambdaClient, create: CreateFunction) -> None:
    """`awslambda.streamifyResponse`: parts, an error in the middle, and Invoke."""
    source = """
    exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
      stream.write("one");
      await new Promise((resolve) => setTimeout(resolve, 20));
      stream.write("two");
      if (event.fail) throw new RangeError("no");
      stream.end();
      await stream.finished?.();
    });
    """
    name = create(
        Runtime="nodejs22.x",
        Handler="index.handler",
        Code={"ZipFile": zipped(index__js=source)},
        source="",
        Timeout=10,
        MemorySize=256,
    )
    events = stream(aws, name, {})
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    assert collect(events) == (b"two", {})
    body, complete = collect(stream(aws, name, {"fail": True}))
    assert body in {b"one", b"onetwo"}
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "no"
    reply: Any = aws.invoke(FunctionName=name, Payload=b"{}")
    assert reply["Payload"].read() == b"onetwo"
