"""One invocation, from request to result; the file to read first.

resolve -> state -> size -> JSON -> (dry run | event) -> recursion -> lease -> environment -> run
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from functools import partial

from lambd.environments.environment import Invocation
from lambd.environments.pool import Pool
from lambd.invoke.admission import Admission, Lease
from lambd.invoke.events import EventRunner
from lambd.invoke.recursion import advance_lineage
from lambd.invoke.resolve import VersionCache, serving_deployment
from lambd.invoke.settings import SettingsCache
from lambd.model.arns import Scope
from lambd.model.errors import (
    InvalidRequestContentError,
    RequestTooLargeError,
)
from lambd.model.functions import Deployment, FunctionVersion
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import Limits
from lambd.model.settings import FunctionSettings, RecursiveLoop

# How long a request may wait for an environment: sandbox start and init phase included.
ACQUIRE_TIMEOUT_S = 120.0


class InvokePipeline:
    """The data plane's entry: every caller of a function comes through `invoke`."""

    def __init__(
        self,
        *,
        versions: VersionCache,
        settings: SettingsCache,
        admission: Admission,
        pool: Pool,
        scope: Scope,
        limits: Limits,
        tasks: asyncio.TaskGroup,
        event_retry_delays_s: tuple[float, ...],
    ) -> None:
        self._versions = versions
        self._settings = settings
        self._admission = admission
        self._pool = pool
        self._scope = scope
        self._limits = limits
        self._events = EventRunner(
            invoke=self.invoke,
            settings=settings,
            scope=scope,
            tasks=tasks,
            retry_delays_s=event_retry_delays_s,
        )

    def close(self) -> None:
        """Give up the asynchronous invocations that wait for another attempt."""
        self._events.close()

    async def invoke(self, request: InvocationRequest) -> InvocationResult | None:
        """Run a function; None for the types that have no result (DryRun, Event).

        Raises:
            NotFoundError, ConflictError, RequestTooLargeError, InvalidRequestContentError,
            RecursiveInvocationError, ThrottledError, SandboxError, UnavailableError: see their
                classes.
        """
        version = self._versions.get_nowait(request.function_name, request.qualifier)
        if version is None:
            version = await self._versions.get(request.function_name, request.qualifier)
        serving = serving_deployment(version)
        self._check_payload(request)
        if request.invocation_type is InvocationType.DRY_RUN:
            return None
        if request.invocation_type is InvocationType.EVENT:
            self._events.accept(request)
            return None
        settings = self._settings.get_nowait(version.name)
        if settings is None:
            settings = await self._settings.get(version.name)
        invocation = self._invocation(request, version, settings)
        lease = self._admission.acquire(version.name, settings.reserved_concurrency)
        # Shielded: a caller that goes away does not stop the function.
        return await asyncio.shield(await self._start(version, serving, invocation, lease))

    async def _start(
        self, version: FunctionVersion, serving: Deployment, invocation: Invocation, lease: Lease
    ) -> asyncio.Future[InvocationResult]:
        """Give an invocation an environment; its lease ends with it, however that is."""
        try:
            environment = self._pool.acquire_nowait((version.name, version.version, serving.id))
            if environment is None:
                environment = await self._pool.acquire(version, serving, ACQUIRE_TIMEOUT_S)
            running = environment.invoke(invocation)
        except BaseException:
            self._admission.release(lease)
            raise
        running.add_done_callback(partial(self._ended, lease))
        return running

    def _ended(self, lease: Lease, running: asyncio.Future[InvocationResult]) -> None:
        del running
        self._admission.release(lease)

    def _invocation(
        self, request: InvocationRequest, version: FunctionVersion, settings: FunctionSettings
    ) -> Invocation:
        return Invocation(
            request_id=request.request_id,
            payload=request.payload or b"{}",
            invoked_function_arn=self._scope.function_arn(version.name, request.qualifier),
            trace_id=advance_lineage(
                request.trace_header or _new_trace_header(),
                self._scope.function_arn(version.name),
                terminate=settings.recursive_loop is RecursiveLoop.TERMINATE,
            ),
            client_context=request.client_context,
            wants_log_tail=request.wants_log_tail,
        )

    def _check_payload(self, request: InvocationRequest) -> None:
        is_event = request.invocation_type is InvocationType.EVENT
        limit = self._limits.async_payload_bytes if is_event else self._limits.sync_payload_bytes
        payload = request.payload
        if len(payload) > limit:
            raise RequestTooLargeError(
                f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            )
        if payload:
            try:
                json.loads(payload)
            except (ValueError, RecursionError) as error:
                raise InvalidRequestContentError(
                    "Could not parse request body into json: "
                    f"Could not parse payload into json: {error}"
                ) from None


def _new_trace_header() -> str:
    """An X-Ray header for a caller that sent none: not sampled."""
    random = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{random[:24]};Parent={random[24:40]};Sampled=0"
