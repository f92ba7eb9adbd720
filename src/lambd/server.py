"""The life of a platform: its root task group, and the order of start and stop.

Start: private mounts, data directory, socket, driver, store, data plane, front door.
Stop (SIGTERM, SIGINT): accept nothing, drain answers under way, close environments, then the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import structlog
import uvloop

from lambd.config import Settings
from lambd.frontend.app import FrontDoor
from lambd.http.listening import listen_on
from lambd.http.server import HttpServer
from lambd.http.tls import server_context
from lambd.model.errors import PlatformError, UnavailableError
from lambd.regions import Regions
from lambd.sandbox.driver import SandboxDriver
from lambd.sandbox.namespaces import enter_private_mounts
from lambd.store.database import Database
from lambd.store.region_directories import RegionDirectories
from lambd.wiring.machine import PROCESS_DRIVER, Machine, sandbox_driver

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a started server tells whoever started it; `settings.port` is the bound one."""

    settings: Settings
    driver_name: str
    runtimes: tuple[str, ...]


ReadyCallback = Callable[[Started], None]


def serve(settings: Settings, on_ready: ReadyCallback | None = None) -> int:
    """Run a platform until SIGTERM or SIGINT; the process's exit status.

    Call it from the main thread of a process that has started no other thread.
    """
    try:
        if settings.driver != PROCESS_DRIVER:
            enter_private_mounts()
        uvloop.run(_main(settings, on_ready))
    except (PlatformError, OSError) as error:
        return _tell(error)
    except BaseExceptionGroup as group:
        known, others = group.split((PlatformError, OSError))
        if known is None or others is not None:
            raise
        return _tell(known)
    return 0


def _tell(error: BaseException) -> int:
    """Say in a line each what this machine, and not lambd, is the cause of; the exit status."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            _tell(each)
    else:
        message = error.message if isinstance(error, PlatformError) else str(error)
        _log.critical("server_failed", error=message)
    return 1


async def _main(settings: Settings, on_ready: ReadyCallback | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_platform(settings) as started:
        _settle_interpreter()
        if on_ready is not None:
            on_ready(started)
        await stop.wait()
        _log.info("server_stopping", drain_timeout_s=settings.drain_timeout_s)


def _settle_interpreter() -> None:
    """Spare the garbage collector what is there for good, and let it run less often.

    An invocation makes objects by the dozen and cycles never: by default the collector would walk
    the young ones every few invocations, for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@contextlib.asynccontextmanager
async def running_platform(settings: Settings) -> AsyncIterator[Started]:
    """A platform that serves for as long as the block runs, and drains at its end.

    Raises:
        UnavailableError: the address is taken, or the data directory is in use.
        SandboxError: the driver cannot run on this machine.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = await asyncio.to_thread(Database.open, settings.data_dir)
    try:
        directories = RegionDirectories.open(settings.data_dir, settings.region)
        tls = _tls(settings)
        sock = listen_on(settings.host, settings.port, "--port")
        settings = replace(settings, port=sock.getsockname()[1])
        tls_sock = None
        if tls is not None:
            tls_sock = listen_on(settings.host, settings.tls_port, "tls_port")
            settings = replace(settings, tls_port=tls_sock.getsockname()[1])
        driver = sandbox_driver(settings)
        await driver.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                life = _Life(settings, database, directories, driver, tasks)
                await life.start(sock)
                if tls is not None and tls_sock is not None:
                    await life.serve(tls_sock, tls)
                try:
                    yield Started(
                        settings=settings,
                        driver_name=driver.name,
                        runtimes=await life.machine.usable_runtimes(),
                    )
                finally:
                    await life.stop()
        finally:
            await driver.close()
    finally:
        await asyncio.to_thread(database.close)


class _Life:
    """Starts the parts of a platform, and stops them in the order that loses nothing."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directories: RegionDirectories,
        driver: SandboxDriver,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._servers: list[HttpServer] = []
        self._loops: list[asyncio.Task[None]] = []
        self._regions = regions = Regions(
            account_id=settings.account_id,
            default=settings.region,
            directories=directories,
            home=database,
            tasks=tasks,
        )
        self.machine = Machine(
            settings,
            driver,
            tasks,
            places=regions.place,
            blobs=regions.blobs,
            door=lambda: self._door,
            under_way=regions.under_way,
        )
        self._door = FrontDoor(
            hosts=self.machine.hosts,
            limits=self.machine.request_limits,
            regions=regions,
            tasks=tasks,
        )

    async def start(self, sock: socket.socket) -> None:
        """Bring everything to work; the door opens last."""
        self._loops.append(self._tasks.create_task(self.machine.pool.run_sweeper()))
        await self._regions.start(self.machine)
        await self.serve(sock)

    async def serve(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Open the door at one more socket."""
        machine = self.machine
        server = HttpServer(
            self._door,
            busy_poll=machine.busy_poll,
            has_room=machine.descriptors.has_room_for_client,
        )
        self._servers.append(server)
        self._loops.append(self._tasks.create_task(server.run_sweeper()))
        await server.listen(sock, tls)

    async def stop(self) -> None:
        """Accept nothing, drain answers under way, close environments, then the rest."""
        for server in self._servers:
            server.stop_accepting()
        await self._regions.stop_dispatching()
        timeout_s = self._settings.drain_timeout_s
        drains = (server.drain(timeout_s) for server in self._servers)
        await asyncio.gather(*drains, self._regions.drain(timeout_s))
        await self.machine.pool.close()
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._regions.close()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UnavailableError("TLS needs both: tls_certificate and tls_key")
    return server_context(certificate, key)
