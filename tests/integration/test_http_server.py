"""The HTTP server over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from lambd.http.exchanges import SMALL_BODY_BYTES, Exchange
from lambd.http.messages import Response
from lambd.http.server import HttpServer


class EchoApplication:
    """Answers with what it was sent; `/later` is left to the test."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.waiting: list[Exchange] = []
        self.gone: asyncio.Queue[str] = asyncio.Queue()

    def body_limit(self, method: str, path: str) -> int:
        """A little over the least there is for `/small`."""
        del method
        return SMALL_BODY_BYTES + 10 if path == "/small" else 1_000_000

    def handle(self, exchange: Exchange) -> None:
        """Echo, hold, or refuse."""
        request = exchange.request
        if request.path == "/later":
            exchange.on_disconnect = lambda: self.gone.put_nowait(request.query)
            self.waiting.append(exchange)
            self.arrived.set()
            return
        if exchange.body_exceeded:
            exchange.respond(Response(413, [], b"too large"))
            return
        text = f"{request.method} {request.path} {request.query} ".encode() + request.body
        exchange.respond(Response(200, [("X-Echo", request.headers.get("x-a", ""))], text))


Client = Callable[[bytes], "asyncio.Future[bytes]"]


@pytest.fixture
async def application() -> EchoApplication:
    """The application under the server."""
    return EchoApplication()


@pytest.fixture
async def address(application: EchoApplication) -> AsyncIterator[tuple[str, int]]:
    """A served address."""
    server = HttpServer(application, max_connections=8)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.listen(sock)
    yield sock.getsockname()[:2]
    server.close()


async def talk(address: tuple[str, int], data: bytes, answers: int = 1) -> bytes:
    """Send bytes; return everything until `answers` whole answers have come or the end."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    received = b""
    for _ in range(answers):
        head = await reader.readuntil(b"\r\n\r\n")
        received += head
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                received += await reader.readexactly(int(line.split(b":")[1]))
    writer.close()
    return received


async def test_answers_a_request_with_its_body(address: tuple[str, int]) -> None:
    """Method, raw path, query, body and a header arrive as sent."""
    got = await talk(
        address, b"POST /a%2Fb?x=1&y HTTP/1.1\r\nX-A: one\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Echo: one\r\n" in got
    assert got.endswith(b"\r\n\r\nPOST /a%2Fb x=1&y hi")


async def test_answers_head_without_a_body(address: tuple[str, int]) -> None:
    """With the length that the body would have, and the next answer right behind."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Length: 9\r\n" in head
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(8) == b"GET /b  "
    writer.close()


async def test_joins_a_chunked_body(address: tuple[str, int]) -> None:
    """Chunked transfer encoding is undone."""
    got = await talk(
        address,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    assert got.endswith(b"POST /  abcde")


async def test_answers_pipelined_requests_in_order(address: tuple[str, int]) -> None:
    """Three requests in one packet get three answers in their order."""
    request = b"GET /%d HTTP/1.1\r\n\r\n"
    got = await talk(address, b"".join(request % n for n in range(3)), answers=3)
    assert got.count(b"HTTP/1.1 200 OK") == 3
    assert got.index(b"GET /0") < got.index(b"GET /1") < got.index(b"GET /2")


async def test_understands_the_same_bytes_again_only_where_a_request_begins(
    address: tuple[str, int],
) -> None:
    """A request that was sent before is known again, but not as the body of another one."""
    same = b"GET /same HTTP/1.1\r\nX-A: 1\r\n\r\n"
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(3):
        writer.write(same)
        assert (await reader.readuntil(b"GET /same  ")).count(b"X-Echo: 1\r\n") == 1
    writer.write(b"POST /other HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(same))
    await writer.drain()
    writer.write(same)
    answer = await reader.readuntil(b"POST /other  " + same)
    assert b"Content-Length: %d\r\n" % (len(b"POST /other  ") + len(same)) in answer
    writer.write(same)
    assert (await reader.readuntil(b"GET /same  ")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def test_continues_when_the_client_asks_first(address: tuple[str, int]) -> None:
    """Expect: 100-continue gets its interim answer before the body is sent."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ok")
    assert (await reader.readuntil(b"ok")).endswith(b"POST /  ok")
    writer.close()


async def test_drops_a_body_over_its_limit_and_tells_the_application(
    address: tuple[str, int],
) -> None:
    """The application hears of the excess and the client gets its answer."""
    size = SMALL_BODY_BYTES + 11
    got = await talk(
        address, b"POST /small HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    )
    assert got.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", b"400", id="no-http"),
        pytest.param(
            b"GET / HTTP/1.1\r\nX: " + b"a" * 1_100_000 + b"\r\n\r\n", b"431", id="huge-header"
        ),
    ],
)
async def test_refuses_what_is_no_acceptable_request(
    address: tuple[str, int], data: bytes, status: bytes
) -> None:
    """A malformed or oversized head is answered and the connection closed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    assert (await reader.read(13)).split()[1] == status
    writer.close()


async def test_tells_the_application_that_a_waiting_client_left(
    address: tuple[str, int], application: EchoApplication
) -> None:
    """A client that hangs up before its answer is reported once."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /later?me HTTP/1.1\r\n\r\n")
    await writer.drain()
    await application.arrived.wait()
    writer.close()
    assert await application.gone.get() == "me"
    assert not application.waiting[0].is_open


async def test_refuses_connections_beyond_its_maximum(address: tuple[str, int]) -> None:
    """The ninth connection of eight is cut."""
    writers = []
    for _ in range(8):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writers.append(writer)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    for each in [*writers, writer]:
        each.close()


async def test_drains_the_answer_under_way_before_it_closes(
    application: EchoApplication,
) -> None:
    """Draining waits for the waiting exchange and then ends its connection."""
    server = HttpServer(application)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.listen(sock)
    reader, writer = await asyncio.open_connection(*sock.getsockname()[:2])
    writer.write(b"GET /later HTTP/1.1\r\n\r\n")
    await writer.drain()
    await application.arrived.wait()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.drain(5.0))
        await asyncio.sleep(0)
        application.waiting[0].respond(Response(200, [], b"done"))
        assert (await reader.read()).endswith(b"done")
    writer.close()
