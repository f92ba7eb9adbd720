"""Name resolution for sandboxes: datagrams and connections relayed to the host's resolvers.

Sockets on 127.0.0.1:53 inside a sandbox are served from here, outside, so that names resolve even
where the host's resolver listens on the host's own loopback, which no sandbox can reach. Messages
are passed on unread; what is held for a sandbox is bounded, and excess queries are dropped, as any
name server would (clients ask again). The host's own names are answered here (`host_names`), to
datagrams, which is how resolvers ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from lambd.sandbox import host_names

RESOLV_CONF = Path("/etc/resolv.conf")
# Queries a sandbox may have under way, and connections.
_QUERIES, _CONNECTIONS = 32, 4
# Resolvers asked in turn, each given this long.
_QUERY_TIMEOUT_S, _CONNECTION_TIMEOUT_S = 4.0, 10.0
_DATAGRAM_BYTES, _CHUNK_BYTES = 4096, 16384
# Datagrams taken from one sandbox before the event loop serves others.
_BURST = 16

Address = tuple[str, int]


def host_resolvers(path: Path = RESOLV_CONF) -> list[Address]:
    """The name servers of the host, in order."""
    return parse_resolv_conf(path.read_text(errors="replace")) if path.exists() else []


def parse_resolv_conf(text: str) -> list[Address]:
    """Addresses on `nameserver` lines; 127.0.0.1 when there are none, as resolv.conf(5) says."""
    words = (line.split() for line in text.splitlines())
    servers = [(w[1], 53) for w in words if len(w) >= 2 and w[0] == "nameserver"]
    return servers or [("127.0.0.1", 53)]


class Resolver:
    """Relays for any number of sandboxes to one list of name servers."""

    def __init__(self, servers: Sequence[Address]) -> None:
        self._servers = tuple(servers)

    def serve(
        self, udp: socket.socket, tcp: socket.socket, host_address: str
    ) -> Callable[[], None]:
        """Serve a sandbox's two sockets on the running loop; they stay the caller's.

        Args:
            udp: bound inside.
            tcp: listening inside.
            host_address: where the sandbox reaches its host, of version 4.

        Returns:
            A function that stops it, to be called before the sockets are closed.
        """
        loop = asyncio.get_running_loop()
        relay = _SandboxRelay(loop, self._servers, udp, tcp, host_address)
        loop.add_reader(udp, relay.on_datagrams)
        loop.add_reader(tcp, relay.on_connection)
        return relay.stop


class _SandboxRelay:
    """What is under way for one sandbox."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        servers: Sequence[Address],
        udp: socket.socket,
        tcp: socket.socket,
        host_address: str,
    ) -> None:
        self._loop = loop
        self._servers = servers
        self._host_address = host_address
        self._udp = udp
        self._tcp = tcp
        self._queries: set[_Query] = set()
        self._connections: set[_Connection] = set()

    def on_datagrams(self) -> None:
        """Take what the sandbox asks, at most a burst of it."""
        for _ in range(_BURST):
            try:
                query, client = self._udp.recvfrom(_DATAGRAM_BYTES)
            except OSError:  # nothing left (or an ICMP error of an earlier answer)
                return
            own = host_names.answer(query, self._host_address)
            if own is not None:
                self._send(own, client)
            elif len(self._queries) < _QUERIES:
                self._queries.add(_Query(self._loop, self._servers, query, client, self._answer))

    def _answer(self, query: _Query, answer: bytes | None) -> None:
        self._queries.discard(query)
        if answer is not None:
            self._send(answer, query.client)

    def _send(self, answer: bytes, client: Address) -> None:
        with contextlib.suppress(OSError):  # nobody waits for it, or the buffer is full
            self._udp.sendto(answer, client)

    def on_connection(self) -> None:
        """Take one connection."""
        try:
            client, _ = self._tcp.accept()
        except OSError:
            return
        if len(self._connections) >= _CONNECTIONS or not self._servers:
            client.close()
            return
        try:
            connection = _Connection(
                self._loop, self._servers[0], client, self._connections.discard
            )
        except OSError:  # no descriptor left
            client.close()
            return
        self._connections.add(connection)

    def stop(self) -> None:
        """Drop everything under way."""
        self._loop.remove_reader(self._udp)
        self._loop.remove_reader(self._tcp)
        for query in tuple(self._queries):
            query.close()
        for connection in tuple(self._connections):
            connection.close()
        self._queries.clear()


class _Query:
    """One datagram on its way to the resolvers in turn, by a socket (and source port) of its own."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        servers: Sequence[Address],
        query: bytes,
        client: Address,
        done: Callable[[_Query, bytes | None], None],
    ) -> None:
        self.client = client
        self._loop = loop
        self._remaining = list(servers)
        self._query = query
        self._done = done
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Not at once: the owner has to have recorded us before we may report to it.
        self._start = loop.call_soon(self._ask_next)

    def _ask_next(self) -> None:
        self.close()
        while self._remaining:
            address = self._remaining.pop(0)
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            try:
                self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self._socket.connect(address)
                self._socket.send(self._query)
            except OSError:  # no route to this one, or no descriptor left
                self.close()
                continue
            self._loop.add_reader(self._socket, self._on_answer)
            self._timer = self._loop.call_later(_QUERY_TIMEOUT_S, self._ask_next)
            return
        self._done(self, None)

    def _on_answer(self) -> None:
        if self._socket is None:
            return
        try:
            answer = self._socket.recv(65535)
        except BlockingIOError:
            return
        except OSError:  # refused: nobody listens there
            self._ask_next()
            return
        if answer[:2] != self._query[:2]:
            return  # not the answer to this question
        self.close()
        self._done(self, answer)

    def close(self) -> None:
        """Stop waiting."""
        self._start.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None


class _Connection:
    """One connection of a sandbox joined to one to the first resolver, a chunk at a time each way."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: Address,
        client: socket.socket,
        done: Callable[[_Connection], None],
    ) -> None:
        self._loop = loop
        self._done = done
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        upstream = socket.socket(family, socket.SOCK_STREAM)
        self._ends = (client, upstream)
        for end in self._ends:
            end.setblocking(False)
        self._timer = loop.call_later(_CONNECTION_TIMEOUT_S, self.close)
        upstream.connect_ex(server)
        # Writable or failed: both tell that connecting is over.
        loop.add_writer(upstream, self._on_connected)

    def _on_connected(self) -> None:
        client, upstream = self._ends
        self._loop.remove_writer(upstream)
        if upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
            return
        self._loop.add_reader(client, self._on_readable, client, upstream)
        self._loop.add_reader(upstream, self._on_readable, upstream, client)

    def _on_readable(self, source: socket.socket, target: socket.socket) -> None:
        try:
            chunk = source.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return
        self._write(chunk, source, target)

    def _write(self, chunk: bytes, source: socket.socket, target: socket.socket) -> None:
        """Write on; while the other side is slow, nothing more is read."""
        try:
            written = target.send(chunk)
        except BlockingIOError:
            written = 0
        except OSError:
            self.close()
            return
        self._loop.remove_writer(target)
        if written < len(chunk):
            self._loop.remove_reader(source)
            self._loop.add_writer(target, self._write, chunk[written:], source, target)
        else:
            self._loop.add_reader(source, self._on_readable, source, target)

    def close(self) -> None:
        """Close both ends."""
        self._timer.cancel()
        for end in self._ends:
            if end.fileno() >= 0:
                self._loop.remove_reader(end)
                self._loop.remove_writer(end)
                end.close()
        self._done(self)
