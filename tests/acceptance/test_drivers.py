"""Functions under every driver and every Python of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, CreateFunction, Server, wait_at_rest, zipped
from tests.acceptance.function_logs import wait_for_log
from tests.acceptance.packages import archive
from tests.acceptance.test_extensions import EXTENSION

from lambd.runtimes.provision import Provisioner

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.literals import RuntimeType

SOURCE = """
import os, sys, time
count = 0
def handler(event, context):
    global count
    count += 1
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    if event == "raise":
        raise KeyError("k")
    print("event", event)
    return [event, count, open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "data.txt")).read()]
"""
# An OS-only runtime that answers with the event.
BOOTSTRAP = """\
#!/usr/bin/env python3
import os, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as request:
        answer = base + request.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
        urllib.request.urlopen(answer, request.read()).close()
"""


def usable_runtimes() -> list[str]:
    """The runtimes that this machine's interpreters make usable."""
    available = asyncio.run(Provisioner(Path("/var/cache/lambd")).available())
    return [each.identifier for each in available if each.is_usable and "python" in each.identifier]


@pytest.fixture(scope="module", params=["process", "runc"])
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A platform with another driver than the usual one."""
    driver: str = request.param
    made = Server(tmp_path_factory.mktemp(driver) / "data", driver=driver)
    made.start()
    yield made
    assert made.stop() == 0
    left = subprocess.run(
        ["pgrep", "-f", str(made.data_dir)], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""


def call(aws: LambdaClient, name: str, event: object) -> tuple[Any, str | None]:
    """Invoke; payload and function error."""
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.loads(reply["Payload"].read()), reply.get("FunctionError")


@pytest.mark.slow
@pytest.mark.oci
def test_a_function_lives_under_every_driver(other: Server) -> None:
    """Results, errors, exits, timeouts and logs are the same with less or other isolation."""
    aws = other.lambda_client()
    aws.create_function(
        FunctionName="fn",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(SOURCE, data__txt="here")},
        Timeout=2,
    )
    assert wait_at_rest(aws, "fn")["State"] == "Active"
    assert call(aws, "fn", 1) == ([1, 1, "here"], None)
    assert call(aws, "fn", 2) == ([2, 2, "here"], None)
    raised, error = call(aws, "fn", "raise")
    assert (raised["errorType"], error) == ("KeyError", "Unhandled")
    ended, _ = call(aws, "fn", "exit")
    assert ended["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert call(aws, "fn", 3) == ([3, 1, "here"], None)
    slow, _ = call(aws, "fn", "sleep")
    assert slow["errorType"] == "Sandbox.Timedout"
    assert call(aws, "fn", 4) == ([4, 1, "here"], None)
    events = other.logs_client().filter_log_events(logGroupName="/aws/lambda/fn")["events"]
    assert "event 4\n" in [event["message"] for event in events]
    aws.delete_function(FunctionName="fn")


@pytest.mark.slow
@pytest.mark.oci
def test_an_extension_lives_under_every_driver(other: Server) -> None:
    """Wherever the layers are."""
    aws = other.lambda_client()
    layer = aws.publish_layer_version(
        LayerName="watcher",
        Content={"ZipFile": archive({"extensions/watcher": EXTENSION}, mode=0o755)},
    )
    aws.create_function(
        FunctionName="watched",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(SOURCE, data__txt="here")},
        Layers=[layer["LayerVersionArn"]],
    )
    wait_at_rest(aws, "watched")
    assert call(aws, "watched", 1) == ([1, 1, "here"], None)
    wait_for_log(other, "watched", "Name: watcher\tState: Ready", "extension is done", "REPORT")
    aws.delete_function(FunctionName="watched")
    wait_for_log(other, "watched", "extension got SHUTDOWN spindown")


@pytest.mark.slow
@pytest.mark.oci
def test_other_languages_live_under_every_driver(other: Server) -> None:
    """Node.js finds modules of layers; a bootstrap comes from the code or a layer, or is missed."""
    aws = other.lambda_client()
    shared = {"nodejs/node_modules/shared/index.js": "exports.name = 'of a layer';"}
    source = "exports.handler = async (event) => [event, require('shared').name];"
    bootstrap = archive({"bootstrap": BOOTSTRAP}, mode=0o755)
    layers = [
        aws.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
        for name, content in (("modules", archive(shared)), ("bootstrap", bootstrap))
    ]
    functions: list[tuple[str, RuntimeType, bytes, list[str]]] = [
        ("node", "nodejs24.x", archive({"index.js": source}), layers[:1]),
        ("own", "provided.al2023", bootstrap, []),
        ("layer", "provided.al2023", archive({"data": ""}), layers[1:]),
        ("none", "provided.al2023", archive({"data": ""}), []),
    ]
    for name, runtime, code, arns in functions:
        aws.create_function(
            FunctionName=name,
            Runtime=runtime,
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": code},
            Layers=arns,
            Timeout=10,
        )
        wait_at_rest(aws, name)
    assert call(aws, "node", 1) == ([1, "of a layer"], None)
    assert call(aws, "node", 2) == ([2, "of a layer"], None)
    assert call(aws, "own", 3) == (3, None)
    assert call(aws, "layer", 4) == (4, None)
    missed, _ = call(aws, "none", 5)
    assert "Couldn't find valid bootstrap(s): [" in missed["errorMessage"]
    for name, *_ in functions:
        aws.delete_function(FunctionName=name)


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.parametrize("runtime", usable_runtimes())
def test_a_function_runs_with_every_python_of_this_machine(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """The interpreter is the one asked for, with boto3 and AWS's own client."""
    name = create(
        """
        import sys, boto3, os
        def handler(event, context):
            return [list(sys.version_info[:2]), os.environ["AWS_EXECUTION_ENV"], sys.path[0]]
        """,
        Runtime=cast("RuntimeType", runtime),
        Timeout=30,
        MemorySize=256,
    )
    result, error = call(aws, name, {})
    assert error is None, result
    version = [int(part) for part in runtime.removeprefix("python").split(".")]
    assert result == [version, f"AWS_Lambda_{runtime}", "/var/task"]
    with contextlib.suppress(aws.exceptions.ResourceNotFoundException):
        aws.delete_function(FunctionName=name)
