"""The regions that are served: opened when they are first asked for, drained and closed together.

A region is a place of its own, as on AWS: functions, layers, schedules, logs and limits of one are
not there in another (`wiring/region.py`). Sandboxes, environments and the door are the machine's.
Regions that have rows are opened at the start, since something may be due in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import structlog

from lambd.environments.starter import Place
from lambd.frontend.routes import Route
from lambd.model.arns import Scope
from lambd.model.errors import UnavailableError
from lambd.model.regions import PARTITIONS
from lambd.store.blobs import BlobStore
from lambd.store.database import Database
from lambd.store.region_directories import RegionDirectories
from lambd.wiring.machine import Machine
from lambd.wiring.region import Region

_log = structlog.get_logger(__name__)


class _Open:
    """A region at work."""

    def __init__(self, region: Region, tasks: asyncio.TaskGroup) -> None:
        self.region = region
        self._tasks = tasks
        self._loops: list[asyncio.Task[None]] = []
        self._dispatching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what has to be in memory, and take up what is due."""
        region = self.region
        await region.load()
        self._loops += [self._tasks.create_task(loop) for loop in region.loops()]
        await region.events.open()
        self._dispatching = self._tasks.create_task(region.schedules.run())

    async def stop_dispatching(self) -> None:
        """It would only be told that the platform is stopping; what is due waits in its row."""
        if self._dispatching is not None:
            self._dispatching.cancel()
            await asyncio.gather(self._dispatching, return_exceptions=True)

    async def close(self) -> None:
        """After the last environment: no log line comes any more."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.region.logs.close()


class Regions:
    """See the module header. Implements `lambd.frontend.app.RegionRoutes`."""

    def __init__(
        self,
        *,
        account_id: str,
        default: str,
        directories: RegionDirectories,
        home: Database,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Args:
        account_id: whose regions they are.
        default: the region of requests that name none.
        directories: where each region's rows are.
        home: the rows of the region that has the data directory itself; closed by the caller.
        tasks: the root of all tasks.
        """
        self.default = default
        self._account_id = account_id
        self._directories = directories
        self._home = home
        self._tasks = tasks
        self._machine: Machine | None = None
        self._open: dict[str, _Open] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._is_stopping = False

    async def start(self, machine: Machine) -> None:
        """Open what has rows, and the default region."""
        self._machine = machine
        for name in dict.fromkeys((self.default, *self._directories.existing())):
            await self._opened(name)

    def routes(self, region: str) -> Sequence[Route] | None:
        """The routes of a region that is open."""
        found = self._open.get(region)
        return None if found is None else found.region.contents.here

    async def open_routes(self, region: str) -> Sequence[Route]:
        """The routes of a region, opened if it is not; those of nowhere if AWS has none such.

        Raises:
            UnavailableError: the platform is stopping, or its rows cannot be opened.
        """
        if region in PARTITIONS or region in (self.default, self._directories.home):
            return (await self._opened(region)).region.contents.here
        return (await self._opened(self.default)).region.contents.nowhere

    def place(self, scope: Scope) -> Place:
        """Where the code and the logs of a region's functions are; it is open, since they run."""
        region = self._open[scope.region].region
        return Place(preparer=region.preparer, logs=region.logs)

    def blobs(self, region: str) -> BlobStore | None:
        """A region's archives; None: it is not open."""
        found = self._open.get(region)
        return None if found is None else found.region.blobs

    def under_way(self) -> int:
        """Invocations that run, in all regions."""
        # Asked for with every message: a loop is quicker than a generator.
        total = 0
        for each in self._open.values():
            total += each.region.pipeline.under_way
        return total

    async def _opened(self, name: str) -> _Open:
        async with self._locks.setdefault(name, asyncio.Lock()):
            found = self._open.get(name)
            if found is None:
                found = await self._start_region(name)
            return found

    async def _start_region(self, name: str) -> _Open:
        machine = self._machine
        if machine is None or self._is_stopping:
            raise UnavailableError("The platform is starting or stopping")
        data_dir = await asyncio.to_thread(self._directories.make, name)
        is_home = name == self._directories.home
        database = self._home if is_home else await asyncio.to_thread(Database.open, data_dir)
        scope = Scope.of(self._account_id, name)
        opened = _Open(Region(machine, scope, database, data_dir), self._tasks)
        # Its loops may start environments at once, which ask for their place.
        self._open[name] = opened
        try:
            await opened.start()
        except BaseException:
            del self._open[name]
            await opened.stop_dispatching()
            await opened.close()
            if not is_home:
                await asyncio.to_thread(database.close)
            raise
        _log.info("region_opened", region=name)
        return opened

    # -- the end

    async def stop_dispatching(self) -> None:
        """Hand over nothing more that is due, and open no region."""
        self._is_stopping = True
        await self._each(_Open.stop_dispatching)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the events that are being attempted, then take no notice of any."""
        await self._each(lambda each: each.region.events.drain(timeout_s))
        await self._each(lambda each: each.region.events.close())

    async def close(self) -> None:
        """After the last environment: end the loops, and close the rows of all but the home."""
        await self._each(_Open.close)
        others: Collection[_Open] = [
            each for each in self._open.values() if each.region.database is not self._home
        ]
        for each in others:
            await asyncio.to_thread(each.region.database.close)

    async def _each(self, step: Callable[[_Open], Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*(step(each) for each in self._open.values()))
