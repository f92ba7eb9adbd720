"""The wiring of one region: its rows, and every part that works with them, built and connected.

Data plane, event plane, control plane, then what the door needs. What regions share is the
machine's (`machine.py`); who starts and stops the parts is `lambd/regions.py`.
"""

from __future__ import annotations

import random
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from lambd.access import principals
from lambd.access.authority import Authority
from lambd.api.call import LambdaApi
from lambd.aws.clients import Patience, S3Source, ServiceClients
from lambd.aws.publisher import AwsPublisher
from lambd.environments.allocator import Allocator
from lambd.environments.hosting import LocalHosting
from lambd.environments.preparation import Preparer
from lambd.environments.reconciler import Reconciler
from lambd.frontend.routes import Contents, routes
from lambd.invoke.admission import Admission
from lambd.invoke.delivery_calls import DeliveryCalls
from lambd.invoke.event_options import EventOptions
from lambd.invoke.events import EventQueue, EventSurroundings
from lambd.invoke.pipeline import InvokedCallback, InvokePipeline
from lambd.invoke.resolve import VersionCache
from lambd.model.aliases import Route
from lambd.model.arns import Scope
from lambd.model.function_controls import FunctionControls, FunctionUrl
from lambd.model.invocations import InvocationRequest
from lambd.runtimes import catalogue
from lambd.services.autoscaling.api import AutoscalingApi
from lambd.services.autoscaling.engine import ScalingEngine
from lambd.services.dispatch.engine import ScheduleEngine
from lambd.services.dispatch.handover import Handover
from lambd.services.dispatch.sources import Sources
from lambd.services.eventbridge.api import EventsApi
from lambd.services.eventbridge.source import RuleSource
from lambd.services.logs.api import LogsApi
from lambd.services.logs.deliveries import SubscriptionDeliveries
from lambd.services.logs.query_runs import QueryRuns
from lambd.services.logs.store import LogStore
from lambd.services.scheduler.api import SchedulerApi
from lambd.services.scheduler.source import ScheduleSource
from lambd.store.aliases import find_route
from lambd.store.blobs import BlobStore
from lambd.store.controls_cache import ControlsCache
from lambd.store.database import Database, ReservationsChanged
from lambd.store.event_journal import EventJournal, WithEvent
from lambd.store.function_controls import read_controls
from lambd.store.function_urls import get_url_by_id
from lambd.store.provisioned import claimed_concurrency
from lambd.store.unpacked_sizes import fill_unpacked_sizes
from lambd.urls.access import UrlAccess
from lambd.urls.serve import FunctionUrls
from lambd.wiring.endpoints import access_keys, endpoints, url_domain
from lambd.wiring.machine import Machine


class Region:
    """Every part, built and connected."""

    def __init__(self, machine: Machine, scope: Scope, database: Database, data_dir: Path) -> None:
        """Args:
        machine: what all regions share.
        scope: the account and this region.
        database: the region's rows; closed by whoever closes the region.
        data_dir: the region's archives, code and logs.
        """
        settings = machine.settings
        self.scope = scope
        self.database = database
        self._machine = machine
        self._settings = settings
        self.blobs = BlobStore(data_dir)
        self.logs = LogStore(data_dir / "logs.db", settings.limits.log_storage_bytes)
        self.preparer = Preparer(
            data_dir=data_dir,
            blobs=self.blobs,
            provisioner=machine.provisioner,
            unzipped_bytes=settings.limits.unzipped_code_bytes,
        )

        async def read_route(name: str, qualifier: str) -> Route | None:
            return await database.read(find_route, name, qualifier)

        async def read_function_controls(name: str) -> FunctionControls | None:
            return await database.read(read_controls, name)

        self._versions = VersionCache(read_route, scope)
        self._controls = ControlsCache(read_function_controls)
        self._authority = Authority(scope, self._controls)
        self._build_data_plane()
        self._build_event_plane()
        self._build_control_plane()
        self.contents = self._contents()

    def _build_data_plane(self) -> None:
        settings, database = self._settings, self.database
        self.admission = Admission(
            settings.limits.concurrent_executions,
            requests_per_concurrency=settings.limits.requests_per_concurrency,
        )
        notes = (self._versions.note, self._controls.note, self.admission.note)
        for subscriber in notes:
            database.subscribe(subscriber)
        self.pipeline = InvokePipeline(
            versions=self._versions,
            controls=self._controls,
            admission=self.admission,
            hosting=LocalHosting(self._machine.pool),
            scope=self.scope,
            limits=settings.limits,
            tasks=self._machine.tasks,
            accept_event=self._accept_event,
        )
        self.reconciler = Reconciler(
            database=database,
            scope=self.scope,
            blobs=self.blobs,
            preparer=self.preparer,
            pool=self._machine.pool,
            tasks=self._machine.tasks,
            state_window_s=settings.state_window_s,
        )
        self.allocator = Allocator(database, self.scope, self._machine.pool.provisioned)

    def _build_event_plane(self) -> None:
        settings = self._settings
        # Calls that are repeated by us, and made while others wait for the thread.
        patience = Patience(connect_s=2, read_s=5, attempts=1)
        told = ServiceClients(endpoints(settings), self.scope.region, patience)
        self._publisher = AwsPublisher(told)
        options = EventOptions(
            scope=self.scope,
            limits=settings.limits,
            retry_delays_s=settings.event_retry_delays_s,
            max_per_function=settings.max_events_per_function,
            first_backoff_s=settings.event_backoff_s,
        )
        self.events = EventQueue(
            journal=EventJournal(self.database),
            around=EventSurroundings(
                invoke=self.pipeline.start,
                controls=self._controls,
                dead_letter=self._versions.dead_letter_arn,
                calls=DeliveryCalls(self._publisher, self.scope),
                logs_durable=self.logs.when_durable,
            ),
            options=options,
            tasks=self._machine.tasks,
        )

    def _build_control_plane(self) -> None:
        settings, database = self._settings, self.database
        services = ServiceClients(endpoints(settings), self.scope.region)
        self._lambda_api = LambdaApi(
            scope=self.scope,
            limits=settings.limits,
            database=database,
            blobs=self.blobs,
            s3=S3Source(services, max_bytes=settings.limits.unzipped_code_bytes),
            pipeline=self.pipeline,
            code_link=partial(self._machine.code_links.link, self.scope.region),
            runtimes=catalogue,
            runtime_version_arn=partial(self._machine.provisioner.version_arn, scope=self.scope),
            provisioned_counts=partial(self._machine.pool.provisioned.counts, self.scope),
            url_scheme="https" if settings.tls_certificate else "http",
            url_domain=url_domain(settings),
        )
        contexts = self._lambda_api.context
        self.log_deliveries = SubscriptionDeliveries(
            authority=self._authority, contexts=contexts, invoke=self.pipeline.invoke
        )
        self.logs.on_delivery(self.log_deliveries.take)
        self.log_queries = QueryRuns()
        self.autoscaler = ScalingEngine(
            database=database,
            context=partial(contexts, principals.service("application-autoscaling.amazonaws.com")),
            provisioned_use=partial(self._machine.pool.provisioned.use, self.scope),
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
                accept=self.pipeline.accept,
                queues=self._publisher,
                draw=draw,
            ),
            draw=draw,
        )

    def _contents(self) -> Contents:
        """What the door asks of this region."""
        settings, database = self._settings, self.database

        async def read_url(url_id: str) -> FunctionUrl | None:
            return await database.read(get_url_by_id, url_id)

        function_urls = FunctionUrls(
            read=read_url,
            access=UrlAccess(
                authority=self._authority,
                controls=self._controls,
                scope=self.scope,
                keys=access_keys(settings),
            ),
            pipeline=self.pipeline,
            max_body_bytes=settings.limits.sync_payload_bytes,
        )
        database.subscribe(function_urls.note)
        contexts = self._lambda_api.context
        return routes(
            authority=self._authority,
            lambda_api=self._lambda_api,
            services=[
                LogsApi(self.logs, contexts, self.log_deliveries, self.log_queries).service(),
                AutoscalingApi(database, contexts).service(),
                EventsApi(database, contexts).service(),
                SchedulerApi(database, contexts).service(),
            ],
            code_links=self._machine.code_links,
            function_urls=function_urls,
            limits=self._machine.request_limits,
        )

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for as long as the region is served, in no order."""
        return (
            self.logs.run(),
            self.log_deliveries.run(),
            self.log_queries.run(),
            self.reconciler.run(),
            self.allocator.run(),
            self.autoscaler.run(),
        )

    async def load(self) -> None:
        """Open what is on disk and read what has to be in memory."""
        await self.logs.open()
        await fill_unpacked_sizes(self.database, self.blobs)
        total = await self.database.read(claimed_concurrency)
        self.admission.note(ReservationsChanged(total=total))

    def _accept_event(
        self, request: InvocationRequest, invoked: InvokedCallback, with_event: WithEvent | None
    ) -> None:
        self.events.accept(request, invoked, with_event)
