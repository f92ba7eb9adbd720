"""An environment with extensions, with the test as init, as the runtime and as the extensions."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal

from tests.unit.environments.conftest import LAUNCH, FakeExchange, Stage, make_stage
from tests.unit.environments.test_environment import document, invocation, until

from lambd.environments.init_channel import Program
from lambd.environments.phases import Phase
from lambd.environments.processes import RUNTIME
from lambd.http.messages import Response


def program(name: str) -> Program:
    """How an external extension starts."""
    return Program(name=name, mode="exec", argv=(f"/opt/extensions/{name}",), env={}, cwd="/")


def staged(*names: str, timeout_s: int = 3) -> Stage:
    """An environment with external extensions."""
    launch = dataclasses.replace(LAUNCH, extensions=tuple(program(name) for name in names))
    return make_stage(launch=launch, timeout_s=timeout_s)


def extension_call(
    stage: Stage, method: str, path: str, body: object = None, **headers: str
) -> FakeExchange:
    """One call of an extension."""
    sent = {f"lambda-extension-{key.replace('_', '-')}": value for key, value in headers.items()}
    exchange = FakeExchange(
        method, f"/2020-01-01/extension/{path}", json.dumps(body).encode(), sent
    )
    stage.environment.session.handle(exchange)  # type: ignore[arg-type]  # duck-typed
    return exchange


def register(stage: Stage, name: str, *events: str) -> str:
    """Register; the identifier."""
    answer = extension_call(stage, "POST", "register", {"events": events}, name=name).response
    assert answer is not None
    return dict(answer.headers)["Lambda-Extension-Identifier"]


def extension_next(stage: Stage, identifier: str) -> FakeExchange:
    """Ask for the next event."""
    return extension_call(stage, "GET", "event/next", identifier=identifier)


def event(exchange: FakeExchange) -> dict[str, object]:
    """The event that an extension has got."""
    assert isinstance(exchange.response, Response)
    parsed: dict[str, object] = json.loads(exchange.response.body)
    return parsed


def phase(stage: Stage) -> Phase:
    """Where the environment stands now."""
    return stage.environment.phase


def is_answered(exchange: FakeExchange) -> bool:
    """Whether an extension has got an event."""
    return exchange.response is not None


async def initialised(stage: Stage, *events: str) -> str:
    """Bring an environment with the extension `one` through its init phase; the identifier."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        assert stage.sandbox.received()["start"] == "one"
        identifier = register(stage, "one", *events)
        assert stage.sandbox.received()["start"] == RUNTIME
        stage.next()
        assert phase(stage) is Phase.STARTING
        extension_next(stage, identifier)
    assert phase(stage) is Phase.IDLE
    return identifier


async def test_starts_the_runtime_after_extensions_and_waits_for_all() -> None:
    """The init phase ends when runtime and extensions have asked for more, and the log says so."""
    stage = staged("one")
    await initialised(stage, "INVOKE", "SHUTDOWN")
    assert "EXTENSION\tName: one\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n" in stage.logs.text
    await stage.environment.close()


async def test_the_caller_does_not_wait_for_extensions_but_the_next_invocation_does() -> None:
    """The result comes with the response; REPORT and the pool wait for the extension."""
    stage = staged("one")
    identifier = await initialised(stage, "INVOKE")
    waiting = extension_next(stage, identifier)
    result = stage.invoke(invocation())
    assert event(waiting)["requestId"] == "id-1"
    stage.respond("id-1", b"1")
    assert (await result).payload == b"1"
    stage.next()
    assert phase(stage) is Phase.FINISHING
    assert "REPORT" not in stage.logs.text
    extension_next(stage, identifier)
    assert phase(stage) is Phase.IDLE
    assert "REPORT" in stage.logs.text
    await stage.environment.close()


async def test_a_timeout_gives_extensions_their_shutdown_phase() -> None:
    """SIGTERM for the runtime, SHUTDOWN for the extension, then everything is killed."""
    stage = staged("one", timeout_s=0)
    identifier = await initialised(stage, "SHUTDOWN")
    waiting = extension_next(stage, identifier)
    result = await stage.invoke(invocation())
    assert document(result)["errorType"] == "Sandbox.Timedout"
    assert stage.sandbox.received() == {"signal": RUNTIME, "number": signal.SIGTERM}
    assert not is_answered(waiting)
    stage.sandbox.report(exited=RUNTIME, status=0)
    async with asyncio.timeout(5):
        while not is_answered(waiting):  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0)
    assert event(waiting)["shutdownReason"] == "timeout"
    assert phase(stage) is Phase.RESETTING
    stage.sandbox.report(exited="one", status=0)
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    assert stage.sandbox.received() == {"kill": True}
    stage.invoke(invocation())
    assert stage.sandbox.received()["start"] == "one"
    await stage.environment.close()


async def test_a_runtime_that_ignores_sigterm_is_killed_after_its_share() -> None:
    """What is left of the phase is the extension's; who has not subscribed is killed."""
    stage = staged("one")
    await initialised(stage, "INVOKE")
    closing = asyncio.ensure_future(stage.environment.close())  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    assert stage.sandbox.received() == {"signal": RUNTIME, "number": signal.SIGTERM}
    await closing
    assert stage.sandbox.is_closed


async def test_an_extension_that_ends_ends_the_invocation() -> None:
    """With Extension.Crash, or with what it reported before."""
    stage = staged("one")
    identifier = await initialised(stage, "INVOKE")
    extension_next(stage, identifier)
    result = stage.invoke(invocation())
    stage.sandbox.report(exited="one", status=1 << 8)
    assert document(await result) == {
        "errorType": "Extension.Crash",
        "errorMessage": "RequestId: id-1 Error: exit status 1",
    }
    await stage.environment.close()


async def test_an_extension_that_ends_while_it_initialises_fails_the_phase() -> None:
    """So does one that cannot be started; the invocation tries again and tells."""
    stage = staged("one")
    async with asyncio.TaskGroup() as tasks:
        initialising = tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        identifier = register(stage, "one")
        extension_call(
            stage,
            "POST",
            "init/error",
            identifier=identifier,
            function_error_type="Extension.NoConfig",
        )
        stage.sandbox.report(exited="one", status=0)
    failure = initialising.result()
    assert failure is not None
    assert failure.error_type == "Extension.InitError"
    assert "State: InitError\tEvents: []\tError Type: Extension.NoConfig\n" in stage.logs.text
    stage.sandbox.report(exited=RUNTIME, status=0)
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    result = stage.invoke(invocation())
    stage.sandbox.report(start_failed="one", message="fork/exec /opt/x: permission denied")
    assert document(await result) == {
        "errorType": "Extension.LaunchError",
        "errorMessage": "RequestId: id-1 Error: fork/exec /opt/x: permission denied",
    }
    await stage.environment.close()


async def test_more_than_ten_programs_are_too_many() -> None:
    """None is started."""
    stage = staged(*(f"e{number}" for number in range(11)))
    failure = await stage.environment.initialise()
    assert failure is not None
    assert failure.error_type == "Extension.LaunchError"
    assert stage.sandbox.received() == {"kill": True}
    await stage.environment.close()
