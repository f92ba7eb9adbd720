"""The Extensions API of a sandbox: registration, events, refusals, in AWS's words."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

import pytest
from tests.unit.environments.conftest import FakeExchange

from lambd.http.messages import Response
from lambd.model.invocations import Invocation
from lambd.runtimeapi.extensions import ExtensionSession, FunctionFacts

FUNCTION = FunctionFacts(name="fn", version="7", handler="a.h", account_id="123456789012")
INVOCATION = Invocation(
    request_id="id-1", payload=b"{}", invoked_function_arn="arn:fn", trace_id="Root=1-0-0"
)


@dataclass
class Owner:
    """Counts what a session tells."""

    registered: int = 0
    ready: int = 0


@dataclass
class Caller:
    """A session, and calls to it as extensions make them."""

    owner: Owner = field(default_factory=Owner)
    session: ExtensionSession = field(init=False)

    def __post_init__(self) -> None:
        self.session = ExtensionSession(self, FUNCTION)

    def extensions_registered(self) -> None:
        """Count it."""
        self.owner.registered += 1

    def extension_ready(self) -> None:
        """Count it."""
        self.owner.ready += 1

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> FakeExchange:
        """Make one call."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        exchange = FakeExchange(method, f"/2020-01-01/extension/{path}", content, headers)
        assert self.session.handle(exchange)  # type: ignore[arg-type]  # duck-typed
        return exchange

    def register(self, name: str, *events: str, **headers: str) -> FakeExchange:
        """Register for events."""
        return self.call(
            "POST", "register", {"events": list(events)}, {"lambda-extension-name": name, **headers}
        )

    def registered(self, name: str, *events: str) -> str:
        """Register with success; the identifier."""
        answer = answered(self.register(name, *events))
        assert answer.status == 200
        return dict(answer.headers)["Lambda-Extension-Identifier"]

    def next(self, identifier: str) -> FakeExchange:
        """Ask for the next event."""
        return self.call("GET", "event/next", headers={"lambda-extension-identifier": identifier})


def answered(exchange: FakeExchange) -> Response:
    """What was answered."""
    assert exchange.response is not None
    return exchange.response


def is_registered(caller: Caller) -> bool:
    """Whether the runtime may start."""
    return caller.session.are_registered


def is_ready(caller: Caller) -> bool:
    """Whether nobody has to be waited for."""
    return caller.session.are_ready


def refusal(exchange: FakeExchange) -> tuple[int, str, str]:
    """Status, type and message of a refusal."""
    answer = answered(exchange)
    document = json.loads(answer.body)
    return answer.status, document["errorType"], document["errorMessage"]


@pytest.fixture
def caller() -> Caller:
    """A session without external extensions."""
    return Caller()


def test_registering_tells_about_the_function(caller: Caller) -> None:
    """Name, version and handler; the account for those who ask for it."""
    caller.session.reset(["one"])
    answer = answered(caller.register("one", "INVOKE", "SHUTDOWN"))
    expected = {"functionName": "fn", "functionVersion": "7", "handler": "a.h"}
    assert json.loads(answer.body) == expected
    uuid.UUID(dict(answer.headers)["Lambda-Extension-Identifier"])
    other = {"lambda-extension-accept-feature": "other, accountId"}
    answer = answered(caller.register("inner", "INVOKE", **other))
    assert json.loads(answer.body) == {**expected, "accountId": "123456789012"}


def test_the_runtime_waits_for_the_last_external_extension(caller: Caller) -> None:
    """Registered are all once each program has called; internal ones are not waited for."""
    caller.session.reset(["one", "two"])
    caller.registered("two")
    caller.registered("inner")
    assert not is_registered(caller)
    assert caller.owner.registered == 0
    caller.registered("one")
    assert is_registered(caller)
    assert caller.owner.registered == 1


def test_one_that_could_not_begin_is_waited_for_until_it_is_gone(caller: Caller) -> None:
    """The runtime gets no event meanwhile: its end fails the init phase."""
    one = caller.registered("one")
    sent = {
        "lambda-extension-identifier": one,
        "lambda-extension-function-error-type": "Extension.Mine",
    }
    assert answered(caller.call("POST", "init/error", {}, sent)).status == 202
    assert not is_ready(caller)


def test_all_who_registered_are_waited_for_at_first(caller: Caller) -> None:
    """Ready is who has asked for an event, whatever it is subscribed to."""
    one, two = caller.registered("one", "INVOKE"), caller.registered("two")
    caller.next(one)
    assert not is_ready(caller)
    caller.next(two)
    assert is_ready(caller)
    assert caller.owner.ready == 2


def test_an_invocation_goes_to_who_is_subscribed(caller: Caller) -> None:
    """It is over for the platform when they have asked for more."""
    one, two = caller.registered("one", "INVOKE"), caller.registered("two")
    waiting, idle = caller.next(one), caller.next(two)
    caller.session.invoke(INVOCATION, 1000)
    answer = answered(waiting)
    assert json.loads(answer.body) == {
        "eventType": "INVOKE",
        "deadlineMs": 1000,
        "requestId": "id-1",
        "invokedFunctionArn": "arn:fn",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-0-0"},
    }
    uuid.UUID(dict(answer.headers)["Lambda-Extension-Event-Identifier"])
    assert idle.response is None
    assert not is_ready(caller)
    caller.next(one)
    assert is_ready(caller)


def test_a_shutdown_reaches_who_is_busy_with_its_next_call(caller: Caller) -> None:
    """The event is kept until it asks; who has not subscribed hears nothing."""
    caller.session.reset(["one", "two"])
    one, two = caller.registered("one", "INVOKE", "SHUTDOWN"), caller.registered("two", "INVOKE")
    caller.next(one)
    idle = caller.next(two)
    caller.session.invoke(INVOCATION, 1000)
    assert caller.session.shut_down("timeout", 2000) == {"one"}
    assert json.loads(answered(caller.next(one)).body) == {
        "eventType": "SHUTDOWN",
        "shutdownReason": "timeout",
        "deadlineMs": 2000,
    }
    assert json.loads(answered(idle).body)["eventType"] == "INVOKE"


def test_a_lost_long_poll_may_be_repeated(caller: Caller) -> None:
    """The newest call gets the event."""
    one = caller.registered("one", "INVOKE")
    stale, waiting = caller.next(one), caller.next(one)
    assert refusal(stale)[1] == "Extension.InvalidExtensionState"
    caller.session.invoke(INVOCATION, 1000)
    assert answered(waiting).status == 200


@pytest.mark.parametrize(
    ("name", "body", "error_type", "message"),
    [
        pytest.param(
            "", {}, "Extension.InvalidExtensionName", "Empty extension name", id="no-name"
        ),
        pytest.param("x", b"{", "InvalidRequestFormat", "", id="no-json"),
        pytest.param("x", {"events": "INVOKE"}, "InvalidRequestFormat", "", id="no-list"),
        pytest.param(
            "x",
            {"events": ["SHUTDOWN"]},
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
            id="internal-shutdown",
        ),
        pytest.param(
            "external",
            {"events": ["OTHER"]},
            "Extension.InvalidEventType",
            "OTHER: InvalidEvent",
            id="unknown-event",
        ),
    ],
)
def test_refuses_bad_registrations(
    caller: Caller, name: str, body: object, error_type: str, message: str
) -> None:
    """With AWS's types, and nobody is registered."""
    caller.session.reset(["external"])
    refused = refusal(caller.call("POST", "register", body, {"lambda-extension-name": name}))
    assert refused[:2] == (403, error_type)
    assert message in refused[2]
    assert not caller.session.is_active


def test_refuses_more_than_ten_a_name_twice_and_those_who_are_late(caller: Caller) -> None:
    """Each with its type."""
    for number in range(10):
        caller.registered(f"inner-{number}")
    assert refusal(caller.register("inner-1")) == (
        403,
        "Extension.InvalidExtensionState",
        "Extension with this name already registered",
    )
    assert refusal(caller.register("more")) == (
        403,
        "Extension.TooManyExtensions",
        "Extension limit (10) reached",
    )
    caller.session.close_registration()
    assert refusal(caller.register("late")) == (
        403,
        "Extension.RegistrationClosed",
        "Extension registration closed already",
    )


def test_refuses_an_external_extension_that_registers_twice(caller: Caller) -> None:
    """With the states that AWS names."""
    caller.session.reset(["one"])
    caller.registered("one")
    message = (
        "State transition from Registered to Registered failed for extension one. "
        "Error: State transition is not allowed"
    )
    refused = refusal(caller.register("one"))
    assert refused == (403, "Extension.InvalidExtensionState", message)


@pytest.mark.parametrize(
    ("identifier", "error_type"),
    [
        ("", "Extension.MissingExtensionIdentifier"),
        ("nonsense", "Extension.InvalidExtensionIdentifier"),
        (str(uuid.UUID(int=1)), "Extension.UnknownExtensionIdentifier"),
    ],
)
def test_refuses_callers_it_does_not_know(caller: Caller, identifier: str, error_type: str) -> None:
    """Whatever they call."""
    caller.registered("one")
    assert refusal(caller.next(identifier))[:2] == (403, error_type)


def test_keeps_the_first_error_that_was_reported(caller: Caller) -> None:
    """Its type is the platform's, the extension's own stands in the log."""
    one, two = caller.registered("one"), caller.registered("two")
    caller.next(two)

    def report(kind: str, identifier: str, **headers: str) -> FakeExchange:
        sent = {"lambda-extension-identifier": identifier, **headers}
        return caller.call("POST", f"{kind}/error", {}, sent)

    assert refusal(report("init", one))[:2] == (403, "Extension.MissingHeader")
    header = {"lambda-extension-function-error-type": "Extension.Mine"}
    assert answered(report("init", one, **header)).status == 202
    assert answered(report("exit", two, **header)).status == 202
    assert caller.session.fatal_error == "Extension.InitError"
    states = [(each.state, each.error_type) for each in caller.session.extensions]
    assert states == [("InitError", "Extension.Mine"), ("ExitError", "Extension.Mine")]
    assert refusal(caller.next(one))[1] == "Extension.InvalidExtensionState"


def test_says_that_there_is_no_telemetry(caller: Caller) -> None:
    """As AWS does where it has none, so that extensions go on without."""
    exchange = FakeExchange("PUT", "/2022-07-01/telemetry", b"{}")
    assert caller.session.handle(exchange)  # type: ignore[arg-type]  # duck-typed
    assert refusal(exchange) == (202, "Telemetry.NotSupported", "Telemetry API is not supported")


def test_leaves_other_paths_to_others(caller: Caller) -> None:
    """Also below its own."""
    for path in ("/2018-06-01/ping", "/2020-01-01/extension/other"):
        assert not caller.session.handle(FakeExchange("GET", path))  # type: ignore[arg-type]  # duck-typed
