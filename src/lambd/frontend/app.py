"""The front door: one HTTP application for everything that the platform's port answers.

Each request becomes a visit, gets its request id, and goes to the first of the routes that takes it
(`routes.py`). This is the root of every request: whatever a route or a handler raises is answered, in
the protocol of what the request is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from lambd.frontend.hosts import Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.routes import Route
from lambd.frontend.visits import Visit
from lambd.http.exchanges import Exchange
from lambd.http.messages import RawHeaders, Response
from lambd.model.errors import UnknownOperationError
from lambd.telemetry.ids import new_request_id


class FrontDoor:
    """See the module header. Implements `lambd.http.exchanges.Application`."""

    def __init__(
        self,
        *,
        hosts: Hosts,
        limits: RequestLimits,
        routes: Sequence[Route],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Args:
        routes: in order; what none of them takes is unknown.
        tasks: the parent of handlers that wait.
        """
        self._hosts = hosts
        self._limits = limits
        self._routes = routes
        self._tasks = tasks

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """By path and host."""
        del method
        return self._limits.body_bytes(path, headers)

    def handle(self, exchange: Exchange) -> None:
        """Answer one request, now or later, whatever happens."""
        host = self._hosts.find(exchange.request.headers.get("host"))
        visit = Visit(exchange, host, new_request_id())
        try:
            for route in self._routes:
                handler = route(visit)
                if handler is not None:
                    break
            else:
                visit.fail(UnknownOperationError())
                return
            waiting = handler(visit)
            if waiting is not None:
                self._tasks.create_task(_finish(visit, waiting))
        except Exception as error:  # noqa: BLE001 - the root of a request: it is answered, and logged
            visit.fail(error)


async def _finish(visit: Visit, waiting: Awaitable[Response | None]) -> None:
    """Answer when a handler has an answer."""
    try:
        response = await waiting
        if response is not None:
            visit.exchange.respond(response)
    except Exception as error:  # noqa: BLE001 - the root of a request that waits
        visit.fail(error)
