"""Streamed responses of a runtime that speaks the protocol by hand, over a real socket.

The test is init (through the fake sandbox), the runtime (`Runtime`) and the caller (`Caller`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.unit.environments.conftest import Stage, make_stage

from lambd.environments.processes import RUNTIME
from lambd.environments.stream_limits import StreamLimits
from lambd.http.server import HttpServer
from lambd.model.invocations import Invocation, InvocationResult, StreamHead
from lambd.runtimeapi.session import RESPONSE_MODE

SIZE_LIMIT = 64 * 1024 * 1024
WHOLE_LIMIT = 100
STREAMING = "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@dataclass
class Caller:
    """A listener that keeps what it gets, and is full when told so."""

    head: StreamHead | None = None
    size: int = 0
    is_full: bool = False
    parts: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    def begin(self, head: StreamHead) -> None:
        """Remember it."""
        self.head = head

    def write(self, data: bytes) -> bool:
        """Count, and keep what is short."""
        self.size += len(data)
        if len(data) < 1000:
            self.parts.put_nowait(data)
        return not self.is_full

    async def received(self) -> bytes:
        """What has been kept so far."""
        text = b""
        while not self.parts.empty():
            text += self.parts.get_nowait()
        return text


class Runtime:
    """A language runtime as a script would be one: sockets and bytes."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def call(self, method: str, path: str, headers: str = "", body: bytes = b"") -> bytes:
        """One call on a connection of its own; the status line and the body."""
        reader, writer = await self.open(method, path, f"{headers}Content-Length: {len(body)}\r\n")
        writer.write(body)
        answer = await self.answer(reader)
        writer.close()
        return answer

    async def open(
        self, method: str, path: str, headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send the head of a request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"{method} /2018-06-01/runtime/{path} HTTP/1.1\r\n{headers}\r\n".encode())
        return reader, writer

    async def respond(
        self, headers: str = STREAMING + CHUNKED, request_id: str = "id-1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Begin a response."""
        return await self.open("POST", f"invocation/{request_id}/response", headers)

    @staticmethod
    async def answer(reader: asyncio.StreamReader) -> bytes:
        """One answer: `STATUS BODY`."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return head.split(b" ", 2)[1] + b" " + await reader.readexactly(length)


@dataclass
class World:
    """An initialised environment with an invocation under way for a caller that takes parts."""

    stage: Stage
    runtime: Runtime
    caller: Caller
    result: asyncio.Future[InvocationResult]

    def next_invocation(self, *, takes_parts: bool) -> None:
        """Invoke again; the runtime has asked for it."""
        self.result = self.stage.invoke(invocation(), self.caller if takes_parts else None)


def invocation() -> Invocation:
    """An invocation of `fn`."""
    return Invocation(request_id="id-1", payload=b"{}", invoked_function_arn="arn", trace_id="t")


def chunk(data: bytes) -> bytes:
    """A chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def build(limits: StreamLimits, *, takes_parts: bool) -> tuple[World, HttpServer]:
    """An environment whose session is served on loopback."""
    stage = make_stage(stream_limits=limits)
    server = HttpServer(stage.environment.session, stream_marker=RESPONSE_MODE)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.listen(sock)
    runtime = Runtime(sock.getsockname()[1])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        stage.next()
    caller = Caller()
    return World(
        stage, runtime, caller, stage.invoke(invocation(), caller if takes_parts else None)
    ), server


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A caller that takes parts unless the test's parameter says `whole`; no bandwidth limit."""
    limits = StreamLimits(size_bytes=SIZE_LIMIT, burst_bytes=0, bytes_per_s=0)
    takes_parts = getattr(request, "param", None) != "whole"
    made, server = await build(limits, takes_parts=takes_parts)
    yield made
    await made.stage.environment.close()
    server.close()


whole = pytest.mark.parametrize("world", ["whole"], indirect=True)


def error_of(result: InvocationResult) -> tuple[str | None, str, str]:
    """The platform's error type, and the document's type and message."""
    assert result.function_error == "Unhandled"
    document = json.loads(result.payload)
    return result.platform_error, document["errorType"], document.get("errorMessage", "")


async def test_parts_reach_the_caller_before_the_response_ends(world: World) -> None:
    """Content type and bytes as sent; the result says nothing more; the connection is closed."""
    reader, writer = await world.runtime.respond(f"{STREAMING}{CHUNKED}Content-Type: text/html\r\n")
    for part in (b"one", b"two"):
        writer.write(chunk(part))
        assert await world.caller.parts.get() == part
    assert world.caller.head == StreamHead(
        executed_version="$LATEST", content_type="text/html", is_streamed=True
    )
    assert not world.result.done()
    writer.write(b"0\r\n\r\n")
    result = await world.result
    assert (result.payload, result.function_error, result.is_streamed) == (b"", None, True)
    received = await reader.read()
    assert received.startswith(b"HTTP/1.1 202 ")
    assert b"Connection: close\r\n" in received
    writer.close()


async def test_a_length_instead_of_chunks_streams_too(world: World) -> None:
    """It is the header that makes a response a stream."""
    reader, writer = await world.runtime.respond(f"{STREAMING}Content-Length: 6\r\n")
    writer.write(b"one")
    assert await world.caller.parts.get() == b"one"
    writer.write(b"two")
    assert (await world.runtime.answer(reader)).startswith(b"202 ")
    assert (await world.result).is_streamed
    assert world.caller.head is not None
    assert world.caller.head.content_type == "application/octet-stream"
    writer.close()


async def test_an_empty_stream_is_a_response(world: World) -> None:
    """Nothing but the end: the caller hears of the beginning and the end."""
    _, writer = await world.runtime.respond()
    writer.write(b"0\r\n\r\n")
    assert (await world.result).function_error is None
    assert world.caller.head is not None
    writer.close()


@pytest.mark.parametrize(
    ("trailers", "expected"),
    [
        pytest.param(
            {
                "Lambda-Runtime-Function-Error-Type": "Function.Broken",
                "Lambda-Runtime-Function-Error-Body": base64.b64encode(
                    b'{"errorType":"Mine","errorMessage":"m"}'
                ).decode(),
            },
            (None, "Mine", "m"),
            id="type-and-body",
        ),
        pytest.param(
            {"lambda-runtime-function-error-type": "Function.Broken"},
            (None, "Function.Broken", ""),
            id="type-only",
        ),
        pytest.param(
            {
                "Lambda-Runtime-Function-Error-Type": "Function.Broken",
                "Lambda-Runtime-Function-Error-Body": "not base64!",
            },
            (None, "Function.Broken", ""),
            id="bad-body",
        ),
    ],
)
async def test_trailers_report_an_error_in_the_middle(
    world: World, trailers: dict[str, str], expected: tuple[None, str, str]
) -> None:
    """The caller has what came before, and the error's document; the runtime has done all right."""
    reader, writer = await world.runtime.respond()
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
    writer.write(chunk(b"one") + b"0\r\n" + lines.encode() + b"\r\n")
    assert error_of(await world.result) == expected
    assert await world.caller.received() == b"one"
    assert (await world.runtime.answer(reader)).startswith(b"202 ")
    writer.close()


async def test_other_trailers_are_no_error(world: World) -> None:
    """A checksum at the end, say."""
    _, writer = await world.runtime.respond()
    writer.write(chunk(b"one") + b"0\r\nX-Checksum: 1\r\n\r\n")
    assert (await world.result).function_error is None
    writer.close()


async def test_refuses_an_unknown_mode(world: World) -> None:
    """The runtime reads 400, the caller Runtime.InvalidResponseModeHeader, and work goes on."""
    answer = await world.runtime.call(
        "POST",
        "invocation/id-1/response",
        "Lambda-Runtime-Function-Response-Mode: buffered\r\n",
        b"body",
    )
    assert answer.startswith(b"400 ")
    assert json.loads(answer[4:])["errorType"] == "InvalidFunctionResponseMode"
    assert error_of(await world.result)[:2] == ("Runtime.InvalidResponseModeHeader",) * 2


async def test_an_error_call_that_names_a_mode_is_an_error_call(world: World) -> None:
    """Only responses stream: the document comes whole."""
    answer = await world.runtime.call(
        "POST", "invocation/id-1/error", STREAMING, b'{"errorType":"E","errorMessage":"m"}'
    )
    assert answer.startswith(b"202 ")
    assert error_of(await world.result) == (None, "E", "m")
    assert world.caller.head is None


async def test_a_body_that_breaks_off_is_a_truncated_response(world: World) -> None:
    """The runtime that still listens reads 400; it may ask for the next invocation."""
    reader, writer = await world.runtime.respond()
    writer.write(chunk(b"one"))
    assert await world.caller.parts.get() == b"one"
    writer.write_eof()
    answer = await world.runtime.answer(reader)
    assert answer.startswith(b"400 ")
    assert json.loads(answer[4:])["errorType"] == "TruncatedHTTPRequest"
    assert error_of(await world.result)[:2] == ("Runtime.TruncatedResponse",) * 2
    world.stage.next()
    world.next_invocation(takes_parts=True)
    _, again = await world.runtime.respond()
    again.write(chunk(b"two") + b"0\r\n\r\n")
    assert (await world.result).function_error is None
    writer.close()
    again.close()


async def test_the_end_of_the_runtime_explains_a_body_that_breaks_off(world: World) -> None:
    """Init tells of the end a moment after the connection broke: that is what the caller reads."""
    _, writer = await world.runtime.respond()
    writer.write(chunk(b"one"))
    assert await world.caller.parts.get() == b"one"
    writer.transport.abort()
    world.stage.sandbox.report(exited=RUNTIME, status=9)
    platform_error, _, message = error_of(await world.result)
    assert platform_error == "Runtime.ExitError"
    assert message.endswith("Runtime exited with error: signal: killed")


async def test_a_response_under_way_allows_no_other_call(world: World) -> None:
    """No second response, no error, no next; the stream goes on."""
    _, writer = await world.runtime.respond()
    writer.write(chunk(b"one"))
    assert await world.caller.parts.get() == b"one"
    for verb in ("response", "error"):
        answer = await world.runtime.call("POST", f"invocation/id-1/{verb}", "", b"{}")
        assert json.loads(answer[4:])["errorType"] == "InvalidRequestID"
    reader, second = await world.runtime.respond()
    assert json.loads((await world.runtime.answer(reader))[4:])["errorType"] == "InvalidRequestID"
    answer = await world.runtime.call("GET", "invocation/next")
    assert answer.startswith(b"403 ")
    assert b"State transition from InvocationResponse to Ready failed" in answer
    writer.write(b"0\r\n\r\n")
    assert (await world.result).function_error is None
    writer.close()
    second.close()


async def test_a_slow_caller_holds_the_runtime_up(world: World) -> None:
    """The runtime's own sending stops; it goes on when the caller does, and nothing is lost."""
    world.caller.is_full = True
    _, writer = await world.runtime.respond()
    total = 32 * 1024 * 1024
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send_parts(writer, total))
        await quiet(world.caller)
        assert not sending.done()
        assert world.caller.size < 1024 * 1024
        world.caller.is_full = False
        world.stage.environment.resume_stream()
    assert (await world.result).function_error is None
    assert world.caller.size == total
    writer.close()


async def test_a_caller_who_left_does_not_hold_the_runtime_up(world: World) -> None:
    """The rest is dropped as fast as it comes, and the invocation ends well."""
    world.caller.is_full = True
    _, writer = await world.runtime.respond()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_parts(writer, 32 * 1024 * 1024))
        await quiet(world.caller)
        world.stage.environment.discard_stream()
    assert (await world.result).function_error is None
    assert world.caller.size < 1024 * 1024
    writer.close()


async def test_too_much_is_refused_in_the_middle(world: World) -> None:
    """The runtime reads 413, the caller the reason; not a byte over the limit was passed on."""
    reader, writer = await world.runtime.respond()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_parts(writer, SIZE_LIMIT + 65536))
        answer = await world.runtime.answer(reader)
        assert answer.startswith(b"413 ")
        text = f"maximum allowed payload size ({SIZE_LIMIT} bytes)."
        assert json.loads(answer[4:])["errorMessage"] == f"Exceeded {text}"
        kind = "Function.ResponseSizeTooLarge"
        assert error_of(await world.result) == (
            kind,
            kind,
            f"Response payload size exceeded {text}",
        )
        assert world.caller.size <= SIZE_LIMIT
    writer.close()


@whole
async def test_the_parts_are_joined_for_a_caller_who_wants_them_whole(world: World) -> None:
    """As a runtime that always streams needs it."""
    _, writer = await world.runtime.respond()
    for part in (b"one", b"two"):
        writer.write(chunk(part))
    writer.write(b"0\r\n\r\n")
    result = await world.result
    assert (result.payload, result.function_error, result.is_streamed) == (b"onetwo", None, False)
    writer.close()


@whole
async def test_a_caller_who_wants_it_whole_gets_no_more_than_fits(world: World) -> None:
    """The limit is that of any result, and the error has its text."""
    reader, writer = await world.runtime.respond()
    writer.write(chunk(bytes(WHOLE_LIMIT)) + chunk(b"x"))
    assert (await world.runtime.answer(reader)).startswith(b"413 ")
    assert error_of(await world.result)[2].endswith(f"payload size ({WHOLE_LIMIT} bytes).")
    writer.close()


@whole
async def test_an_error_in_the_middle_takes_the_place_of_the_parts(world: World) -> None:
    """A caller who wants it whole reads the error's document alone."""
    _, writer = await world.runtime.respond()
    body = base64.b64encode(b'{"errorType":"E"}')
    writer.write(chunk(b"one") + b"0\r\nLambda-Runtime-Function-Error-Body: " + body + b"\r\n\r\n")
    result = await world.result
    assert (result.function_error, result.payload) == ("Unhandled", b'{"errorType":"E"}')
    writer.close()


async def test_bandwidth_is_held_down_after_the_burst() -> None:
    """A quarter of a second's worth beyond the burst takes about that long."""
    limits = StreamLimits(size_bytes=SIZE_LIMIT, burst_bytes=1_000_000, bytes_per_s=8_000_000)
    world, server = await build(limits, takes_parts=True)
    loop = asyncio.get_running_loop()
    _, writer = await world.runtime.respond()
    started = loop.time()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_parts(writer, 3_000_000))
        await world.result
        # What has been read from the socket when the bucket runs dry passes at once.
        assert loop.time() - started > (3_000_000 - 1_000_000 - 600_000) / 8_000_000
    writer.close()
    await world.stage.environment.close()
    server.close()


async def send_parts(writer: asyncio.StreamWriter, total: int) -> None:
    """Send a body in chunks, at the pace of the other side, and its end."""
    left = total
    while left:
        size = min(left, 65536)
        writer.write(chunk(bytes(size)))
        await writer.drain()
        left -= size
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def quiet(caller: Caller) -> None:
    """Wait until something was received and then nothing more for a while."""
    seen, rounds = -1, 0
    while rounds < 20:
        await asyncio.sleep(0.005)
        rounds = rounds + 1 if caller.size == seen and seen > 0 else 0
        seen = caller.size
