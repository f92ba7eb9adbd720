"""The front door: one HTTP application for everything that the platform's port answers.

Each request becomes a visit, gets its request id, and goes to the first of the routes that takes it
(`routes.py`). This is the root of every request: whatever a route or a handler raises is answered, in
the protocol of what the request is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Protocol

from lambd.access.sigv4 import signed_region
from lambd.frontend.hosts import HostKind, Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.routes import Route
from lambd.frontend.visits import Visit
from lambd.http.exchanges import Exchange
from lambd.http.messages import RawHeaders, Response
from lambd.model.errors import UnknownOperationError
from lambd.telemetry.ids import new_request_id


class RegionRoutes(Protocol):
    """What each region answers (`lambd/regions.py`); all on the event loop."""

    # Whose requests those are that name no region.
    default: str

    def routes(self, region: str) -> Sequence[Route] | None:
        """The routes of a region, in order; None: it is not open, or there is none of that name."""

    async def open_routes(self, region: str) -> Sequence[Route]:
        """The same, once it is open; of no region, those that refuse what is signed for it."""


class FrontDoor:
    """See the module header. Implements `lambd.http.exchanges.Application`."""

    def __init__(
        self,
        *,
        hosts: Hosts,
        limits: RequestLimits,
        regions: RegionRoutes,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Args:
        hosts: what Host headers mean.
        limits: of requests.
        regions: where each request goes; what none of a region's routes takes is unknown.
        tasks: the parent of handlers that wait.
        """
        self._hosts = hosts
        self._limits = limits
        self._regions = regions
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
            region = host.region or signed_region(exchange.request) or self._regions.default
            routes = self._regions.routes(region)
            if routes is None and host.kind is not HostKind.API:
                # A region that has function URLs is open: this one is none's.
                visit.host = replace(host, url_id=None)
                routes = self._regions.routes(self._regions.default)
            if routes is None:
                waiting: Awaitable[Response | None] | None = self._open(visit, region)
            else:
                waiting = _enter(visit, routes)
            if waiting is not None:
                self._tasks.create_task(_finish(visit, waiting))
        except Exception as error:  # noqa: BLE001 - the root of a request: it is answered, and logged
            visit.fail(error)

    async def _open(self, visit: Visit, region: str) -> Response | None:
        """Answer the first request for a region."""
        waiting = _enter(visit, await self._regions.open_routes(region))
        return None if waiting is None else await waiting


def _enter(visit: Visit, routes: Sequence[Route]) -> Awaitable[Response | None] | None:
    """Give a request to the first route that takes it."""
    for route in routes:
        handler = route(visit)
        if handler is not None:
            return handler(visit)
    raise UnknownOperationError


async def _finish(visit: Visit, waiting: Awaitable[Response | None]) -> None:
    """Answer when a handler has an answer."""
    try:
        response = await waiting
        if response is not None:
            visit.exchange.respond(response)
    except Exception as error:  # noqa: BLE001 - the root of a request that waits
        visit.fail(error)
