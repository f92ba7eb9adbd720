"""One invocation, from request to result; the file to read first.

resolve -> state -> size -> JSON -> (dry run | event) -> acquire -> run
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace

import structlog

from lambd.environments.environment import Invocation
from lambd.environments.pool import Pool
from lambd.invoke.resolve import VersionCache, serving_deployment
from lambd.model.arns import Scope
from lambd.model.errors import (
    InvalidRequestContentError,
    PlatformError,
    RequestTooLargeError,
    UnavailableError,
)
from lambd.model.functions import FunctionVersion
from lambd.model.invocations import InvocationRequest, InvocationResult, InvocationType
from lambd.model.limits import Limits

_log = structlog.get_logger(__name__)

# How long a request may wait for an environment: sandbox start and init phase included.
ACQUIRE_TIMEOUT_S = 120.0
# Delays before the attempts of an asynchronous invocation, seconds (invoke.md section 3).
_EVENT_ATTEMPT_DELAYS_S = (0.0, 60.0, 120.0)
# Asynchronous invocations held in memory.
_MAX_EVENTS = 10_000


class InvokePipeline:
    """The data plane's entry: every caller of a function comes through `invoke`."""

    def __init__(
        self,
        *,
        versions: VersionCache,
        pool: Pool,
        scope: Scope,
        limits: Limits,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._versions = versions
        self._pool = pool
        self._scope = scope
        self._limits = limits
        self._tasks = tasks
        self._events = 0

    async def invoke(self, request: InvocationRequest) -> InvocationResult | None:
        """Run a function; None for the types that have no result (DryRun, Event).

        Raises:
            NotFoundError, ConflictError, RequestTooLargeError, InvalidRequestContentError,
            ThrottledError, SandboxError, UnavailableError: see their classes.
        """
        version = self._versions.get_nowait(request.function_name, request.qualifier)
        if version is None:
            version = await self._versions.get(request.function_name, request.qualifier)
        serving = serving_deployment(version)
        self._check_payload(request)
        if request.invocation_type is InvocationType.DRY_RUN:
            return None
        if request.invocation_type is InvocationType.EVENT:
            self._accept_event(request)
            return None
        environment = self._pool.acquire_nowait((version.name, version.version, serving.id))
        if environment is None:
            environment = await self._pool.acquire(version, serving, ACQUIRE_TIMEOUT_S)
        # Shielded: a caller that goes away does not stop the function.
        return await asyncio.shield(environment.invoke(self._invocation(request, version)))

    def _invocation(self, request: InvocationRequest, version: FunctionVersion) -> Invocation:
        return Invocation(
            request_id=request.request_id,
            payload=request.payload or b"{}",
            invoked_function_arn=self._scope.function_arn(version.name, request.qualifier),
            trace_id=request.trace_header or _new_trace_header(),
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

    # -- asynchronous invocations, in memory

    def _accept_event(self, request: InvocationRequest) -> None:
        if self._events >= _MAX_EVENTS:
            raise UnavailableError("Too many asynchronous invocations are waiting")
        self._events += 1
        event = replace(
            request,
            invocation_type=InvocationType.REQUEST_RESPONSE,
            client_context=None,
            wants_log_tail=False,
        )
        self._tasks.create_task(self._run_event(event))

    async def _run_event(self, request: InvocationRequest) -> None:
        """Attempt an asynchronous invocation up to three times, as AWS does by default."""
        try:
            for delay_s in _EVENT_ATTEMPT_DELAYS_S:
                await asyncio.sleep(delay_s)
                try:
                    result = await self.invoke(request)
                except PlatformError as error:
                    _log.warning(
                        "event_attempt_failed",
                        function=request.function_name,
                        request_id=request.request_id,
                        error=error.message,
                    )
                    continue
                if result is not None and result.function_error is None:
                    return
        finally:
            self._events -= 1


def _new_trace_header() -> str:
    """An X-Ray header for a caller that sent none: not sampled."""
    random = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{random[:24]};Parent={random[24:40]};Sampled=0"
