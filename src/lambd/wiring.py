"""The wiring: builds every part of a platform and connects them. Life is `server.py`'s.

What a machine has once (sandboxes, the pool of environments, runtimes) is built first, then what
serves requests: data plane, event plane, control plane, front door, in the order of need.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Coroutine
from functools import partial
from typing import Any

from lambd.access import principals
from lambd.access.authority import Authority
from lambd.access.sigv4 import Key
from lambd.api.call import LambdaApi
from lambd.aws.clients import Endpoints, Patience, S3Source, ServiceClients
from lambd.aws.publisher import AwsPublisher
from lambd.config import Settings
from lambd.environments.allocator import Allocator
from lambd.environments.hosting import LocalHosting
from lambd.environments.placement import HostLedger, available_memory_mib, machine_memory_mib
from lambd.environments.pool import Pool
from lambd.environments.preparation import Preparer
from lambd.environments.reconciler import Reconciler
from lambd.environments.relay import StreamLimits
from lambd.environments.scaling import ScalingRate
from lambd.environments.starter import Starter, StarterSettings
from lambd.frontend.app import FrontDoor
from lambd.frontend.code_links import CodeLinks
from lambd.frontend.hosts import Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.routes import routes
from lambd.http.busy_poll import BusyPoll
from lambd.http.listening import authority_of
from lambd.invoke.admission import Admission
from lambd.invoke.delivery_calls import DeliveryCalls
from lambd.invoke.event_options import EventOptions
from lambd.invoke.events import EventQueue
from lambd.invoke.pipeline import InvokedCallback, InvokePipeline
from lambd.invoke.resolve import VersionCache
from lambd.model.aliases import Route
from lambd.model.arns import Scope
from lambd.model.invocations import InvocationRequest
from lambd.model.settings import FunctionSettings, FunctionUrl
from lambd.runtimes import catalogue
from lambd.runtimes.environment import Credentials
from lambd.runtimes.prepared import RuntimeUnavailableError
from lambd.runtimes.provision import Provisioner
from lambd.sandbox.descriptors import Descriptors, environments_that_fit, raise_limit
from lambd.sandbox.driver import SandboxDriver
from lambd.sandbox.oci import OciDriver
from lambd.sandbox.process import ProcessDriver
from lambd.services.autoscaling.api import AutoscalingApi
from lambd.services.autoscaling.engine import Autoscaler
from lambd.services.dispatch.engine import ScheduleEngine
from lambd.services.dispatch.handover import Handover
from lambd.services.dispatch.sources import Sources
from lambd.services.eventbridge.api import EventsApi
from lambd.services.eventbridge.source import RuleSource
from lambd.services.logs.api import LogsApi
from lambd.services.logs.store import LogStore
from lambd.services.scheduler.api import SchedulerApi
from lambd.services.scheduler.source import ScheduleSource
from lambd.store.aliases import find_route
from lambd.store.blobs import BlobStore
from lambd.store.database import Database, ReservationsChanged
from lambd.store.event_journal import EventJournal, WithEvent
from lambd.store.function_settings import read_settings
from lambd.store.function_urls import get_url_by_id
from lambd.store.provisioned import claimed_concurrency
from lambd.store.settings_cache import SettingsCache
from lambd.store.unpacked_sizes import fill_unpacked_sizes
from lambd.urls.access import UrlAccess
from lambd.urls.serve import FunctionUrls

PROCESS_DRIVER = "process"


class Platform:
    """Every part, built and connected; `server.py` starts and stops them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        driver: SandboxDriver,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._settings = settings
        self._database = database
        self._driver = driver
        self._tasks = tasks
        self.descriptors = Descriptors(raise_limit())
        self._scope = Scope.of(settings.account_id, settings.region)
        self._blobs = BlobStore(settings.data_dir)
        self.logs = LogStore(settings.data_dir / "logs.db", settings.limits.log_storage_bytes)
        self._provisioner = Provisioner(settings.cache_dir)
        self._preparer = Preparer(
            data_dir=settings.data_dir,
            blobs=self._blobs,
            provisioner=self._provisioner,
            unzipped_bytes=settings.limits.unzipped_code_bytes,
        )

        async def read_route(name: str, qualifier: str) -> Route | None:
            return await database.read(find_route, name, qualifier)

        async def read_function_settings(name: str) -> FunctionSettings | None:
            return await database.read(read_settings, name)

        self._versions = VersionCache(read_route, self._scope)
        self._function_settings = SettingsCache(read_function_settings)
        self._authority = Authority(self._scope, self._function_settings)
        self._build_data_plane()
        self._build_event_plane()
        self._build_control_plane()
        self._build_front_door()

    def _build_data_plane(self) -> None:
        settings, database = self._settings, self._database
        busy_poll = self.busy_poll = self._make_busy_poll()
        self.pool = Pool(
            starter=Starter(
                driver=self._driver,
                preparer=self._preparer,
                logs=lambda scope: self.logs,
                settings=StarterSettings(
                    credentials=Credentials(
                        access_key_id=settings.function_access_key_id,
                        secret_access_key=settings.function_secret_access_key,
                    ),
                    endpoint_url=settings.function_endpoint_url,
                    response_limit_bytes=settings.limits.response_payload_bytes,
                    stream_limits=StreamLimits.of(settings.limits),
                ),
                platform=lambda: self.front_door,
                busy_poll=busy_poll,
                has_room=self.descriptors.has_room_for_sandbox,
            ),
            ledger=HostLedger(
                _host_memory_mib(settings),
                overcommit=settings.memory_overcommit,
                available_mib=available_memory_mib,
                max_environments=environments_that_fit(self.descriptors.limit),
            ),
            scaling=ScalingRate(settings.limits.environments_per_10_s),
            tasks=self._tasks,
            freeze_after_s=settings.freeze_after_s,
            idle_timeout_s=settings.idle_timeout_s,
            max_per_deployment=settings.max_environments_per_function,
        )
        self.admission = Admission(
            settings.limits.concurrent_executions,
            requests_per_concurrency=settings.limits.requests_per_concurrency,
        )
        notes = (self._versions.note, self._function_settings.note, self.admission.note)
        for subscriber in notes:
            database.subscribe(subscriber)
        self._pipeline = InvokePipeline(
            versions=self._versions,
            settings=self._function_settings,
            admission=self.admission,
            hosting=LocalHosting(self.pool),
            scope=self._scope,
            limits=settings.limits,
            tasks=self._tasks,
            accept_event=self._accept_event,
        )
        self.reconciler = Reconciler(
            database=database,
            scope=self._scope,
            blobs=self._blobs,
            preparer=self._preparer,
            pool=self.pool,
            tasks=self._tasks,
        )
        self.allocator = Allocator(database, self._scope, self.pool.provisioned)

    def _build_event_plane(self) -> None:
        settings = self._settings
        # Calls that are repeated by us, and made while others wait for the thread.
        patience = Patience(connect_s=2, read_s=5, attempts=1)
        told = ServiceClients(_endpoints(settings), settings.region, patience)
        self._publisher = AwsPublisher(told)
        options = EventOptions(
            scope=self._scope,
            limits=settings.limits,
            retry_delays_s=settings.event_retry_delays_s,
            max_per_function=settings.max_events_per_function,
            first_backoff_s=settings.event_backoff_s,
        )
        self.events = EventQueue(
            journal=EventJournal(self._database),
            invoke=self._pipeline.start,
            settings=self._function_settings,
            dead_letter=self._versions.dead_letter_arn,
            calls=DeliveryCalls(self._publisher, self._scope),
            options=options,
            tasks=self._tasks,
        )

    def _build_control_plane(self) -> None:
        settings, database = self._settings, self._database
        services = ServiceClients(_endpoints(settings), settings.region)
        self._code_links = CodeLinks(
            self._blobs, f"http://{authority_of(settings.host, settings.port)}"
        )
        self._lambda_api = LambdaApi(
            scope=self._scope,
            limits=settings.limits,
            database=database,
            blobs=self._blobs,
            s3=S3Source(services, max_bytes=settings.limits.unzipped_code_bytes),
            pipeline=self._pipeline,
            code_link=self._code_links.link,
            runtimes=catalogue,
            runtime_version_arn=self._runtime_version_arn,
            provisioned_counts=partial(self.pool.provisioned.counts, self._scope),
            url_scheme="https" if settings.tls_certificate else "http",
            url_domain=_url_domain(settings),
        )
        contexts = self._lambda_api.context
        self.autoscaler = Autoscaler(
            database=database,
            context=partial(contexts, principals.service("application-autoscaling.amazonaws.com")),
            provisioned_use=partial(self.pool.provisioned.use, self._scope),
            period_s=settings.autoscaling_period_s,
        )
        # Which moment of a window, or when to try again, is no secret.
        draw = random.Random().random  # noqa: S311
        context = partial(contexts, principals.service("scheduler.amazonaws.com"))
        sources = Sources(ScheduleSource(), RuleSource())
        self.schedules = ScheduleEngine(
            database=database,
            context=context,
            sources=sources,
            handover=Handover(
                database=database,
                context=context,
                sources=sources,
                authority=self._authority,
                accept=self._pipeline.accept,
                queues=self._publisher,
                draw=draw,
            ),
            draw=draw,
        )

    def _build_front_door(self) -> None:
        settings, database = self._settings, self._database

        async def read_url(url_id: str) -> FunctionUrl | None:
            return await database.read(get_url_by_id, url_id)

        function_urls = FunctionUrls(
            read=read_url,
            access=UrlAccess(
                authority=self._authority,
                scope=self._scope,
                keys=_access_keys(settings),
            ),
            pipeline=self._pipeline,
            max_body_bytes=settings.limits.sync_payload_bytes,
        )
        database.subscribe(function_urls.note)
        hosts = Hosts(
            region=settings.region, url_domain=settings.url_domain, allowed=settings.allowed_hosts
        )
        limits = RequestLimits(settings.limits, hosts)
        contexts = self._lambda_api.context
        self.front_door = FrontDoor(
            hosts=hosts,
            limits=limits,
            routes=routes(
                authority=self._authority,
                lambda_api=self._lambda_api,
                services=[
                    LogsApi(self.logs, contexts).service(),
                    AutoscalingApi(database, contexts).service(),
                    EventsApi(database, contexts).service(),
                    SchedulerApi(database, contexts).service(),
                ],
                code_links=self._code_links,
                function_urls=function_urls,
                limits=limits,
            ),
            tasks=self._tasks,
        )

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for as long as the platform does, in no order."""
        return (
            self.logs.run(),
            self.pool.run_sweeper(),
            self.reconciler.run(),
            self.allocator.run(),
            self.autoscaler.run(),
        )

    async def load(self) -> None:
        """Open what is on disk and read what has to be in memory."""
        await self.logs.open()
        await fill_unpacked_sizes(self._database, self._blobs)
        total = await self._database.read(claimed_concurrency)
        self.admission.note(ReservationsChanged(total=total))

    async def usable_runtimes(self) -> tuple[str, ...]:
        """Identifiers of the runtimes that this machine can run."""
        available = await self._provisioner.available()
        return tuple(status.identifier for status in available if status.is_usable)

    def _make_busy_poll(self) -> BusyPoll | None:
        """Stay awake while fewer invocations run than there are processors beside our own."""
        others = len(os.sched_getaffinity(0)) - 1
        if not self._settings.busy_poll_us or not others:
            return None
        return BusyPoll(
            self._settings.busy_poll_us / 1e6, lambda: self._pipeline.under_way <= others
        )

    def _accept_event(
        self, request: InvocationRequest, invoked: InvokedCallback, with_event: WithEvent | None
    ) -> None:
        self.events.accept(request, invoked, with_event)

    async def _runtime_version_arn(self, identifier: str) -> str | None:
        """The version of a runtime that this machine runs functions on."""
        try:
            runtime = await self._provisioner.prepare(identifier)
        except RuntimeUnavailableError:
            return None
        return runtime.version_arn(self._settings.region)


def _url_domain(settings: Settings) -> str:
    """Where function URLs are announced: the domain, and its port unless it is the scheme's own."""
    port = settings.tls_port if settings.tls_certificate else settings.port
    usual = 443 if settings.tls_certificate else 80
    return settings.url_domain if port == usual else f"{settings.url_domain}:{port}"


def _access_keys(settings: Settings) -> dict[str, Key]:
    """The account's keys: those that are configured, and the one that functions have."""
    keys = {settings.function_access_key_id: Key(secret=settings.function_secret_access_key)}
    for text in settings.access_keys:
        identifier, _, secret = text.partition(":")
        keys[identifier] = Key(secret=secret)
    return keys


def _endpoints(settings: Settings) -> Endpoints:
    every = settings.aws_endpoint_url
    return Endpoints(
        s3=settings.s3_endpoint_url or every,
        sqs=settings.sqs_endpoint_url or every,
        sns=settings.sns_endpoint_url or every,
        events=settings.events_endpoint_url or every,
    )


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
        cpu=settings.cpu,
        memory_mib=_host_memory_mib(settings),
    )
