"""One connection without a socket: what it holds, and how many requests it takes at a time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import cast

import pytest

from lambd.http.busy_poll import BusyPoll
from lambd.http.connection import PENDING_REQUESTS, STARTS_AT_ONCE, HttpConnection
from lambd.http.exchanges import Application, Exchange, StreamedExchange
from lambd.http.messages import RawHeaders, Response


class FakeTransport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.is_paused = False

    def get_extra_info(self, name: str) -> None:
        """Nothing is known of the client."""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Remember it."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """Remember it."""
        self.is_paused = False

    @property
    def answers(self) -> int:
        """How many there were."""
        return self.written.count(b"HTTP/1.1 ")


class FakeServer:
    """Server and application: answers everything at once but `/later`."""

    def __init__(self) -> None:
        self.application: Application = self
        self.stream_marker = b"x-stream"
        self.busy_poll: BusyPoll | None = None
        self.waiting: list[Exchange] = []
        self.started: list[str] = []

    def admit(self, connection: HttpConnection) -> bool:
        """Everybody."""
        del connection
        return True

    def forget(self, connection: HttpConnection) -> None:
        """Nothing is kept."""

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """A megabyte."""
        del method, path, headers
        return 1_000_000

    def handle(self, exchange: Exchange) -> None:
        """Answer."""
        self.started.append(exchange.request.path)
        if exchange.request.path == "/later" or isinstance(exchange, StreamedExchange):
            self.waiting.append(exchange)
        else:
            exchange.respond(Response(200, [], exchange.request.path.encode()))


class Watched(HttpConnection):
    """One that can be referred to weakly."""


def connect(server: FakeServer) -> tuple[Watched, FakeTransport]:
    """A connection to the server."""
    connection, transport = Watched(server), FakeTransport()
    connection.connection_made(cast("asyncio.Transport", transport))
    return connection, transport


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """In a server it hardly ever runs."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", id="half-a-head"),
        pytest.param(b"PUT / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n" + bytes(80000), id="body"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a-whole-request"),
        pytest.param(b"GET /later HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n", id="pipelined"),
        pytest.param(
            b"PUT / HTTP/1.1\r\nX-Stream: 1\r\nContent-Length: 9\r\n\r\nabc", id="streamed-body"
        ),
    ],
)
@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_left_of_a_connection_that_is_gone(data: bytes) -> None:
    """Whatever it was about; least of all half a body."""
    server = FakeServer()
    connection, _ = connect(server)
    connection.data_received(data)
    connection.connection_lost(None)
    server.waiting.clear()
    left = weakref.ref(connection)
    del connection
    assert left() is None


async def turn() -> None:
    """Let the loop run what is ready."""
    await asyncio.sleep(0)


def requests(first: str, others: int) -> bytes:
    """A request and more of them in one piece."""
    paths = [first, *(f"/{number}" for number in range(others))]
    return b"".join(f"GET {path} HTTP/1.1\r\n\r\n".encode() for path in paths)


async def test_many_pipelined_requests_are_answered_in_order() -> None:
    """Each in a turn of the loop of its own, however many are answered at once."""
    server = FakeServer()
    connection, transport = connect(server)
    connection.data_received(requests("/later", PENDING_REQUESTS))
    assert (server.started, transport.is_paused) == (["/later"], True)
    server.waiting[0].respond(Response(200))
    assert server.started == ["/later"]
    await turn()
    assert server.started == ["/later", "/0"]
    while transport.answers <= PENDING_REQUESTS:
        await turn()
    assert server.started[1:] == [f"/{number}" for number in range(PENDING_REQUESTS)]
    assert not transport.is_paused


async def test_a_flood_of_requests_lets_others_have_their_turn() -> None:
    """A few are answered at once, the others one by one."""
    server = FakeServer()
    connection, transport = connect(server)
    connection.data_received(requests("/", 99))
    assert transport.answers == STARTS_AT_ONCE
    await turn()
    assert transport.answers == STARTS_AT_ONCE + 1
    while transport.answers < 100:
        await turn()
    assert not transport.is_paused


async def test_too_many_pipelined_requests_end_the_connection() -> None:
    """After the answers to those that were taken."""
    server = FakeServer()
    connection, transport = connect(server)
    connection.data_received(requests("/later", PENDING_REQUESTS + 1))
    server.waiting[0].respond(Response(200))
    while not transport.is_closed:
        await turn()
    assert transport.answers == PENDING_REQUESTS + 1
    assert transport.written.count(b"Connection: close") == 1


async def test_a_client_that_leaves_is_not_served_any_more() -> None:
    """Requests that wait for their turn are dropped with it."""
    server = FakeServer()
    connection, _ = connect(server)
    connection.data_received(requests("/", 99))
    connection.connection_lost(None)
    await turn()
    assert len(server.started) == STARTS_AT_ONCE


async def test_a_connection_that_is_to_end_does_so_after_the_request_whose_turn_comes() -> None:
    """As with any request under way."""
    server = FakeServer()
    connection, transport = connect(server)
    connection.data_received(requests("/", STARTS_AT_ONCE + 5))
    connection.close_when_idle()
    closed = [transport.is_closed]
    await turn()
    closed.append(transport.is_closed)
    assert closed == [False, True]
    assert transport.answers == STARTS_AT_ONCE + 1
