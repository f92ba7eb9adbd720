"""Requests and answers in parts, over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from lambd.http.exchanges import Exchange, ResponseStream, StreamedExchange
from lambd.http.messages import RawHeaders, Response
from lambd.http.server import HttpServer

Address = tuple[str, int]
HEAD = b"POST /in HTTP/1.1\r\nX-Stream: 1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Parts:
    """An application that keeps what comes in parts, and answers `GET /out` in parts."""

    def __init__(self) -> None:
        self.exchanges: asyncio.Queue[Exchange] = asyncio.Queue()
        self.events: asyncio.Queue[object] = asyncio.Queue()
        self.received = 0

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """Small: bodies in parts have no limit."""
        del method, path, headers
        return 100

    def handle(self, exchange: Exchange) -> None:
        """Listen to a body in parts; answer what comes whole, save `/out`."""
        if isinstance(exchange, StreamedExchange):
            exchange.on_data = self.take
            exchange.on_end = self.events.put_nowait
            exchange.on_truncated = lambda: self.events.put_nowait("truncated")
        elif exchange.request.path != "/out":
            names = ",".join(exchange.request.headers)
            exchange.respond(Response(200, [("X-Names", names)], exchange.request.body))
        self.exchanges.put_nowait(exchange)

    def take(self, data: bytes) -> None:
        """Count, and keep what is short."""
        self.received += len(data)
        if len(data) < 100:
            self.events.put_nowait(data)


@pytest.fixture
async def parts() -> Parts:
    """The application under the server."""
    return Parts()


@pytest.fixture
async def address(parts: Parts) -> AsyncIterator[Address]:
    """A served address."""
    server = HttpServer(parts, stream_marker=b"x-stream")
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.listen(sock)
    yield sock.getsockname()[:2]
    server.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One whole answer with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


async def outgoing(parts: Parts, **arguments: bool) -> ResponseStream:
    """Begin the answer to the request that comes next."""
    exchange = await parts.exchanges.get()
    return exchange.start(200, [("X-A", "1")], **arguments)


async def settle(parts: Parts) -> int:
    """Let the loop run until nothing more is received; how much was."""
    seen, quiet = parts.received, 0
    while quiet < 20:
        await asyncio.sleep(0.005)
        quiet = quiet + 1 if parts.received == seen else 0
        seen = parts.received
    return seen


async def test_hands_over_a_body_as_it_arrives_and_its_trailers(
    address: Address, parts: Parts
) -> None:
    """Each part comes before the next is sent; trailers come with the end; the connection goes on."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(HEAD)
    exchange = await parts.exchanges.get()
    assert exchange.request.body == b""
    for part in (b"one", b"two"):
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        assert await parts.events.get() == part
    writer.write(b"0\r\nX-Error: bad\r\n\r\n")
    trailers: RawHeaders = [(b"X-Error", b"bad")]
    assert await parts.events.get() == trailers
    exchange.respond(Response(202, [], b"thanks"))
    assert (await answer(reader)).endswith(b"thanks")
    writer.write(b"POST /whole HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    assert (await answer(reader)).endswith(b"abc")
    writer.close()


async def test_a_paused_body_stops_its_sender(address: Address, parts: Parts) -> None:
    """Little arrives while paused, whatever is sent; everything arrives afterwards."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(HEAD)
    exchange = await parts.exchanges.get()
    assert isinstance(exchange, StreamedExchange)
    exchange.pause()
    total = 32 * 1024 * 1024
    writer.write(b"%x\r\n" % total + bytes(total) + b"\r\n0\r\n\r\n")
    assert await settle(parts) < 1024 * 1024
    exchange.resume()
    assert await parts.events.get() == []
    assert parts.received == total
    writer.close()


async def test_a_sender_that_closes_its_side_is_truncated_and_can_be_answered(
    address: Address, parts: Parts
) -> None:
    """A half-closed connection still takes the answer, and is closed after it."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(HEAD + b"3\r\none\r\n")
    exchange = await parts.exchanges.get()
    assert isinstance(exchange, StreamedExchange)
    exchange.on_truncated = lambda: exchange.respond(Response(400, [], b"truncated"))
    writer.write_eof()
    assert (await reader.read()).endswith(b"truncated")
    writer.close()


@pytest.mark.parametrize("end", ["abort", "garbage"])
async def test_a_body_that_breaks_off_is_truncated(
    address: Address, parts: Parts, end: str
) -> None:
    """A lost connection and a malformed chunk are told once."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(HEAD + b"3\r\none\r\n")
    assert await parts.events.get() == b"one"
    if end == "abort":
        writer.transport.abort()
    else:
        writer.write(b"no chunk\r\n")
    assert await parts.events.get() == "truncated"
    await settle(parts)
    assert parts.events.empty()
    writer.close()


async def test_an_early_answer_drops_the_rest_of_the_body(address: Address, parts: Parts) -> None:
    """The sender reads the answer, nobody hears the rest, and the connection goes on."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(HEAD)
    exchange = await parts.exchanges.get()
    exchange.respond(Response(400, [], b"no"))
    assert (await answer(reader)).endswith(b"no")
    writer.write(b"3\r\none\r\n0\r\n\r\nGET /next HTTP/1.1\r\n\r\n")
    assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    assert parts.received == 0
    assert parts.events.empty()
    writer.close()


async def test_a_marked_request_behind_another_is_whole(address: Address, parts: Parts) -> None:
    """Pipelining gives up streaming, not order; its trailers are not headers."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /out HTTP/1.1\r\n\r\n" + HEAD + b"3\r\none\r\n0\r\nX-T: 1\r\n\r\n")
    first = await parts.exchanges.get()
    first.respond(Response(200, [], b"first"))
    assert (await answer(reader)).endswith(b"first")
    whole = await answer(reader)
    assert whole.endswith(b"one")
    assert b"X-Names: x-stream,transfer-encoding\r\n" in whole
    writer.close()


async def test_sends_parts_at_once_and_trailers_at_the_end(address: Address, parts: Parts) -> None:
    """Each part is a chunk that the client has before the next is written."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /out HTTP/1.1\r\n\r\n")
    stream = await outgoing(parts)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in head
    for part in (b"one", b"twelve bytes"):
        assert stream.write(part)
        expected = b"%x\r\n%b\r\n" % (len(part), part)
        assert await reader.readexactly(len(expected)) == expected
    stream.end([("X-T", "t")])
    assert await reader.readuntil(b"\r\n\r\n") == b"0\r\nX-T: t\r\n\r\n"
    assert not stream.is_open
    writer.write(b"GET /next HTTP/1.1\r\n\r\n")
    assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize(
    ("request_head", "expected"),
    [
        pytest.param(b"GET /out HTTP/1.0\r\n\r\n", b"onetwo", id="http-1.0"),
        pytest.param(
            b"GET /out HTTP/1.1\r\nConnection: close\r\n\r\n",
            b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
            id="close",
        ),
        pytest.param(b"HEAD /out HTTP/1.1\r\nConnection: close\r\n\r\n", b"", id="head"),
    ],
)
async def test_frames_parts_as_the_client_can_read_them(
    address: Address, parts: Parts, request_head: bytes, expected: bytes
) -> None:
    """Chunks for HTTP/1.1, bare bytes until the end for 1.0, nothing for HEAD."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_head)
    stream = await outgoing(parts)
    stream.write(b"one")
    stream.write(b"two")
    stream.end()
    received = await reader.read()
    assert b"Connection: close\r\n" in received
    assert received.partition(b"\r\n\r\n")[2] == expected
    writer.close()


async def test_a_slow_client_makes_the_application_wait(address: Address, parts: Parts) -> None:
    """`write` says when to stop, `on_writable` when to go on, and nothing is lost between."""
    reader, writer = await asyncio.open_connection(*address, limit=1024)
    writer.write(b"GET /out HTTP/1.1\r\nConnection: close\r\n\r\n")
    stream = await outgoing(parts)
    writable = asyncio.Event()
    stream.on_writable = writable.set
    written = 0
    while stream.write(bytes(65536)):
        written += 65536
        assert written < 64 * 1024 * 1024
        await asyncio.sleep(0)
    written += 65536
    assert not writable.is_set()
    received = 0
    while not writable.is_set():
        received += len(await reader.read(65536))
    stream.end()
    received += len(await reader.read())
    assert received > written
    writer.close()


async def test_tells_that_the_client_left(address: Address, parts: Parts) -> None:
    """The end of the client is told once; writing on is harmless."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /out HTTP/1.1\r\n\r\n")
    stream = await outgoing(parts)
    gone = asyncio.Event()
    stream.on_disconnect = gone.set
    stream.write(b"one")
    writer.transport.abort()
    await gone.wait()
    assert not stream.is_open
    assert stream.write(b"two")
    stream.end()


async def test_an_aborted_answer_has_no_end(address: Address, parts: Parts) -> None:
    """What was written arrives, the last chunk does not, and the connection is closed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /out HTTP/1.1\r\n\r\n")
    stream = await outgoing(parts)
    stream.write(b"one")
    stream.abort()
    assert (await reader.read()).endswith(b"3\r\none\r\n")
    writer.close()
