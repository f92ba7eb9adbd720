"""One invocation, from request to result; the file to read first.

resolve -> state -> size -> JSON -> (dry run | event) -> recursion -> lease -> environment -> run

Environments are behind the seam of `model/hosting.py`: only values go there and come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from lambd.invoke.admission import Admission, Lease
from lambd.invoke.payloads import check_json
from lambd.invoke.recursion import advance_lineage
from lambd.invoke.resolve import VersionCache, serving_deployment
from lambd.model.arns import Scope
from lambd.model.errors import (
    PlatformError,
    RequestTooLargeError,
    UnavailableError,
)
from lambd.model.function_controls import FunctionControls, RecursiveLoop
from lambd.model.functions import Deployment, FunctionVersion
from lambd.model.hosting import HostedVersion, Hosting, ProvisionedKey, Token
from lambd.model.invocations import (
    Invocation,
    InvocationRequest,
    InvocationResult,
    InvocationType,
    ResponseSink,
    StreamHead,
)
from lambd.model.limits import Limits
from lambd.store.controls_cache import ControlsCache
from lambd.store.event_journal import WithEvent
from lambd.telemetry.ids import new_trace_header

# How long a request may wait for an environment: sandbox start and init phase included.
ACQUIRE_TIMEOUT_S = 120.0

# Versions of which the value that crosses the seam is kept.
_REMEMBERED = 10_000

_log = structlog.get_logger(__name__)

# Takes what an invocation came to; None for the types that have no result.
InvokedCallback = Callable[[InvocationResult | PlatformError | None], None]
# Stores an event (`EventQueue.accept`).
AcceptEvent = Callable[[InvocationRequest, InvokedCallback, WithEvent | None], None]


class InvokePipeline:
    """The data plane's entry: every caller of a function comes through `invoke`."""

    def __init__(
        self,
        *,
        versions: VersionCache,
        controls: ControlsCache,
        admission: Admission,
        hosting: Hosting,
        scope: Scope,
        limits: Limits,
        tasks: asyncio.TaskGroup,
        accept_event: AcceptEvent,
    ) -> None:
        self._versions = versions
        self._controls = controls
        self._admission = admission
        self.hosting = hosting
        self._scope = scope
        self._limits = limits
        self._tasks = tasks
        self._accept_event = accept_event
        # Invocations that have been admitted and not ended.
        self.under_way = 0
        # By name and version.
        self._hosted: dict[tuple[str, str], HostedVersion] = {}

    async def invoke(self, request: InvocationRequest) -> InvocationResult | None:
        """Run a function; None for the types that have no result (DryRun, Event).

        A caller that is cancelled does not stop the function.

        Raises:
            NotFoundError, ConflictError, RequestTooLargeError, InvalidRequestContentError,
            RecursiveInvocationError, ThrottledError, SandboxError, UnavailableError: see their
                classes.
        """
        waiting: asyncio.Future[InvocationResult | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.start(request, partial(_settle, waiting))
        return await waiting

    async def accept(self, request: InvocationRequest, with_event: WithEvent) -> None:
        """Take an event; it is durable when this returns, with what `with_event` did.

        Raises:
            NotFoundError, ConflictError, RequestTooLargeError, InvalidRequestContentError,
            UnavailableError: see their classes; `with_event` has done nothing.
        """
        serving_deployment(await self._versions.choose(request.function_name, request.qualifier))
        self._check_payload(request)
        waiting: asyncio.Future[InvocationResult | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._accept_event(request, partial(_settle, waiting), with_event)
        await waiting

    def start_streaming(self, request: InvocationRequest, sink: ResponseSink) -> None:
        """Begin an invocation whose response goes to a sink as it comes.

        The sink (its class has the order of the calls) may be called before this returns. A
        function that does not stream gives its whole result in one `write`. Parts come as fast as
        the sink takes them: when `write` gives False the function itself is held up until the sink
        calls `flow.resume`. A sink whose caller has gone calls `flow.discard`, or does so in
        `begin`: the function goes on for nobody.

        Args:
            request: what to run; types RequestResponse and DryRun only.
            sink: takes the response.
        """
        request.sink = sink
        self.start(request, partial(_end_stream, sink))

    def start(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        """Begin an invocation: the warm path, without a task or a future of its own.

        Args:
            request: what to run.
            invoked: called once, perhaps before this returns, with what `invoke` returns or raises.
        """
        try:
            version = self._versions.choose_nowait(request.function_name, request.qualifier)
            controls = self._controls.get_nowait(request.function_name)
            if version is None or controls is None:
                self._tasks.create_task(self._start_cold(request, invoked))
            else:
                self._begin(request, version, controls, invoked)
        except PlatformError as error:
            invoked(error)

    async def _start_cold(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        """Begin an invocation of a function that is not in memory."""
        try:
            version = await self._versions.choose(request.function_name, request.qualifier)
            controls = await self._controls.get(request.function_name)
            self._begin(request, version, controls, invoked)
        except PlatformError as error:
            _tell(invoked, error, request.request_id)
        except Exception:  # noqa: BLE001 - a task root: a fault of ours must reach the caller
            _log.exception("invocation_crashed", request_id=request.request_id)
            _tell(invoked, _crashed(), request.request_id)

    def _begin(
        self,
        request: InvocationRequest,
        version: FunctionVersion,
        controls: FunctionControls,
        invoked: InvokedCallback,
    ) -> None:
        """Check a request, and start what it asks for."""
        serving = serving_deployment(version)
        self._check_payload(request)
        if request.invocation_type is not InvocationType.REQUEST_RESPONSE:
            if request.invocation_type is InvocationType.EVENT:
                self._accept_event(request, invoked, None)
            else:
                invoked(None)
            return
        run = _Run(self, self._invocation(request, version, controls), request.sink, invoked)
        if controls.provisioned_concurrency and request.qualifier is not None:
            self._run_provisioned(run, request.qualifier, version, serving, controls)
        else:
            self._run_on_demand(run, version, serving, controls)

    def _run_on_demand(
        self, run: _Run, version: FunctionVersion, serving: Deployment, controls: FunctionControls
    ) -> None:
        """Take a lease of the function's concurrency, and any environment of its version."""
        run.admitted(self._admission.acquire(version.name, controls.on_demand_reserved))
        hosted = self._hosted_version(version, serving)
        token = self.hosting.acquire_nowait(hosted.key)
        if token is not None:
            run.invoke(token)
        else:
            self.hosting.acquire(hosted, ACQUIRE_TIMEOUT_S, run.acquired)

    def _hosted_version(self, version: FunctionVersion, serving: Deployment) -> HostedVersion:
        """The same value for the same version, which would be made for every invocation."""
        place = (version.name, version.version)
        hosted = self._hosted.get(place)
        if hosted is None or hosted.version is not version or hosted.deployment is not serving:
            if len(self._hosted) >= _REMEMBERED:
                self._hosted.clear()
            hosted = HostedVersion(scope=self._scope, version=version, deployment=serving)
            self._hosted[place] = hosted
        return hosted

    def _run_provisioned(
        self,
        run: _Run,
        qualifier: str,
        version: FunctionVersion,
        serving: Deployment,
        controls: FunctionControls,
    ) -> None:
        """Take a provisioned environment; if none is free, go the way of all others."""

        def acquired(outcome: Token | PlatformError | None) -> None:
            if outcome is not None:
                run.admitted(None)
                run.acquired(outcome)
                return
            try:
                self._run_on_demand(run, version, serving, controls)
            except PlatformError as error:
                run.refused(error)
            except Exception:  # noqa: BLE001 - a callback root: a fault of ours must reach the caller
                _log.exception("invocation_crashed", function=version.name)
                run.refused(_crashed())

        scope = self._scope
        key = ProvisionedKey(scope.account_id, scope.region, version.name, qualifier, serving.id)
        self.hosting.acquire_provisioned(key, ACQUIRE_TIMEOUT_S, acquired)

    def _invocation(
        self, request: InvocationRequest, version: FunctionVersion, controls: FunctionControls
    ) -> Invocation:
        arn = self._scope.function_arn(version.name)
        qualifier = request.qualifier
        return Invocation(
            request_id=request.request_id,
            payload=request.payload or b"{}",
            invoked_function_arn=arn if qualifier is None else f"{arn}:{qualifier}",
            trace_id=advance_lineage(
                request.trace_header or new_trace_header(),
                arn,
                terminate=controls.recursive_loop is RecursiveLoop.TERMINATE,
            ),
            client_context=request.client_context,
            wants_log_tail=request.wants_log_tail,
            after_report=request.after_report,
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
            check_json(payload)


class _Run:
    """An invocation that has passed every check; what it holds ends with it, however that is."""

    __slots__ = ("_invocation", "_invoked", "_lease", "_pipeline", "_sink")

    def __init__(
        self,
        pipeline: InvokePipeline,
        invocation: Invocation,
        sink: ResponseSink | None,
        invoked: InvokedCallback,
    ) -> None:
        self._pipeline = pipeline
        self._invocation = invocation
        self._sink = sink
        self._invoked = invoked

    def admitted(self, lease: Lease | None) -> None:
        """It may run; None: on a provisioned environment, whose lease is the other side's."""
        self._pipeline.under_way += 1
        self._lease = lease

    def refused(self, error: PlatformError) -> None:
        """It may not."""
        _tell(self._invoked, error, self._invocation.request_id)

    def acquired(self, outcome: Token | PlatformError) -> None:
        """Run in the environment that became free, or fail."""
        if isinstance(outcome, PlatformError):
            self.ended(outcome)
        else:
            self.invoke(outcome)

    def invoke(self, token: Token) -> None:
        """Run."""
        hosting = self._pipeline.hosting
        if self._sink is None:
            hosting.invoke(token, self._invocation, self.ended)
        else:
            parts = _Parts(hosting, token, self._sink)
            hosting.invoke(token, self._invocation, self.ended, parts)

    def ended(self, outcome: InvocationResult | PlatformError) -> None:
        """The function has answered, or could not run."""
        self._pipeline.under_way -= 1
        if self._lease is not None:
            self._lease.release()
        try:
            self._invoked(outcome)
        except Exception:  # noqa: BLE001 - a callback root, and too warm a place for `_tell`
            _log.exception("result_not_taken", request_id=self._invocation.request_id)


class _Parts:
    """A response in parts on its way to the caller's sink; its flow is that of the token."""

    __slots__ = ("_hosting", "_sink", "_token")

    def __init__(self, hosting: Hosting, token: Token, sink: ResponseSink) -> None:
        self._hosting = hosting
        self._token = token
        self._sink = sink

    # -- lambd.model.hosting.PartsListener

    def begin(self, head: StreamHead) -> None:
        """The function begins to answer."""
        self._sink.begin(head, self)

    def write(self, data: bytes) -> bool:
        """Pass a part on."""
        return self._sink.write(data)

    # -- lambd.model.invocations.ResponseFlow

    def resume(self) -> None:
        """The sink takes more."""
        self._hosting.resume(self._token)

    def discard(self) -> None:
        """The sink's caller has gone."""
        self._hosting.discard(self._token)


def _tell(
    invoked: InvokedCallback, outcome: InvocationResult | PlatformError | None, request_id: str
) -> None:
    """Tell the caller; whatever that raises is nobody else's affair."""
    try:
        invoked(outcome)
    except Exception:  # noqa: BLE001 - a callback root
        _log.exception("result_not_taken", request_id=request_id)


def _crashed() -> UnavailableError:
    return UnavailableError("An error occurred and the request cannot be processed.")


def _settle(
    waiting: asyncio.Future[InvocationResult | None],
    outcome: InvocationResult | PlatformError | None,
) -> None:
    if waiting.done():
        return
    if isinstance(outcome, PlatformError):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


class _Delivered:
    """The flow of a result that is there as a whole: nothing is left to hold up."""

    def resume(self) -> None:
        """Nothing waits."""

    def discard(self) -> None:
        """Nothing comes."""


_DELIVERED = _Delivered()


def _end_stream(sink: ResponseSink, outcome: InvocationResult | PlatformError | None) -> None:
    """Tell a sink how the invocation ended; all of it if the function did not stream."""
    if not isinstance(outcome, InvocationResult):
        sink.fail(outcome)
        return
    if not outcome.is_streamed and outcome.function_error is None:
        head = StreamHead(
            executed_version=outcome.executed_version,
            content_type="application/json",
            is_streamed=False,
        )
        sink.begin(head, _DELIVERED)
        sink.write(outcome.payload)
    sink.end(outcome)
