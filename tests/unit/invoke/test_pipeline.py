"""One invocation through the pipeline, with a fake of the hosting behind the seam."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from lambd.invoke.admission import Admission
from lambd.invoke.pipeline import ACQUIRE_TIMEOUT_S, InvokedCallback, InvokePipeline
from lambd.invoke.resolve import VersionCache
from lambd.model.aliases import Route
from lambd.model.arns import Scope
from lambd.model.errors import (
    ConflictError,
    InvalidRequestContentError,
    NotFoundError,
    PlatformError,
    RecursiveInvocationError,
    RequestTooLargeError,
    SandboxError,
    ThrottledError,
    UnavailableError,
)
from lambd.model.function_controls import FunctionControls
from lambd.model.functions import Code, Deployment, FunctionConfig, FunctionVersion, State
from lambd.model.hosting import (
    Capacity,
    DeploymentKey,
    EndedCallback,
    HostedVersion,
    PartsListener,
    ProvisionedCallback,
    ProvisionedKey,
    Token,
    TokenCallback,
)
from lambd.model.invocations import (
    Invocation,
    InvocationRequest,
    InvocationResult,
    InvocationType,
    ResponseFlow,
    StreamHead,
)
from lambd.model.limits import Limits
from lambd.store.controls_cache import ControlsCache

SCOPE = Scope(account_id="000000000000", region="eu-west-1")
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"
RESULT = InvocationResult(payload=b'"ok"', executed_version="1")


def version(state: State = State.ACTIVE) -> FunctionVersion:
    """Version 1 of `fn`."""
    deployment = Deployment(
        id="d1", config=FunctionConfig(role="r"), code=Code(sha256="00", size_bytes=1)
    )
    return FunctionVersion(
        name="fn",
        version="1",
        deployment=deployment,
        serving=deployment if state is State.ACTIVE else None,
        revision_id="r1",
        last_modified=datetime(2026, 1, 1, tzinfo=UTC),
        state=state,
    )


@dataclass
class Begun:
    """An invocation that the hosting was given."""

    token: Token
    invocation: Invocation
    ended: EndedCallback
    parts: PartsListener | None


@dataclass
class FakeHosting:
    """Gives the tokens that the test puts in, and keeps what it is asked."""

    idle: list[Token] = field(default_factory=list)
    provisioned: list[Token | None] = field(default_factory=list)
    waiting: list[TokenCallback] = field(default_factory=list)
    waiting_provisioned: list[ProvisionedCallback] = field(default_factory=list)
    asked: list[object] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)

    def acquire_nowait(self, key: DeploymentKey) -> Token | None:
        """An idle one."""
        self.asked.append(key)
        return self.idle.pop() if self.idle else None

    def acquire(self, hosted: HostedVersion, timeout_s: float, acquired: TokenCallback) -> None:
        """Wait for the test."""
        assert timeout_s == ACQUIRE_TIMEOUT_S
        self.asked.append(hosted)
        self.waiting.append(acquired)

    def acquire_provisioned(
        self, key: ProvisionedKey, timeout_s: float, acquired: ProvisionedCallback
    ) -> None:
        """What the test put in, or wait for it."""
        assert timeout_s == ACQUIRE_TIMEOUT_S
        self.asked.append(key)
        if self.provisioned:
            acquired(self.provisioned.pop())
        else:
            self.waiting_provisioned.append(acquired)

    def invoke(
        self,
        token: Token,
        invocation: Invocation,
        ended: EndedCallback,
        parts: PartsListener | None = None,
    ) -> None:
        """Keep it for the test to end."""
        self.begun.append(Begun(token, invocation, ended, parts))

    def release(self, token: Token) -> None:
        """The pipeline uses every token."""
        raise NotImplementedError

    def resume(self, token: Token) -> None:
        """Keep it."""
        self.asked.append(("resume", token))

    def discard(self, token: Token) -> None:
        """Keep it."""
        self.asked.append(("discard", token))

    def capacity(self) -> Capacity:
        """Not the pipeline's concern."""
        raise NotImplementedError


@dataclass
class World:
    """A pipeline, what is around it, and what its callers were told."""

    tasks: asyncio.TaskGroup
    route: Route | None = field(default_factory=lambda: Route(version=version()))
    settings: FunctionControls = field(default_factory=FunctionControls)
    hosting: FakeHosting = field(default_factory=FakeHosting)
    admission: Admission = field(default_factory=lambda: Admission(10))
    told: list[InvocationResult | PlatformError | None] = field(default_factory=list)
    events: list[InvocationRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the pipeline."""
        self.pipeline = InvokePipeline(
            versions=VersionCache(self._read_route, SCOPE),
            controls=ControlsCache(self._read_controls),
            admission=self.admission,
            hosting=self.hosting,
            scope=SCOPE,
            limits=replace(Limits(), sync_payload_bytes=10, async_payload_bytes=20),
            tasks=self.tasks,
            accept_event=self._accept,
        )

    async def _read_route(self, name: str, qualifier: str) -> Route | None:
        return self.route

    async def _read_controls(self, name: str) -> FunctionControls:
        return self.settings

    def _accept(
        self, request: InvocationRequest, invoked: InvokedCallback, with_event: object = None
    ) -> None:
        self.events.append(request)
        invoked(None)

    async def warm(self) -> None:
        """Have route and settings in memory."""
        await self.pipeline.invoke(request(invocation_type=InvocationType.DRY_RUN))
        await self.pipeline.invoke(
            request(qualifier="blue", invocation_type=InvocationType.DRY_RUN)
        )

    def start(self, **members: object) -> None:
        """Begin an invocation; `told` has what comes of it."""
        self.pipeline.start(request(**members), self.told.append)


def request(**members: object) -> InvocationRequest:
    """A request for `fn`."""
    defaults: dict[str, object] = {
        "request_id": "id-1",
        "function_name": "fn",
        "qualifier": None,
        "invocation_type": InvocationType.REQUEST_RESPONSE,
        "payload": b"{}",
    }
    return InvocationRequest(**(defaults | members))  # type: ignore[arg-type]  # the caller's


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline with everything in memory."""
    async with asyncio.TaskGroup() as tasks:
        made = World(tasks)
        await made.warm()
        yield made


async def test_a_warm_invocation_ends_without_another_turn_of_the_loop(world: World) -> None:
    """From request to result everything is a call."""
    world.hosting.idle.append(7)
    world.start(client_context='{"a":1}', wants_log_tail=True)
    (begun,) = world.hosting.begun
    assert begun.token == 7
    assert begun.parts is None
    assert world.hosting.asked[-1] == DeploymentKey("000000000000", "eu-west-1", "fn", "1", "d1")
    assert begun.invocation.invoked_function_arn == ARN
    assert begun.invocation.client_context == '{"a":1}'
    assert begun.invocation.wants_log_tail
    assert world.pipeline.under_way == world.admission.in_use == 1
    begun.ended(RESULT)
    assert world.told == [RESULT]
    assert world.pipeline.under_way == world.admission.in_use == 0


async def test_a_cold_invocation_waits_for_an_environment(world: World) -> None:
    """All that is needed to start one goes along."""
    world.start(qualifier="blue")
    hosted = world.hosting.asked[-1]
    assert hosted == HostedVersion.of(SCOPE, version())
    world.hosting.waiting[0](9)
    (begun,) = world.hosting.begun
    assert begun.token == 9
    assert begun.invocation.invoked_function_arn == f"{ARN}:blue"
    begun.ended(RESULT)
    assert world.told == [RESULT]


@pytest.mark.parametrize(
    "error", [SandboxError("no"), ThrottledError("full"), UnavailableError("")]
)
async def test_who_gets_no_environment_gives_the_lease_back(
    world: World, error: PlatformError
) -> None:
    """The reason is the caller's answer."""
    world.start()
    assert world.admission.in_use == 1
    world.hosting.waiting[0](error)
    assert world.told == [error]
    assert world.pipeline.under_way == world.admission.in_use == 0


async def test_an_invocation_that_could_not_begin_is_an_error(world: World) -> None:
    """It comes by the same callback as a result."""
    world.hosting.idle.append(7)

    async def ask() -> None:
        with pytest.raises(SandboxError, match="gone"):
            await world.pipeline.invoke(request())

    asked = world.tasks.create_task(ask())
    await asyncio.sleep(0)
    world.hosting.begun[0].ended(SandboxError("gone"))
    await asked
    assert world.admission.in_use == 0


async def test_a_cancelled_caller_does_not_stop_the_function(world: World) -> None:
    """Its lease lasts as long as the function runs."""
    world.hosting.idle.append(7)
    waiting = world.tasks.create_task(world.pipeline.invoke(request()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert world.admission.in_use == 1
    world.hosting.begun[0].ended(RESULT)
    assert world.admission.in_use == 0


async def test_a_provisioned_environment_needs_no_lease_of_concurrency(world: World) -> None:
    """It has one of its own, behind the seam."""
    await _provisioned(world)
    world.hosting.provisioned.append(5)
    world.start(qualifier="blue")
    assert world.hosting.asked[-1] == ProvisionedKey(
        "000000000000", "eu-west-1", "fn", "blue", "d1"
    )
    (begun,) = world.hosting.begun
    assert begun.token == 5
    assert world.admission.in_use == 0
    assert world.pipeline.under_way == 1
    begun.ended(RESULT)
    assert world.told == [RESULT]
    assert world.pipeline.under_way == 0


async def test_who_finds_all_provisioned_environments_taken_spills_over(world: World) -> None:
    """With a lease as everybody has it."""
    await _provisioned(world)
    world.hosting.provisioned.append(None)
    world.hosting.idle.append(3)
    world.start(qualifier="blue")
    assert world.hosting.begun[0].token == 3
    assert world.admission.in_use == 1


async def test_a_spill_over_may_be_throttled(world: World) -> None:
    """The refusal is the caller's answer, and nothing is under way."""
    await _provisioned(world, reserved_concurrency=1)
    world.hosting.provisioned.append(None)
    world.start(qualifier="blue")
    assert isinstance(world.told[0], ThrottledError)
    assert world.pipeline.under_way == 0


async def test_a_provisioned_environment_that_does_not_come_is_an_error(world: World) -> None:
    """As one on demand."""
    await _provisioned(world)
    world.start(qualifier="blue")
    error = UnavailableError("stopping")
    world.hosting.waiting_provisioned[0](error)
    assert world.told == [error]
    assert world.pipeline.under_way == 0


async def _provisioned(world: World, **settings: object) -> None:
    world.settings = FunctionControls(provisioned_concurrency=1, **settings)  # type: ignore[arg-type]  # the caller's
    world.pipeline = replace(world).pipeline
    await world.warm()


async def test_more_than_the_account_has_is_throttled(world: World) -> None:
    """Before anything is asked of the hosting."""
    world.hosting.idle.extend(range(11))
    for _ in range(11):
        world.start()
    (error,) = world.told
    assert isinstance(error, ThrottledError)
    assert len(world.hosting.begun) == 10


@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param({"payload": b"1" * 11}, RequestTooLargeError, id="size"),
        pytest.param({"payload": b"{"}, InvalidRequestContentError, id="json"),
        pytest.param(
            {"invocation_type": InvocationType.EVENT, "payload": b"1" * 21},
            RequestTooLargeError,
            id="event-size",
        ),
    ],
)
async def test_bad_requests_ask_for_nothing(
    world: World, members: dict[str, object], error: type[PlatformError]
) -> None:
    """The refusal comes at once."""
    world.start(**members)
    assert isinstance(world.told[0], error)
    assert world.hosting.asked == world.events == []


async def test_events_are_accepted_and_dry_runs_end(world: World) -> None:
    """Neither has a result, or an environment."""
    world.start(invocation_type=InvocationType.EVENT, payload=b"1" * 20)
    world.start(invocation_type=InvocationType.DRY_RUN)
    assert world.told == [None, None]
    assert len(world.events) == 1
    assert world.hosting.asked == []


async def test_an_empty_payload_is_an_empty_object(world: World) -> None:
    """As AWS hands it to the function."""
    world.hosting.idle.append(1)
    world.start(payload=b"")
    assert world.hosting.begun[0].invocation.payload == b"{}"


async def test_a_circle_of_invocations_is_stopped(world: World) -> None:
    """The sixteenth of a chain is refused, and holds nothing."""
    header = "Root=1-2-3"
    for _ in range(16):
        world.hosting.idle.append(1)
        world.start(trace_header=header)
        header = world.hosting.begun[-1].invocation.trace_id
        world.hosting.begun[-1].ended(RESULT)
    world.start(trace_header=header)
    assert isinstance(world.told[-1], RecursiveInvocationError)
    assert world.pipeline.under_way == world.admission.in_use == 0


@pytest.mark.parametrize(
    ("route", "error"),
    [
        pytest.param(None, NotFoundError, id="absent"),
        pytest.param(Route(version=version(State.PENDING)), ConflictError, id="pending"),
    ],
)
async def test_what_cannot_be_served_is_told_from_the_store(
    route: Route | None, error: type[PlatformError]
) -> None:
    """A function that is not in memory is looked up first."""
    async with asyncio.TaskGroup() as tasks:
        world = World(tasks, route=route)
        with pytest.raises(error):
            await world.pipeline.invoke(request())
    assert world.hosting.asked == []


async def test_a_caller_that_raises_harms_nobody(world: World) -> None:
    """Its lease is given back all the same."""
    world.hosting.idle.append(1)
    world.pipeline.start(request(), _broken)
    world.hosting.begun[0].ended(RESULT)
    world.pipeline.start(request(), _broken)
    world.hosting.waiting[0](SandboxError("no"))
    assert world.pipeline.under_way == world.admission.in_use == 0


def _broken(outcome: InvocationResult | PlatformError | None) -> None:
    raise RuntimeError("a fault of the caller")


@dataclass
class Sink:
    """Keeps what it gets."""

    got: list[object] = field(default_factory=list)
    flow: ResponseFlow | None = None

    def begin(self, head: StreamHead, flow: ResponseFlow) -> None:
        """Keep both."""
        self.got.append(head)
        self.flow = flow

    def write(self, data: bytes) -> bool:
        """Keep it; always full."""
        self.got.append(data)
        return False

    def end(self, result: InvocationResult) -> None:
        """Keep it."""
        self.got.append(result)

    def fail(self, error: PlatformError | None) -> None:
        """Keep it."""
        self.got.append(error)


async def test_a_stream_reaches_its_sink_and_is_steered_by_its_token(world: World) -> None:
    """Parts come as they are; pausing and giving up go back as calls with a number."""
    world.hosting.idle.append(7)
    sink = Sink()
    world.pipeline.start_streaming(request(), sink)
    (begun,) = world.hosting.begun
    assert begun.parts is not None
    head = StreamHead(executed_version="1", content_type="text/plain", is_streamed=True)
    begun.parts.begin(head)
    assert not begun.parts.write(b"a")
    assert sink.flow is not None
    sink.flow.resume()
    sink.flow.discard()
    assert world.hosting.asked[-2:] == [("resume", 7), ("discard", 7)]
    ended = replace(RESULT, is_streamed=True)
    begun.ended(ended)
    assert sink.got == [head, b"a", ended]


async def test_a_whole_result_goes_to_a_sink_as_one_part(world: World) -> None:
    """From functions that do not stream."""
    world.hosting.idle.append(7)
    sink = Sink()
    world.pipeline.start_streaming(request(), sink)
    world.hosting.begun[0].ended(RESULT)
    head, part, result = sink.got
    assert isinstance(head, StreamHead)
    assert not head.is_streamed
    assert (part, result) == (b'"ok"', RESULT)


async def test_a_refusal_fails_a_sink(world: World) -> None:
    """Nothing has been begun."""
    sink = Sink()
    world.pipeline.start_streaming(request(payload=b"{"), sink)
    (error,) = sink.got
    assert isinstance(error, InvalidRequestContentError)
