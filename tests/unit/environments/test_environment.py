"""The life of an execution environment, with the test as init and as the runtime."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest
from tests.unit.environments.conftest import Stage, make_stage

from lambd.environments.phases import Phase
from lambd.environments.processes import RUNTIME
from lambd.model.errors import SandboxError
from lambd.model.invocations import Invocation, InvocationResult


def invocation(request_id: str = "id-1", *, wants_log_tail: bool = False) -> Invocation:
    """An invocation of `fn`."""
    return Invocation(
        request_id=request_id,
        payload=b'{"n":1}',
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:fn",
        trace_id="Root=1-0-0",
        wants_log_tail=wants_log_tail,
    )


async def initialised(stage: Stage) -> None:
    """Bring the environment through its init phase."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        assert stage.sandbox.received()["start"] == RUNTIME
        stage.next()


async def until(stage: Stage, phase: Phase) -> None:
    """Let the loop run until the environment is in a phase."""
    async with asyncio.timeout(5):
        while stage.environment.phase is not phase:  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0)


def document(result: InvocationResult) -> dict[str, object]:
    """The payload of a failed invocation."""
    assert result.function_error == "Unhandled"
    parsed: dict[str, object] = json.loads(result.payload)
    return parsed


async def test_answers_the_caller_before_the_runtime_asks_for_more(stage: Stage) -> None:
    """The result comes with the response, END and REPORT with the next `next`."""
    await initialised(stage)
    waiting = stage.next()
    result = stage.invoke(invocation())
    assert waiting.response is not None
    assert waiting.response.body == b'{"n":1}'
    assert ("Lambda-Runtime-Aws-Request-Id", "id-1") in waiting.response.headers
    stage.respond("id-1", b'"ok"')
    assert result.done()
    assert (await result).payload == b'"ok"'
    assert "REPORT" not in stage.logs.text
    stage.next()
    assert stage.environment.phase is Phase.IDLE
    assert "START RequestId: id-1 Version: $LATEST\n" in stage.logs.text
    assert "END RequestId: id-1\n" in stage.logs.text
    assert "Init Duration" in stage.logs.text


async def test_a_result_with_an_error_type_key_is_a_success(stage: Stage) -> None:
    """Only the runtime's error call makes a function error, never the payload's content."""
    await initialised(stage)
    result = stage.invoke(invocation())
    stage.respond("id-1", b'{"errorType":"mine"}')
    assert (await result).function_error is None


async def test_keeps_what_the_function_wrote_before_end_in_order(stage: Stage) -> None:
    """Everything in the pipe when the runtime asks for more stands before END."""
    await initialised(stage)
    stage.invoke(invocation())
    os.write(stage.sandbox.log_writer, b"hello\nworld\n")
    stage.respond("id-1", b"1")
    stage.next()
    text = stage.logs.text
    assert text.index("START") < text.index("hello\nworld\n") < text.index("END")


async def test_returns_the_tail_with_the_report(stage: Stage) -> None:
    """With LogType=Tail the answer waits for REPORT."""
    await initialised(stage)
    result = stage.invoke(invocation(wants_log_tail=True))
    os.write(stage.sandbox.log_writer, b"hello\n")
    stage.respond("id-1", b"1")
    assert not result.done()
    stage.next()
    tail = (await result).log_tail
    assert tail is not None
    assert tail.startswith(b"START")
    assert b"hello\n" in tail
    assert b"REPORT" in tail


async def test_reports_a_timeout_and_starts_over_in_the_same_sandbox() -> None:
    """The runtime is killed, /tmp's sandbox stays, and the next invocation starts a new runtime."""
    stage = make_stage(timeout_s=0)
    await initialised(stage)
    result = await stage.invoke(invocation())
    assert document(result) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 0.00 seconds",
    }
    assert stage.sandbox.received() == {"kill": True}
    assert "Status: timeout" in stage.logs.text
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    assert stage.environment.is_usable
    assert len(stage.owner.available) == 2
    await stage.environment.close()


async def test_gives_each_invocation_its_whole_time() -> None:
    """The look at the clock that an earlier invocation asked for does not end a later one."""
    stage = make_stage(timeout_s=1)
    await initialised(stage)
    first = stage.invoke(invocation())
    stage.respond("id-1", b"1")
    stage.next()
    await first
    await asyncio.sleep(0.6)
    started = time.monotonic()
    result = await stage.invoke(invocation())
    assert document(result)["errorType"] == "Sandbox.Timedout"
    assert time.monotonic() - started >= 1
    await stage.environment.close()


async def test_runs_init_again_inside_the_invocation_after_a_failed_init(stage: Stage) -> None:
    """A failed init leaves the environment cold; the invocation starts the runtime itself."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        stage.sandbox.received()
        stage.call("POST", "init/error", b'{"errorType":"X"}')
    assert "INIT_REPORT" in stage.logs.text
    assert stage.sandbox.received() == {"kill": True}
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    result = stage.invoke(invocation())
    assert stage.sandbox.received()["start"] == RUNTIME
    waiting = stage.next()
    assert waiting.response is not None
    stage.respond("id-1", b"2")
    assert (await result).payload == b"2"


async def test_passes_on_the_init_error_of_the_second_attempt(stage: Stage) -> None:
    """The caller reads what the runtime posted to init/error, untouched."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        stage.call("POST", "init/error", b"{}")
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    result = stage.invoke(invocation())
    stage.call("POST", "init/error", b'{"errorType":"Runtime.ImportModuleError"}')
    assert (await result).payload == b'{"errorType":"Runtime.ImportModuleError"}'
    assert (await result).function_error == "Unhandled"


@pytest.mark.parametrize(
    ("wait_status", "oom_kills", "error_type", "message"),
    [
        pytest.param(
            0, 0, "Runtime.ExitError", "Runtime exited without providing a reason", id="exit-0"
        ),
        pytest.param(
            127 << 8, 0, "Runtime.ExitError", "Runtime exited with error: exit status 127", id="127"
        ),
        pytest.param(
            11,
            0,
            "Runtime.ExitError",
            "Runtime exited with error: signal: segmentation fault",
            id="segv",
        ),
        pytest.param(
            9, 1, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed", id="oom"
        ),
    ],
)
async def test_tells_how_the_runtime_ended(
    stage: Stage, wait_status: int, oom_kills: int, error_type: str, message: str
) -> None:
    """Exit statuses, signals and memory kills have AWS's texts."""
    await initialised(stage)
    result = stage.invoke(invocation())
    stage.sandbox.oom_kill_count = oom_kills
    stage.sandbox.report(exited=RUNTIME, status=wait_status)
    assert document(await result) == {
        "errorType": error_type,
        "errorMessage": f"RequestId: id-1 Error: {message}",
    }


async def test_answers_too_large_and_stays_usable(stage: Stage) -> None:
    """An oversized response is the caller's function error; the runtime goes on."""
    await initialised(stage)
    result = stage.invoke(invocation())
    refused = stage.call("POST", "invocation/id-1/response", body_exceeded=True)
    assert refused.response is not None
    assert refused.response.status == 413
    assert document(await result)["errorType"] == "Function.ResponseSizeTooLarge"
    stage.next()
    assert stage.environment.phase is Phase.IDLE


async def test_a_sandbox_that_goes_away_fails_its_invocation(stage: Stage) -> None:
    """Init's end is the environment's end; the owner is told."""
    await initialised(stage)
    result = stage.invoke(invocation())
    stage.sandbox.init.close()
    assert document(await result)["errorType"] == "Runtime.ExitError"
    assert stage.owner.died == [stage.environment]


async def test_dies_when_init_sends_what_init_does_not(stage: Stage) -> None:
    """Garbage on the control socket ends the environment."""
    await initialised(stage)
    stage.sandbox.init.send(b"\xff garbage")
    await until(stage, Phase.DEAD)


async def test_is_not_reused_when_its_runtime_is_gone(stage: Stage) -> None:
    """Liveness is checked before reuse: a runtime whose connection is closed is not usable."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        waiting = stage.next()
    assert stage.environment.is_usable
    waiting.is_open = False
    assert not stage.environment.is_usable


async def test_thaws_before_it_delivers(stage: Stage) -> None:
    """A frozen environment runs again before the event is handed over."""
    await initialised(stage)
    stage.environment.freeze()
    assert stage.sandbox.is_frozen
    stage.invoke(invocation())
    assert not stage.sandbox.is_frozen


async def test_refuses_calls_for_another_request(stage: Stage) -> None:
    """A response with an unknown or used id is refused and changes nothing."""
    await initialised(stage)
    result = stage.invoke(invocation())
    refused = stage.respond("other", b"1")
    assert refused.response is not None
    assert refused.response.status == 400
    assert json.loads(refused.response.body)["errorType"] == "InvalidRequestID"
    stage.respond("id-1", b"1")
    again = stage.respond("id-1", b"2")
    assert again.response is not None
    assert again.response.status == 400
    assert (await result).payload == b"1"


async def test_is_not_reused_when_it_was_killed_while_frozen(stage: Stage) -> None:
    """Nobody is told of it before the thaw, so somebody looks."""
    await initialised(stage)
    stage.environment.freeze()
    assert stage.environment.is_usable
    stage.sandbox.is_killed = True
    assert not stage.environment.is_usable


async def test_an_environment_that_ran_out_of_memory_is_not_used_again(stage: Stage) -> None:
    """What the kernel's kill left inside, shared memory for one, would poison what follows."""
    await initialised(stage)
    result = stage.invoke(invocation())
    stage.sandbox.oom_kill_count = 1
    stage.sandbox.report(exited=RUNTIME, status=9)
    assert document(await result)["errorType"] == "Runtime.OutOfMemory"
    stage.sandbox.report(killed=True)
    await until(stage, Phase.DEAD)
    assert stage.owner.died == [stage.environment]


async def test_nor_is_one_in_which_another_process_did(stage: Stage) -> None:
    """The runtime lives and answers; its environment goes after the invocation."""
    await initialised(stage)
    result = stage.invoke(invocation())
    stage.sandbox.oom_kill_count = 1
    stage.sandbox.memory_peak = 128 * 1024 * 1024
    stage.respond("id-1", b"1")
    stage.next()
    assert (await result).payload == b"1"
    assert stage.environment.phase is Phase.DEAD


async def test_an_init_that_ran_out_of_memory_is_run_again_within_an_invocation(
    stage: Stage,
) -> None:
    """Whoever waits learns of it from that, instead of from one new environment after another."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.environment.initialise())
        await asyncio.sleep(0)
        stage.sandbox.oom_kill_count = 1
        stage.sandbox.report(exited=RUNTIME, status=9)
    stage.sandbox.report(killed=True)
    await until(stage, Phase.COLD)
    assert stage.environment.is_usable


async def test_a_runtime_that_has_just_gone_takes_no_invocation(stage: Stage) -> None:
    """The caller is told at once, and the environment is of no more use."""
    await initialised(stage)
    stage.environment.session.reset()
    with pytest.raises(SandboxError, match="State transition"):
        stage.invoke(invocation())
    assert stage.environment.phase is Phase.DEAD


async def test_a_fault_in_a_callback_ends_the_environment_and_its_invocation(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged; the caller has an answer, and the runtime a refusal."""
    await initialised(stage)
    result = stage.invoke(invocation())
    monkeypatch.setattr(stage.environment, "runtime_responded", _broken)
    answered = stage.respond("id-1", b"1")
    assert answered.response is not None
    assert answered.response.status == 500
    assert document(await result)["errorType"] == "Runtime.ExitError"
    assert stage.environment.phase is Phase.DEAD
    assert stage.owner.died == [stage.environment]


async def test_a_fault_in_the_control_socket_ends_the_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in a timer: all begin in the same root."""
    await initialised(stage)
    result = stage.invoke(invocation())
    monkeypatch.setattr(stage.environment, "process_missing", _broken)
    stage.sandbox.report(exited=RUNTIME, status=9)
    assert document(await result)["errorType"] == "Runtime.ExitError"
    assert stage.environment.phase is Phase.DEAD


async def test_a_caller_that_cannot_take_its_result_harms_nobody(stage: Stage) -> None:
    """The fault is the caller's: the environment goes on."""
    await initialised(stage)
    stage.environment.invoke(invocation(), _broken)
    stage.respond("id-1", b"1")
    stage.next()
    assert stage.environment.phase is Phase.IDLE


def _broken(*arguments: object) -> None:
    raise RuntimeError("a fault of ours")
