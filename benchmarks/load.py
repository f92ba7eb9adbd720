"""The load client, a process of its own: keep-alive connections, one request in flight on each.

Plain asyncio protocols on uvloop, so that the client costs as little as it can, and the same for
every subject. Run as `python -m benchmarks.load '{"port": ..., ...}'`; prints a JSON object.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

import httptools
import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send: `requests` in all after `warm_up`, over `connections`, to each path in turn."""

    host: str
    port: int
    paths: list[str]
    payload: str = '{"key": "value"}'
    # The Host header, if it is not the address.
    named: str = ""
    # Further header lines, each with its line end; and what comes back when all is well.
    headers: str = ""
    status: int = 200
    answer: str = '"ok"'
    connections: int = 1
    requests: int = 500
    warm_up: int = 0
    timeout_s: float = 120.0


@dataclass(slots=True)
class Outcome:
    """What came back: nanoseconds of each measured request, and of all together."""

    latencies_ns: list[int]
    elapsed_ns: int


class LoadError(Exception):
    """A request was not answered as it should be; nothing measured counts."""


def _request(load: Load, path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {load.named or f'{load.host}:{load.port}'}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(load.payload)}\r\n"
        f"{load.headers}\r\n"
        f"{load.payload}"
    ).encode()


class _Run:
    """The state that all connections share."""

    def __init__(self, load: Load) -> None:
        self._requests = itertools.cycle([_request(load, path) for path in load.paths])
        self.status, self.answer = load.status, load.answer.encode()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unsent = self.unanswered = 0
        self.latencies_ns: list[int] = []

    def start(self, requests: int, connections: list[_Connection]) -> None:
        """Send `requests` over the connections; `finished` is done when all are answered."""
        self.finished = asyncio.get_running_loop().create_future()
        self.latencies_ns = []
        self.unsent = self.unanswered = requests
        for connection in connections:
            connection.send_next()

    def next_request(self) -> bytes:
        """The bytes to send next."""
        return next(self._requests)

    def fail(self, reason: str) -> None:
        """End the run for want of a proper answer."""
        if not self.finished.done():
            self.finished.set_exception(LoadError(reason))


class _Connection(asyncio.Protocol):
    """One keep-alive connection; the methods without docstrings are httptools's callbacks."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._sent_ns = 0
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def send_next(self) -> None:
        """Send the next request, if any is left."""
        if self._run.unsent:
            self._run.unsent -= 1
            self._body = b""
            request = self._run.next_request()
            self._sent_ns = time.perf_counter_ns()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Collect the answer."""
        self._body += body

    def on_message_complete(self) -> None:
        """Note how long it took and go on."""
        run = self._run
        run.latencies_ns.append(time.perf_counter_ns() - self._sent_ns)
        status = self._parser.get_status_code()
        if status != run.status or run.answer not in self._body:
            run.fail(f"status {status}: {self._body[:500]!r}")
            return
        self._parser = httptools.HttpResponseParser(self)
        run.unanswered -= 1
        if run.unanswered == 0 and not run.finished.done():
            run.finished.set_result(None)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up has failed."""
        self._run.fail(f"connection lost: {exc}")


async def run(load: Load) -> Outcome:
    """Send the load.

    Raises:
        LoadError: something was not answered, or not with 200.
        TimeoutError: not in `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    state = _Run(load)
    connections = [
        (await loop.create_connection(lambda: _Connection(state), load.host, load.port))[1]
        for _ in range(load.connections)
    ]
    async with asyncio.timeout(load.timeout_s):
        if load.warm_up:
            state.start(load.warm_up, connections)
            await state.finished
        begun_ns = time.perf_counter_ns()
        state.start(load.requests, connections)
        await state.finished
        return Outcome(state.latencies_ns, time.perf_counter_ns() - begun_ns)


def main() -> None:
    """The process: a load as JSON in the first argument, its outcome as JSON on stdout."""
    outcome = uvloop.run(run(Load(**json.loads(sys.argv[1]))))
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
