"""The Runtime API session of one runtime: paths, states, limits and streams, in AWS's words."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

import pytest
from tests.unit.environments.conftest import FakeExchange

from lambd.http.exchanges import Exchange, StreamedExchange
from lambd.http.messages import RawHeaders, Request, Response
from lambd.model.invocations import Invocation
from lambd.runtimeapi.extensions import FunctionFacts
from lambd.runtimeapi.session import PartCallback, RuntimeOutcome, RuntimeSession
from lambd.runtimeapi.state import InvalidStateTransitionError

FUNCTION = FunctionFacts(name="fn", version="7", handler="a.h", account_id="123456789012")
INVOCATION = Invocation(
    request_id="id-1",
    payload=b'{"n":1}',
    invoked_function_arn="arn:fn",
    trace_id="Root=1-0-0",
    client_context='{"custom":{}}',
)
MODE = "lambda-runtime-function-response-mode"


@dataclass
class Owner:
    """Keeps what the session tells, and raises if it is told to."""

    told: list[object] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    is_broken: bool = False

    def _tell(self, what: object) -> None:
        self.told.append(what)
        if self.is_broken:
            raise RuntimeError("a fault of ours")

    def extensions_registered(self) -> None:
        """Not here."""
        self._tell("registered")

    def extension_ready(self) -> None:
        """Not here."""
        self._tell("extension")

    def runtime_ready(self) -> None:
        """Keep it."""
        self._tell("ready")

    def runtime_responded(self, outcome: RuntimeOutcome) -> None:
        """Keep it."""
        self._tell(outcome)

    def runtime_streams(self, source: StreamedExchange, content_type: str) -> PartCallback:
        """Keep the type, then the parts."""
        self._tell(content_type)
        return self._take

    def _take(self, data: bytes) -> None:
        self.parts.append(data)

    def runtime_truncated(self, outcome: RuntimeOutcome) -> None:
        """Keep it."""
        self._tell(("truncated", outcome.error_type))

    def runtime_init_failed(self, outcome: RuntimeOutcome) -> None:
        """Keep it."""
        self._tell(("init failed", outcome))

    def crashed(self) -> None:
        """Keep it."""
        self.told.append("crashed")


class FakeStream(StreamedExchange):
    """A request whose body comes in parts, without a connection."""

    __slots__ = ("closes", "response", "still_open")

    def __init__(self, path: str, headers: dict[str, str]) -> None:
        self.request = Request("POST", path, "", headers, b"")
        self.body_exceeded = False
        self.on_data = self.on_end = self.on_truncated = None
        self.response: Response | None = None
        self.still_open = True
        self.closes = False

    @property
    def is_open(self) -> bool:
        """Until it is answered or gone."""
        return self.still_open

    def respond(self, response: Response, *, close: bool = False) -> None:
        """Keep the answer."""
        self.response, self.closes, self.still_open = response, close, False

    def data(self, data: bytes) -> None:
        """A part comes."""
        if self.on_data is not None:
            self.on_data(data)

    def end(self, trailers: RawHeaders | None = None) -> None:
        """The body is complete."""
        assert self.on_end is not None
        self.on_end(trailers or [])

    def truncate(self) -> None:
        """It breaks off."""
        assert self.on_truncated is not None
        self.on_truncated()


@dataclass
class Runtime:
    """A session, and calls to it as a runtime makes them."""

    owner: Owner = field(default_factory=Owner)
    session: RuntimeSession = field(init=False)

    def __post_init__(self) -> None:
        """Ten bytes whole, twenty streamed."""
        self.session = RuntimeSession(
            self.owner, FUNCTION, response_limit_bytes=10, stream_limit_bytes=20
        )

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        body_exceeded: bool = False,
    ) -> FakeExchange:
        """Make a call."""
        exchange = FakeExchange(
            method, f"/2018-06-01/{path}", body, headers, body_exceeded=body_exceeded
        )
        self.session.handle(exchange)  # type: ignore[arg-type]  # duck-typed
        return exchange

    def next(self) -> FakeExchange:
        """Ask for the next invocation."""
        return self.call("GET", "runtime/invocation/next")

    def deliver(self, *, takes_parts: bool = False) -> None:
        """Have the invocation delivered."""
        self.session.deliver(INVOCATION, 1234, takes_parts=takes_parts)

    def running(self, *, takes_parts: bool = False) -> None:
        """Be in the middle of an invocation."""
        self.next()
        self.deliver(takes_parts=takes_parts)
        self.owner.told.clear()

    def respond(
        self, body: bytes = b"1", request_id: str = "id-1", *, body_exceeded: bool = False
    ) -> FakeExchange:
        """Answer."""
        path = f"runtime/invocation/{request_id}/response"
        return self.call("POST", path, body, body_exceeded=body_exceeded)

    def stream(self, mode: str = "streaming", **headers: str) -> FakeStream:
        """Begin to answer in parts."""
        exchange = FakeStream(
            "/2018-06-01/runtime/invocation/id-1/response", {MODE: mode, **headers}
        )
        self.session.handle(exchange)
        return exchange


def refused(exchange: FakeExchange | FakeStream) -> tuple[int, str]:
    """Status and type of a refusal."""
    assert exchange.response is not None
    return exchange.response.status, json.loads(exchange.response.body)["errorType"]


@pytest.fixture
def runtime() -> Runtime:
    """A runtime process that has not called yet."""
    return Runtime()


def test_an_invocation_is_the_answer_to_next(runtime: Runtime) -> None:
    """With everything in its headers."""
    waiting = runtime.next()
    assert runtime.owner.told == ["ready"]
    assert runtime.session.is_ready
    runtime.deliver()
    response = waiting.response
    assert response is not None
    assert (response.status, response.body) == (200, b'{"n":1}')
    assert list(response.headers) == [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Aws-Request-Id", "id-1"),
        ("Lambda-Runtime-Deadline-Ms", "1234"),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:fn"),
        ("Lambda-Runtime-Trace-Id", "Root=1-0-0"),
        ("Lambda-Runtime-Client-Context", '{"custom":{}}'),
    ]


def test_a_response_is_told_before_it_is_acknowledged(runtime: Runtime) -> None:
    """Its caller waits; the runtime has nothing to do but ask for more."""
    runtime.running()
    accepted = runtime.respond(b'"ok"')
    assert accepted.response is not None
    assert accepted.response.status == 202
    assert runtime.owner.told == [RuntimeOutcome(payload=b'"ok"')]
    runtime.next()
    assert runtime.owner.told[-1] == "ready"


def test_an_error_keeps_its_document_and_a_known_type(runtime: Runtime) -> None:
    """Types that AWS would not print become its own word."""
    runtime.running()
    headers = {"lambda-runtime-function-error-type": "Runtime.MyError"}
    runtime.call("POST", "runtime/invocation/id-1/error", b"{}", headers)
    assert runtime.owner.told == [RuntimeOutcome(payload=b"{}", error_type="Runtime.MyError")]


def test_nothing_is_delivered_to_a_runtime_that_does_not_wait(runtime: Runtime) -> None:
    """Who delivers is told, and the session stands where it stood."""
    with pytest.raises(InvalidStateTransitionError, match="from Started to Running"):
        runtime.deliver()
    runtime.next()
    assert runtime.session.is_ready


def test_a_runtime_whose_connection_has_gone_is_not_ready(runtime: Runtime) -> None:
    """Whatever its state."""
    runtime.next().is_open = False
    assert not runtime.session.is_ready


def test_the_newest_of_two_polls_is_answered(runtime: Runtime) -> None:
    """A client that lost its connection asks again."""
    stale, fresh = runtime.next(), runtime.next()
    assert refused(stale) == (403, "InvalidStateTransition")
    runtime.deliver()
    assert fresh.response is not None
    assert fresh.response.status == 200


def test_calls_out_of_order_are_refused(runtime: Runtime) -> None:
    """And change nothing."""
    runtime.running()
    assert refused(runtime.next()) == (403, "InvalidStateTransition")
    assert refused(runtime.call("POST", "runtime/init/error", b"{}")) == (
        403,
        "InvalidStateTransition",
    )
    assert runtime.owner.told == []
    runtime.respond()
    assert refused(runtime.respond()) == (400, "InvalidRequestID")


def test_another_requests_id_is_refused(runtime: Runtime) -> None:
    """The runtime may still answer its own."""
    runtime.running()
    assert refused(runtime.respond(request_id="id-2")) == (400, "InvalidRequestID")
    assert runtime.owner.told == []
    runtime.respond()
    assert len(runtime.owner.told) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "runtime/nowhere"),
        ("POST", "runtime/invocation/next"),
        ("POST", "runtime/invocation/id-1/other"),
        ("GET", "runtime/init/error"),
    ],
)
def test_other_paths_are_not_there(runtime: Runtime, method: str, path: str) -> None:
    """In AWS's words."""
    assert refused(runtime.call(method, path)) == (404, "NotFound")


def test_a_ping_is_answered(runtime: Runtime) -> None:
    """It says nothing of the state."""
    answered = runtime.call("GET", "ping").response
    assert answered is not None
    assert (answered.status, answered.body) == (200, b"pong")


@pytest.mark.parametrize(
    ("body", "body_exceeded"),
    [pytest.param(b"1" * 11, False, id="whole"), pytest.param(b"", True, id="cut-off")],
)
def test_too_large_a_response_is_an_error_of_the_function(
    runtime: Runtime, body: bytes, body_exceeded: bool
) -> None:
    """The runtime goes on."""
    runtime.running()
    assert refused(runtime.respond(body, body_exceeded=body_exceeded)) == (
        413,
        "RequestEntityTooLarge",
    )
    (outcome,) = runtime.owner.told
    assert isinstance(outcome, RuntimeOutcome)
    assert outcome.error_type == "Function.ResponseSizeTooLarge"
    assert outcome.is_platform_error
    runtime.next()
    assert runtime.owner.told[-1] == "ready"


def test_a_failed_init_is_told(runtime: Runtime) -> None:
    """With the runtime's own document."""
    answered = runtime.call("POST", "runtime/init/error", b"{}")
    assert answered.response is not None
    assert answered.response.status == 202
    assert runtime.owner.told == [
        ("init failed", RuntimeOutcome(payload=b"{}", error_type="Runtime.Unknown"))
    ]


def test_a_reset_forgets_the_process(runtime: Runtime) -> None:
    """The next one begins at the start."""
    runtime.running()
    runtime.session.reset()
    assert refused(runtime.respond()) == (400, "InvalidRequestID")
    runtime.next()
    assert runtime.session.is_ready


def test_parts_are_passed_on_as_they_come(runtime: Runtime) -> None:
    """The end is told when the body is complete, and the connection ends with it."""
    runtime.running(takes_parts=True)
    stream = runtime.stream(**{"content-type": "text/plain"})
    stream.data(b"a" * 15)
    stream.data(b"b" * 5)
    assert runtime.owner.told == ["text/plain"]
    stream.end()
    assert runtime.owner.told[-1] == RuntimeOutcome(payload=b"")
    assert runtime.owner.parts == [b"a" * 15, b"b" * 5]
    assert stream.response is not None
    assert (stream.response.status, stream.closes) == (202, True)


@pytest.mark.parametrize(("takes_parts", "limit"), [(True, 20), (False, 10)])
def test_a_stream_has_the_limit_of_who_takes_it(
    runtime: Runtime, takes_parts: bool, limit: int
) -> None:
    """What is beyond is not passed on."""
    runtime.running(takes_parts=takes_parts)
    stream = runtime.stream()
    stream.data(b"a" * limit)
    stream.data(b"b")
    stream.data(b"c")
    assert runtime.owner.parts == [b"a" * limit]
    assert refused(stream) == (413, "RequestEntityTooLarge")
    outcome = runtime.owner.told[-1]
    assert isinstance(outcome, RuntimeOutcome)
    assert outcome.error_type == "Function.ResponseSizeTooLarge"


def test_an_error_in_the_trailers_is_the_functions(runtime: Runtime) -> None:
    """With its document, in Base64 as AWS's client sends it."""
    runtime.running(takes_parts=True)
    stream = runtime.stream()
    stream.end(
        [
            (b"Lambda-Runtime-Function-Error-Type", b"Runtime.MyError"),
            (b"Lambda-Runtime-Function-Error-Body", base64.b64encode(b'{"a":1}')),
        ]
    )
    outcome = runtime.owner.told[-1]
    assert isinstance(outcome, RuntimeOutcome)
    assert (outcome.error_type, outcome.payload) == ("Runtime.MyError", b'{"a":1}')


def test_a_stream_that_breaks_off_is_told_as_such(runtime: Runtime) -> None:
    """A sender that is still there is answered."""
    runtime.running(takes_parts=True)
    stream = runtime.stream()
    stream.truncate()
    assert runtime.owner.told[-1] == ("truncated", "Runtime.TruncatedResponse")
    assert refused(stream) == (400, "TruncatedHTTPRequest")


def test_an_unknown_mode_is_refused(runtime: Runtime) -> None:
    """The invocation has failed by it."""
    runtime.running()
    assert refused(runtime.stream(mode="other")) == (400, "InvalidFunctionResponseMode")
    outcome = runtime.owner.told[-1]
    assert isinstance(outcome, RuntimeOutcome)
    assert outcome.error_type == "Runtime.InvalidResponseModeHeader"


def test_nothing_of_a_stream_is_heard_after_a_reset(runtime: Runtime) -> None:
    """Its process has ended."""
    runtime.running(takes_parts=True)
    stream = runtime.stream()
    runtime.session.reset()
    stream.data(b"late")
    assert runtime.owner.parts == []


def test_a_fault_of_ours_is_the_owners_end_and_a_500(runtime: Runtime) -> None:
    """Nothing of it reaches the HTTP server, in a call or in a part of one."""
    runtime.running(takes_parts=True)
    stream = runtime.stream()
    runtime.owner.is_broken = True
    stream.end()
    assert runtime.owner.told[-1] == "crashed"
    assert refused(stream) == (500, "InternalServerError")
    runtime.session.reset()
    assert refused(runtime.next()) == (500, "InternalServerError")
    assert runtime.owner.told[-1] == "crashed"


def test_only_responses_may_be_large(runtime: Runtime) -> None:
    """Everything else is small."""
    limit = runtime.session.body_limit
    assert limit("POST", "/2018-06-01/runtime/invocation/id-1/response", []) == 10
    assert limit("POST", "/2018-06-01/runtime/invocation/id-1/error", []) == 1 << 20


def test_every_exchange_is_one_of_http(runtime: Runtime) -> None:
    """A request that says it streams and has no need to is had whole first."""
    exchange = FakeStream("/2018-06-01/runtime/init/error", {MODE: "streaming"})
    assert isinstance(exchange, Exchange)
    runtime.session.handle(exchange)
    assert runtime.owner.told == []
    exchange.data(b"{")
    exchange.data(b"}")
    exchange.end()
    assert runtime.owner.told == [
        ("init failed", RuntimeOutcome(payload=b"{}", error_type="Runtime.Unknown"))
    ]
