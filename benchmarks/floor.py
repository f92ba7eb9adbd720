"""The bare floor: the least that can stand between a client and awslambdaric. Not a product.

One uvloop, plain asyncio protocols, httptools. Clients POST to one port; runtime processes ask
`/next` on another; a request goes to the runtime that has waited longest, its answer straight
back, the parts of a chunked one as they come. No limits, no errors, no timeouts, no logs: whatever
a real platform does costs extra.
Run as `python -m benchmarks.floor RUNTIMES COMMAND...`; prints `PORT` once all runtimes wait.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections import deque
from itertools import count
from typing import cast

import httptools
import uvloop

_NEXT = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "Lambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n"
    "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n"
    "Content-Length: {length}\r\n\r\n"
)
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
_START_TIMEOUT_S = 30.0
_STREAMED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"


class Exchange:
    """Who waits for what."""

    def __init__(self, runtimes: int) -> None:
        self._missing = runtimes
        self.all_waiting = asyncio.Event()
        self._idle: deque[asyncio.Transport] = deque()
        self._queued: deque[tuple[asyncio.Transport, bytes]] = deque()
        self._clients: dict[str, asyncio.Transport] = {}
        self._ids = (f"00000000-0000-4000-8000-{number:012}" for number in count())

    def request(self, client: asyncio.Transport, event: bytes) -> None:
        """A client's event: to an idle runtime, or into the queue."""
        if self._idle:
            self._hand_over(self._idle.popleft(), client, event)
        else:
            self._queued.append((client, event))

    def next(self, runtime: asyncio.Transport) -> None:
        """A runtime wants an event."""
        if self._queued:
            self._hand_over(runtime, *self._queued.popleft())
            return
        self._idle.append(runtime)
        self._missing -= 1
        if self._missing == 0:
            self.all_waiting.set()

    def answer(self, request_id: str, body: bytes) -> None:
        """A runtime's answer: to the client that asked."""
        self.client(request_id).write(_ANSWER.format(length=len(body)).encode() + body)

    def client(self, request_id: str) -> asyncio.Transport:
        """Who waits for an answer."""
        return self._clients.pop(request_id)

    def _hand_over(
        self, runtime: asyncio.Transport, client: asyncio.Transport, event: bytes
    ) -> None:
        request_id = next(self._ids)
        self._clients[request_id] = client
        runtime.write(_NEXT.format(id=request_id, length=len(event)).encode() + event)


class _Server(asyncio.Protocol):
    """One connection of either side."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """The path comes first."""
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body


class ClientSide(_Server):
    """Every POST is an invocation."""

    def on_message_complete(self) -> None:
        """Pass it on."""
        self._exchange.request(self._transport, self._body)


class RuntimeSide(_Server):
    """`GET .../invocation/next` and `POST .../invocation/<id>/response`."""

    _reader: asyncio.Transport | None = None

    def on_chunk_header(self) -> None:
        """The answer comes in parts."""
        if self._reader is None:
            self._reader = self._exchange.client(self._url.split(b"/")[-2].decode())
            self._reader.write(_STREAMED)

    def on_body(self, body: bytes) -> None:
        """Collect the body, or pass it on."""
        if self._reader is None:
            super().on_body(body)
        else:
            self._reader.writelines((b"%x\r\n" % len(body), body, b"\r\n"))

    def on_message_complete(self) -> None:
        """Wait for an event, or deliver an answer."""
        if self._url.endswith(b"/next"):
            self._exchange.next(self._transport)
            return
        if self._reader is None:
            self._exchange.answer(self._url.split(b"/")[-2].decode(), self._body)
        else:
            self._reader.write(b"0\r\n\r\n")
            self._reader = None
        self._transport.write(_ACCEPTED)


async def serve(runtimes: int, command: list[str]) -> None:
    """Run until SIGTERM."""
    loop = asyncio.get_running_loop()
    exchange = Exchange(runtimes)
    front = await loop.create_server(lambda: ClientSide(exchange), "127.0.0.1", 0)
    back = await loop.create_server(lambda: RuntimeSide(exchange), "127.0.0.1", 0)
    address = "{}:{}".format(*back.sockets[0].getsockname())
    environment = os.environ | {"AWS_LAMBDA_RUNTIME_API": address}
    processes: list[Process] = []
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        for _ in range(runtimes):
            process = await create_subprocess_exec(*command, env=environment, stdout=DEVNULL)
            processes.append(process)
        async with asyncio.timeout(_START_TIMEOUT_S):
            await exchange.all_waiting.wait()
        print(front.sockets[0].getsockname()[1], flush=True)
        await stopped.wait()
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            await process.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
