"""An HTTP/1.1 server: listening sockets, the connections on them, draining.

One `HttpServer` serves any number of listening sockets (the platform's API, and one Runtime API
socket per sandbox) for one `Application`, which answers when it likes: from the callback, or later.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable

from lambd.http.busy_poll import BusyPoll
from lambd.http.connection import HttpConnection
from lambd.http.exchanges import Application


class HttpServer:
    """Serves one application on any number of listening sockets."""

    def __init__(
        self,
        application: Application,
        *,
        max_connections: int = 10_000,
        stream_marker: bytes = b"",
        busy_poll: BusyPoll | None = None,
        has_room: Callable[[], bool] = lambda: True,
        promised_connections: int = 0,
    ) -> None:
        """Serve an application.

        Args:
            max_connections: more are closed when they come.
            stream_marker: a header's name in lower case; requests that have it are handed over
                at the end of their head, as `StreamedExchange`.
            busy_poll: told of every message that comes; None: the loop sleeps when it can.
            has_room: asked for each new connection, which is closed if the answer is no.
            promised_connections: so many it is not asked for.
        """
        self.application = application
        self.stream_marker = stream_marker
        self.busy_poll = busy_poll
        self._max_connections = max_connections
        self._has_room = has_room
        self._promised_connections = promised_connections
        self._connections: set[HttpConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._no_connections = asyncio.Event()
        self._no_connections.set()

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a listening socket, which the server owns from now on."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: HttpConnection(self), sock=sock, ssl=tls)
        self._listeners.append(listener)

    def admit(self, connection: HttpConnection) -> bool:
        """Count a new connection; False when there are too many."""
        count = len(self._connections)
        if count >= self._max_connections:
            return False
        if count >= self._promised_connections and not self._has_room():
            return False
        self._connections.add(connection)
        self._no_connections.clear()
        return True

    def forget(self, connection: HttpConnection) -> None:
        """Drop a connection that is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._no_connections.set()

    async def run_sweeper(self, interval_s: float = 30.0) -> None:
        """Close connections that have been silent too long; runs until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            now = time.monotonic()
            for connection in [c for c in self._connections if c.is_stale(now)]:
                connection.abort()

    def stop_accepting(self) -> None:
        """Close the listening sockets; connections go on."""
        for listener in self._listeners:
            listener.close()

    async def drain(self, timeout_s: float) -> None:
        """Wait until every answer under way is sent, at most `timeout_s`, then cut the rest."""
        for connection in list(self._connections):
            connection.close_when_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._no_connections.wait()
        self.close()

    def close(self) -> None:
        """Stop at once."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.abort()
