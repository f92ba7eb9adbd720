"""The HTTP server over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from lambd.http.exchanges import SMALL_BODY_BYTES, Exchange
from lambd.http.messages import RawHeaders, Response
from lambd.http.server import HttpServer


class EchoApplication:
    """Answers with what it was sent; `/later` is left to the test."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.waiting: list[Exchange] = []
        self.gone: asyncio.Queue[str] = asyncio.Queue()

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """A little over the least there is for `/small`."""
        del method, headers
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


LATER = b"POST /later HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
EXPECT = b"POST /small HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"


async def answered(
    application: EchoApplication, address: tuple[str, int], *parts: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which `/later` has arrived, and what was sent after it."""
    reader, writer = await asyncio.open_connection(*address)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await application.arrived.wait()
    # What was written last has been read once the server has answered somebody else.
    await talk(address, b"GET / HTTP/1.1\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((LATER + b"??",), id="same-packet"),
        pytest.param((LATER, b"??", b"GET /more HTTP/1.1\r\n\r\n"), id="later"),
        pytest.param((LATER, b"CONNECT a:1 HTTP/1.1\r\n\r\n"), id="refused"),
        pytest.param((LATER, b"GET / HTTP/1.1\r\nX: " + b"a" * 1_100_000), id="huge-header"),
    ],
)
async def test_what_follows_a_request_does_not_take_its_answer(
    address: tuple[str, int], application: EchoApplication, parts: tuple[bytes, ...]
) -> None:
    """The answer comes whole and says that it is the last one; then the connection ends."""
    reader, writer = await answered(application, address, *parts)
    application.waiting[0].respond(Response(200, [], b"answer"))
    got = await reader.read()
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in got
    assert got.endswith(b"\r\n\r\nanswer")
    assert len(application.waiting) == 1
    writer.close()


async def test_pipelined_requests_are_answered_before_the_end(
    address: tuple[str, int], application: EchoApplication
) -> None:
    """Those that were whole, in order; nothing after the bytes that are no request."""
    more = b"GET /b HTTP/1.1\r\n\r\n"
    reader, writer = await answered(application, address, LATER + more + b"??", more)
    application.waiting[0].respond(Response(200, [], b"answer"))
    got = await reader.read()
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert got.index(b"answer") < got.index(b"Connection: close") < got.index(b"GET /b  ")
    writer.close()


async def test_an_answer_in_parts_is_not_broken_by_what_follows(
    address: tuple[str, int], application: EchoApplication
) -> None:
    """Neither by bytes that are no request, nor by a request that waits to send its body."""
    for following in (b"??", EXPECT % 2):
        application.waiting.clear()
        reader, writer = await answered(application, address, LATER)
        stream = application.waiting[0].start(200, [])
        stream.write(b"one")
        writer.write(following)
        await writer.drain()
        await talk(address, b"GET / HTTP/1.1\r\n\r\n")
        stream.write(b"two")
        stream.end()
        got = await reader.readuntil(b"0\r\n\r\n")
        assert got.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        writer.close()


async def test_continues_when_it_is_the_requests_turn(
    address: tuple[str, int], application: EchoApplication
) -> None:
    """A pipelined request that waits is told to go on after the answer before it."""
    reader, writer = await answered(application, address, LATER + EXPECT % 2)
    application.waiting[0].respond(Response(200, [], b"answer"))
    got = await reader.readuntil(b"100 Continue\r\n\r\n")
    assert got.index(b"answer") < got.index(b"100 Continue")
    writer.write(b"ok")
    assert (await reader.readuntil(b"POST /small  ok")).count(b"HTTP/1.1 ") == 1
    # Sent with its body, it is not told so afterwards.
    application.waiting.clear()
    writer.write(LATER + EXPECT % 2 + b"ok")
    application.arrived.clear()
    await application.arrived.wait()
    application.waiting[0].respond(Response(200, [], b"answer"))
    assert b"Continue" not in await reader.readuntil(b"POST /small  ok")
    writer.close()


async def test_a_body_over_its_limit_is_refused_before_it_is_sent(
    address: tuple[str, int],
) -> None:
    """A client that asks first gets the application's answer, and the connection ends."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(EXPECT % (SMALL_BODY_BYTES + 11))
    got = await reader.read()
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close\r\n" in got
    assert got.endswith(b"too large")
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"POST /small HTTP/1.0\r\nExpect: 100-continue\r\n", id="http-1.0"),
        pytest.param(b"POST /small HTTP/1.1\r\nExpect: a-miracle\r\n", id="something-else"),
    ],
)
async def test_other_expectations_are_nobodys_business(
    address: tuple[str, int], head: bytes
) -> None:
    """An older client knows no interim answers."""
    got = await talk(address, head + b"Content-Length: 2\r\n\r\nok")
    assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"Content-Length: 3\r\n\r\nabc", id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", id="chunked"),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_offers_of_http_2_are_ignored(
    address: tuple[str, int], framing: bytes, pieces: int
) -> None:
    """As curl and Java's client send them, with bodies; the connection goes on."""
    ask = b"GET /a HTTP/1.1\r\nX-A: one\r\n" + UPGRADE + b"\r\n"
    post = b"POST /b HTTP/1.1\r\n" + UPGRADE + framing
    data = ask + post + ask + b"GET /c HTTP/1.1\r\n\r\n" + post
    reader, writer = await asyncio.open_connection(*address)
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await asyncio.sleep(0.01)
    got = b""
    for end in (b"GET /a  ", b"POST /b  abc", b"GET /a  ", b"GET /c  ", b"POST /b  abc"):
        got += await reader.readuntil(end)
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert got.count(b"X-Echo: one\r\n") == 2
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c, WebSocket", id="ws"),
        pytest.param(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80", id="tunnel"),
    ],
)
async def test_what_cannot_be_served_over_http_is_refused(
    address: tuple[str, int], head: bytes
) -> None:
    """Clearly, and the connection ends."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(head + b"\r\n\r\n")
    got = await reader.read()
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.endswith(b" not supported")
    writer.close()
