"""What the tests of environments share: a version, and an environment around a fake sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from lambd.environments.environment import EnvironmentOwner, ExecutionEnvironment
from lambd.environments.function_log import FunctionLog
from lambd.environments.init_channel import Program
from lambd.environments.processes import RUNTIME, Launch
from lambd.environments.stream_limits import StreamLimits
from lambd.http.messages import Request, Response
from lambd.model.arns import Scope
from lambd.model.functions import Code, Deployment, FunctionConfig, FunctionVersion, State
from lambd.model.hosting import HostedVersion, PartsListener
from lambd.model.invocations import Invocation, InvocationResult
from lambd.runtimeapi.extensions import FunctionFacts
from lambd.testing import FakeSandbox, RecordingLogSink

LAUNCH = Launch(
    runtime=Program(name=RUNTIME, mode="fork", argv=("python",), env={"A": "1"}, cwd="/var/task"),
    function=FunctionFacts(name="fn", version="$LATEST", handler="a.h", account_id="000000000000"),
)
_STREAM_LIMITS = StreamLimits(size_bytes=1000, burst_bytes=500, bytes_per_s=100_000)


def make_version(**config: object) -> FunctionVersion:
    """An active `$LATEST` of a function called `fn`."""
    deployment = Deployment(
        id="d1",
        config=FunctionConfig(role="r", runtime="python3.11", handler="a.h", **config),  # type: ignore[arg-type]  # the caller's keywords
        code=Code(sha256="00", size_bytes=1),
    )
    return FunctionVersion(
        name="fn",
        version="$LATEST",
        deployment=deployment,
        serving=deployment,
        revision_id="r1",
        last_modified=datetime(2026, 1, 1, tzinfo=UTC),
        state=State.ACTIVE,
    )


SCOPE = Scope(account_id="000000000000", region="us-east-1")


def hosted(version: FunctionVersion | None = None, scope: Scope = SCOPE) -> HostedVersion:
    """A version as environments are started from it."""
    return HostedVersion.of(scope, version or make_version())


@dataclass
class RecordingOwner:
    """Counts what an environment tells its owner."""

    available: list[ExecutionEnvironment] = field(default_factory=list)
    died: list[ExecutionEnvironment] = field(default_factory=list)

    def environment_available(self, environment: ExecutionEnvironment) -> None:
        """Remember it."""
        self.available.append(environment)

    def environment_died(self, environment: ExecutionEnvironment) -> None:
        """Remember it."""
        self.died.append(environment)


class FakeExchange:
    """An HTTP exchange of the runtime without a connection."""

    def __init__(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        body_exceeded: bool = False,
    ) -> None:
        self.request = Request(method, path, "", headers or {}, body)
        self.body_exceeded = body_exceeded
        self.response: Response | None = None
        self.is_open = True
        self.on_disconnect = None

    def respond(self, response: Response, *, close: bool = False) -> None:
        """Keep the answer."""
        del close
        if self.is_open:
            self.response = response
            self.is_open = False


@dataclass
class Stage:
    """An environment with everything around it that a test may look at."""

    environment: ExecutionEnvironment
    sandbox: FakeSandbox
    owner: RecordingOwner
    logs: RecordingLogSink

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        body_exceeded: bool = False,
    ) -> FakeExchange:
        """Call the Runtime API as the runtime would."""
        exchange = FakeExchange(
            method, f"/2018-06-01/runtime/{path}", body, headers, body_exceeded=body_exceeded
        )
        self.environment.session.handle(exchange)  # type: ignore[arg-type]  # duck-typed
        return exchange

    def invoke(
        self, invocation: Invocation, parts: PartsListener | None = None
    ) -> asyncio.Future[InvocationResult]:
        """Run an invocation; its result."""
        result: asyncio.Future[InvocationResult] = asyncio.get_running_loop().create_future()
        self.environment.invoke(invocation, result.set_result, parts)
        return result

    def next(self) -> FakeExchange:
        """Ask for the next invocation."""
        return self.call("GET", "invocation/next")

    def respond(self, request_id: str, body: bytes) -> FakeExchange:
        """Answer an invocation."""
        return self.call("POST", f"invocation/{request_id}/response", body)


def make_stage(
    version: FunctionVersion | None = None,
    owner: EnvironmentOwner | None = None,
    stream_limits: StreamLimits = _STREAM_LIMITS,
    launch: Launch | None = None,
    **config: object,
) -> Stage:
    """An environment that has not begun its init phase."""
    sandbox, recorder, logs = FakeSandbox(), RecordingOwner(), RecordingLogSink()
    version = version or make_version(**config)
    log = FunctionLog(
        store=logs,
        version=version,
        stream="s",
        log_fd=sandbox.log_fd,
        runtime_version="python:3.11.v1",
        runtime_version_arn="arn:aws:lambda:us-east-1::runtime:00",
    )
    environment = ExecutionEnvironment(
        version=version,
        sandbox=sandbox,
        launch=launch or LAUNCH,
        log=log,
        owner=owner or recorder,
        response_limit_bytes=100,
        stream_limits=stream_limits,
    )
    return Stage(environment, sandbox, recorder, logs)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """An environment that has not begun its init phase, closed afterwards."""
    made = make_stage()
    yield made
    await made.environment.close()
