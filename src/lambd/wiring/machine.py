"""The wiring of the machine: what all regions share, since the machine has it once.

Sandboxes and the pool of environments, language runtimes, descriptors, and the door's own parts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from lambd.config import Settings
from lambd.environments.placement import HostLedger, available_memory_mib, machine_memory_mib
from lambd.environments.pool import Pool
from lambd.environments.scaling_rate import ScalingRate
from lambd.environments.starter import Place, Starter, StarterOptions
from lambd.environments.stream_limits import StreamLimits
from lambd.frontend.code_links import CodeLinks
from lambd.frontend.hosts import Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.http.busy_poll import BusyPoll
from lambd.http.exchanges import Application
from lambd.http.listening import authority_of
from lambd.model.arns import Scope
from lambd.runtimes.provision import Provisioner
from lambd.runtimes.variables import Credentials
from lambd.sandbox.descriptors import Descriptors, environments_that_fit, raise_limit
from lambd.sandbox.driver import SandboxDriver
from lambd.sandbox.oci import OciDriver
from lambd.sandbox.process import ProcessDriver
from lambd.store.blobs import BlobStore

PROCESS_DRIVER = "process"


class Machine:
    """Every part, built and connected."""

    def __init__(
        self,
        settings: Settings,
        driver: SandboxDriver,
        tasks: asyncio.TaskGroup,
        *,
        places: Callable[[Scope], Place],
        blobs: Callable[[str], BlobStore | None],
        door: Callable[[], Application],
        under_way: Callable[[], int],
    ) -> None:
        """Args:
        settings: of the server; the ports are the bound ones.
        driver: opened.
        tasks: the root of all tasks.
        places: where the code and the logs of an account's region are.
        blobs: a region's archives; None: no such region is open.
        door: what sandboxes reach as AWS's endpoint.
        under_way: how many invocations run.
        """
        self.settings = settings
        self.tasks = tasks
        self.descriptors = Descriptors(raise_limit())
        self.provisioner = Provisioner(settings.cache_dir)
        self.busy_poll = _busy_poll(settings, under_way)
        self.hosts = Hosts(url_domain=settings.url_domain, allowed=settings.allowed_hosts)
        self.request_limits = RequestLimits(settings.limits, self.hosts)
        self.code_links = CodeLinks(blobs, f"http://{authority_of(settings.host, settings.port)}")
        self.pool = Pool(
            starter=Starter(
                driver=driver,
                places=places,
                settings=StarterOptions(
                    credentials=Credentials(
                        access_key_id=settings.function_access_key_id,
                        secret_access_key=settings.function_secret_access_key,
                        session_token=settings.function_session_token or None,
                    ),
                    endpoint_url=settings.function_endpoint_url,
                    response_limit_bytes=settings.limits.response_payload_bytes,
                    stream_limits=StreamLimits.of(settings.limits),
                ),
                platform=door,
                busy_poll=self.busy_poll,
                has_room=self.descriptors.has_room_for_sandbox,
            ),
            ledger=HostLedger(
                _host_memory_mib(settings),
                overcommit=settings.memory_overcommit,
                available_mib=available_memory_mib,
                max_environments=environments_that_fit(self.descriptors.limit),
            ),
            scaling=ScalingRate(settings.limits.environments_per_10_s),
            tasks=tasks,
            freeze_after_s=settings.freeze_after_s,
            idle_timeout_s=settings.idle_timeout_s,
            max_per_deployment=settings.max_environments_per_function,
        )

    async def usable_runtimes(self) -> tuple[str, ...]:
        """Identifiers of the runtimes that this machine can run."""
        available = await self.provisioner.available()
        return tuple(status.identifier for status in available if status.is_usable)


def _busy_poll(settings: Settings, under_way: Callable[[], int]) -> BusyPoll | None:
    """Stay awake while fewer invocations run than there are processors beside our own."""
    others = len(os.sched_getaffinity(0)) - 1
    if not settings.busy_poll_us or not others:
        return None
    return BusyPoll(settings.busy_poll_us / 1e6, lambda: under_way() <= others)


def _host_memory_mib(settings: Settings) -> int:
    return settings.host_memory_mib or machine_memory_mib() * 9 // 10


def sandbox_driver(settings: Settings) -> SandboxDriver:
    """The driver that the settings ask for, not yet opened."""
    run_dir = settings.data_dir / "run"
    if settings.driver == PROCESS_DRIVER:
        return ProcessDriver(run_dir, authority_of(settings.host, settings.port))
    return OciDriver(
        runtime=settings.driver,
        run_dir=run_dir,
        platform_port=settings.port,
        network=settings.network,
        network_cidr=settings.network_cidr,
        host_ports=settings.host_ports,
        cpu=settings.cpu,
        memory_mib=_host_memory_mib(settings),
    )
