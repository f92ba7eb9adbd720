"""Extensions of layers and inside functions, through boto3: their life beside the function's."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import CreateFunction, Server, wait_at_rest
from tests.acceptance.function_logs import log_of, wait_for_log
from tests.acceptance.packages import archive
from tests.acceptance.world import call, fail

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

pytestmark = [pytest.mark.slow, pytest.mark.oci]

# What it does with an event is in the function's variable WISH.
EXTENSION = """\
#!/usr/bin/env python3
import json, os, sys, time, urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
wish = os.environ.get("WISH", "")
hidden = [n for n in os.environ if n.startswith("_") and n != "_"] + [
    n for n in ("AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT") if n in os.environ]

def ask(path, body=None, **headers):
    request = urllib.request.Request(base + path, body, headers)
    return urllib.request.urlopen(request)

if wish == "crash-early":
    sys.exit(4)
name = os.path.basename(__file__)
with ask("register", b'{"events": ["INVOKE", "SHUTDOWN"]}', **{"Lambda-Extension-Name": name}) as r:
    mine = {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"]}
    print("extension registered", json.load(r), "hidden", hidden, "in", os.getcwd(), flush=True)
if wish == "init-error":
    kind = {"Lambda-Extension-Function-Error-Type": "Extension.NoConfig"}
    ask("init/error", b"{}", **mine, **kind).close()
    sys.exit(2)
while True:
    with ask("event/next", **mine) as answer:
        event = json.load(answer)
    print("extension got", event["eventType"], event.get("shutdownReason", ""), flush=True)
    if event["eventType"] == "SHUTDOWN":
        print("extension left within", round(event["deadlineMs"] / 1000 - time.time()), flush=True)
        sys.exit(0)
    if wish == "crash":
        sys.exit(5)
    time.sleep(0.4)
    print("extension is done", flush=True)
"""
FUNCTION = """
import os, signal, sys, time
def left(number, frame):
    print("runtime got SIGTERM", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, left)
def handler(event, context):
    if event == "sleep":
        time.sleep(30)
    return event
"""
INTERNAL = """
import json, os, threading, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
seen = []
def ask(path, body=None, **headers):
    return urllib.request.urlopen(urllib.request.Request(base + path, body, headers))
with ask("register", b'{"events": ["INVOKE"]}', **{"Lambda-Extension-Name": "inner"}) as r:
    mine = {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"]}
def work():
    while True:
        with ask("event/next", **mine) as answer:
            seen.append(json.load(answer)["requestId"])
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    return [context.aws_request_id, *seen]
"""


@pytest.fixture(scope="module")
def layer(server: Server) -> str:
    """A layer with one extension."""
    files = {"extensions/watcher": EXTENSION}
    return server.lambda_client().publish_layer_version(
        LayerName=f"watcher-{uuid.uuid4().hex[:8]}",
        Content={"ZipFile": archive(files, mode=0o755)},
    )["LayerVersionArn"]


Make = Callable[..., str]


@pytest.fixture
def make(create: CreateFunction, layer: str) -> Make:
    """Create a function with the extension."""

    def made(wish: str = "", **arguments: Any) -> str:
        variables = {"Variables": {"WISH": wish}}
        return create(FUNCTION, Layers=[layer], Environment=variables, **arguments)

    return made


def test_an_extension_lives_beside_the_function(
    server: Server, aws: LambdaClient, make: Make
) -> None:
    """It is told of each invocation, which lasts as long as its work, and of the end."""
    name = make()
    assert call(aws, name, "hello") == "hello"
    assert call(aws, name, "again") == "again"
    log = wait_for_log(server, name, "extension is done", "REPORT")
    assert "'functionName': '" + name + "', 'functionVersion': '$LATEST'" in log
    assert "hidden [] in /\n" in log
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n" in log
    report = re.search(r"REPORT .*\tDuration: ([\d.]+) ms", log)
    assert report is not None
    assert float(report[1]) >= 400

    aws.update_function_configuration(FunctionName=name, Description="new")
    wait_at_rest(aws, name)
    # AWS's client for this Python hears no signal while it waits, so the runtime uses its share of
    # the two seconds up.
    wait_for_log(server, name, "extension got SHUTDOWN spindown", "extension left within 1")


def test_a_timeout_shuts_both_down_and_both_begin_anew(
    server: Server, aws: LambdaClient, make: Make
) -> None:
    """In the same sandbox; the next invocation has its extension again."""
    name = make(Timeout=2)
    assert fail(aws, name, "sleep")["errorType"] == "Sandbox.Timedout"
    wait_for_log(server, name, "runtime got SIGTERM", "extension got SHUTDOWN timeout")
    assert call(aws, name, "hello") == "hello"
    assert log_of(server, name).count("extension registered") >= 2


@pytest.mark.parametrize(
    ("wish", "error_type", "message"),
    [
        ("crash-early", "Extension.Crash", "exit status 4"),
        ("init-error", "Extension.InitError", "exit status 2"),
        ("crash", "Extension.Crash", "exit status 5"),
    ],
)
def test_an_extension_that_fails_fails_the_function(
    server: Server, aws: LambdaClient, make: Make, wish: str, error_type: str, message: str
) -> None:
    """The caller reads why, if it has no answer yet, and so does the log."""
    name = make(wish)
    event = "sleep" if wish == "crash" else "hello"
    failure = fail(aws, name, event)
    assert failure["errorType"] == error_type
    assert re.fullmatch(rf"RequestId: [0-9a-f-]{{36}} Error: {message}", failure["errorMessage"])
    wait_for_log(server, name, f"Status: error\tError Type: {error_type}")


def test_what_cannot_be_started_is_a_launch_error(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """A file in /opt/extensions is a program, or a mistake."""
    layer = aws.publish_layer_version(
        LayerName=f"notes-{uuid.uuid4().hex[:8]}",
        Content={"ZipFile": archive({"extensions/notes": "no program"})},
    )["LayerVersionArn"]
    failure = fail(aws, create(FUNCTION, Layers=[layer]), "hello")
    assert failure["errorType"] == "Extension.LaunchError"
    assert "fork/exec /opt/extensions/notes: permission denied" in failure["errorMessage"]


def test_an_extension_inside_the_function_is_told_of_invocations(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """By the same request id; the next invocation comes after it has asked for more."""
    name = create(INTERNAL)
    first = call(aws, name)
    second = call(aws, name)
    assert first[0] in second[1:]
    wait_for_log(server, name, "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n")
