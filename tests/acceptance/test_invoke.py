"""Invocations through boto3: results, errors, limits and the traps of a warm environment."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, CreateFunction, Server, wait_at_rest, zipped
from tests.acceptance.function_logs import wait_for_log
from tests.acceptance.world import call, fail

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ECHO = "def handler(event, context):\n    return event\n"


def test_echoes_an_event(aws: LambdaClient, create: CreateFunction) -> None:
    """The event arrives and the result comes back with AWS's headers."""
    name = create(ECHO)
    reply = aws.invoke(FunctionName=name, Payload=b'{"a": [1, "\xc3\xa4"]}')
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    assert json.loads(reply["Payload"].read()) == {"a": [1, "ä"]}
    assert reply["ExecutedVersion"] == "$LATEST"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-amzn-requestid"])


def test_an_empty_payload_is_an_empty_event(aws: LambdaClient, create: CreateFunction) -> None:
    """No payload at all reaches the handler as {}."""
    name = create(ECHO)
    assert aws.invoke(FunctionName=name)["Payload"].read() == b"{}"


def test_shows_the_context_that_aws_shows(aws: LambdaClient, create: CreateFunction) -> None:
    """Context members, environment variables, paths, user and limits inside."""
    name = create(
        """
        import boto3, getpass, os, resource
        def handler(event, context):
            return {
                "request_id": context.aws_request_id,
                "name": context.function_name,
                "version": context.function_version,
                "memory": context.memory_limit_in_mb,
                "arn": context.invoked_function_arn,
                "remaining": context.get_remaining_time_in_millis(),
                "client": context.client_context.custom if context.client_context else None,
                "trace": os.environ["_X_AMZN_TRACE_ID"],
                "env": {k: os.environ.get(k) for k in (
                    "MINE", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT",
                    "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "_HANDLER", "TZ")},
                "cwd": os.getcwd(),
                "uid": os.getuid(),
                "user": getpass.getuser(),
                "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                "boto3": boto3.__version__,
            }
        """,
        Environment={"Variables": {"MINE": "yes"}},
        MemorySize=256,
    )
    client_context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    reply = aws.invoke(FunctionName=name, ClientContext=client_context)
    seen = json.loads(reply["Payload"].read())
    assert seen["request_id"] == reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert (seen["name"], seen["version"], seen["memory"]) == (name, "$LATEST", "256")
    assert seen["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert 1000 < seen["remaining"] <= 3000
    assert seen["client"] == {"k": "v"}
    assert seen["trace"].startswith("Root=1-")
    assert seen["env"] == {
        "MINE": "yes",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "_HANDLER": "app.handler",
        "TZ": ":UTC",
    }
    assert (seen["cwd"], seen["user"], seen["files"]) == ("/var/task", "sbx_user1051", 1024)
    assert seen["uid"] != 0


def test_returns_the_last_log_lines(aws: LambdaClient, create: CreateFunction) -> None:
    """LogType=Tail gives START, the function's lines in order, END and REPORT with real figures."""
    name = create(
        """
        import logging
        def handler(event, context):
            print("one")
            logging.getLogger().warning("two")
            print("three")
        """
    )
    reply = aws.invoke(FunctionName=name, LogType="Tail")
    tail = base64.b64decode(reply["LogResult"]).decode()
    assert re.search(
        r"START RequestId: (\S+) Version: \$LATEST\none\n"
        r"\[WARNING\]\t\S+Z\t\1\ttwo\nthree\nEND RequestId: \1\n"
        r"REPORT RequestId: \1\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [0-9.]+ ms\t\n",
        tail,
    ), tail
    used = re.search(r"Max Memory Used: (\d+) MB", tail)
    assert used is not None
    assert 5 < int(used[1]) < 128


def test_passes_the_trace_header_through(server: Server, create: CreateFunction) -> None:
    """X-Amzn-Trace-Id reaches the function and comes back."""
    name = create("import os\ndef handler(e, c):\n    return os.environ['_X_AMZN_TRACE_ID']\n")
    client = server.lambda_client()
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

    def add_header(params: dict[str, Any], **_: object) -> None:
        params["headers"]["X-Amzn-Trace-Id"] = trace

    client.meta.events.register("before-call.lambda.Invoke", add_header)
    reply = client.invoke(FunctionName=name)
    # With the lineage by which AWS, and lambd, detects functions that call each other in a circle.
    assert json.loads(reply["Payload"].read()).startswith(f"{trace};Lineage=")
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] == trace


def test_a_handler_error_is_a_function_error(aws: LambdaClient, create: CreateFunction) -> None:
    """Exceptions come back as AWS's document, and the next invocation works."""
    name = create(
        """
        def handler(event, context):
            if event:
                raise ValueError("no good")
            return "fine"
        """
    )
    error = fail(aws, name, 1)
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no good")
    assert error["stackTrace"][0].startswith('  File "/var/task/app.py", line 4, in handler')
    assert call(aws, name, 0) == "fine"


def test_an_error_type_key_in_a_result_is_no_error(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """A successful result may look like an error document."""
    name = create(ECHO)
    assert call(aws, name, {"errorType": "mine"}) == {"errorType": "mine"}


def test_an_import_error_is_reported_by_the_second_init(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Init fails, is retried inside the invocation, and the caller reads the init error."""
    name = create("import nowhere\ndef handler(e, c):\n    pass\n")
    error = fail(aws, name)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"
    assert error["requestId"] == ""


@pytest.mark.parametrize(
    ("body", "error_type", "text"),
    [
        pytest.param(
            "import sys; sys.exit(0)",
            "Runtime.ExitError",
            "Runtime exited without providing a reason",
            id="exit-0",
        ),
        pytest.param(
            "os._exit(7)",
            "Runtime.ExitError",
            "Runtime exited with error: exit status 7",
            id="exit-7",
        ),
        pytest.param(
            "import ctypes; ctypes.string_at(0)",
            "Runtime.ExitError",
            "Runtime exited with error: signal: segmentation fault",
            id="crash",
        ),
        pytest.param(
            "os.kill(os.getpid(), 9)",
            "Runtime.ExitError",
            "Runtime exited with error: signal: killed",
            id="kill",
        ),
        pytest.param(
            "x = bytearray(512 << 20)",
            "Runtime.OutOfMemory",
            "Runtime exited with error: signal: killed",
            id="memory",
        ),
        pytest.param(
            "import time; time.sleep(30)",
            "Sandbox.Timedout",
            "Task timed out after 1.00 seconds",
            id="timeout",
        ),
    ],
)
def test_recovers_from_every_end_of_the_runtime(
    aws: LambdaClient, create: CreateFunction, body: str, error_type: str, text: str
) -> None:
    """The payload says what happened; the next invocation works.

    Globals do not survive; /tmp does, unless memory ran out and the whole environment goes.
    """
    name = create(
        f"""
        import os
        seen = []
        def handler(event, context):
            if event == "die":
                open("/tmp/kept", "w").close()
                {body}
            seen.append(event)
            return [len(seen), os.path.exists("/tmp/kept")]
        """,
        Timeout=1,
    )
    assert call(aws, name) == [1, False]
    reply = aws.invoke(FunctionName=name, Payload=b'"die"')
    request_id = reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert reply["FunctionError"] == "Unhandled"
    assert json.loads(reply["Payload"].read()) == {
        "errorType": error_type,
        "errorMessage": f"RequestId: {request_id} Error: {text}",
    }
    is_kept = error_type != "Runtime.OutOfMemory"
    assert call(aws, name) == [1, is_kept]


def test_what_a_handler_leaves_behind_waits_for_the_next_invocation(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """A thread does not run while nobody calls: its environment is frozen by then."""
    name = create(
        """
        import threading, time
        ran_at = []
        def late():
            # Steps, since the clock goes on while nothing runs.
            for _ in range(20):
                time.sleep(0.02)
            ran_at.append(time.time())
        def handler(event, context):
            if event == "start":
                threading.Thread(target=late).start()
                return time.time()
            time.sleep(event)
            return ran_at
        """,
    )
    reply = aws.invoke(FunctionName=name, Payload=b'"start"')
    started_at = json.loads(reply["Payload"].read())
    time.sleep(1)
    reply = aws.invoke(FunctionName=name, Payload=b"1.5")
    (ran_at,) = json.loads(reply["Payload"].read())
    assert ran_at > started_at + 1


def test_a_timeout_leaves_sibling_environments_alone(
    server: Server, create: CreateFunction
) -> None:
    """While one environment times out, another goes on with its invocation."""
    name = create(
        """
        import time
        def handler(event, context):
            time.sleep(event)
            return "slept"
        """,
        Timeout=2,
    )
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        slow = threads.submit(fail, server.lambda_client(), name, 10)
        quick = threads.submit(lambda: [call(server.lambda_client(), name, 0.5) for _ in range(4)])
        assert slow.result()["errorType"] == "Sandbox.Timedout"
        assert quick.result() == ["slept"] * 4


def test_a_caller_that_leaves_does_not_stop_the_function(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """It runs to its end, is reported, and its environment takes the next invocation."""
    name = create(
        """
        import time
        def handler(event, context):
            print("begun")
            time.sleep(event)
            print("finished")
            return "there"
        """
    )
    logs = server.logs_client()

    def wait_for(number: int, pattern: str) -> None:
        """Until so many events of the function's log match."""
        deadline = time.monotonic() + 60
        found = 0
        while found < number and time.monotonic() < deadline:
            page = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=pattern)
            found = len(page["events"])
        assert found == number

    call(aws, name, 0)
    with socket.create_connection(("127.0.0.1", server.port)) as leaving:
        leaving.sendall(
            f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Length: 1\r\n\r\n1".encode()
        )
        wait_for(2, "begun")
    wait_for(2, "REPORT")
    wait_for(2, "finished")
    assert call(aws, name, 0) == "there"


def test_too_large_a_response_is_a_function_error(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """The text has AWS's number, and the next invocation works, up to the limit."""
    name = create("def handler(event, context):\n    return 'x' * event\n")
    error = fail(aws, name, 6_291_556)
    assert error == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        "(6291556 bytes).",
    }
    assert len(call(aws, name, 6_291_554)) == 6_291_554


def test_refuses_a_payload_over_six_megabytes(aws: LambdaClient, create: CreateFunction) -> None:
    """413 with AWS's text; the largest allowed one passes."""
    name = create("def handler(event, context):\n    return len(event)\n")
    with pytest.raises(ClientError) as raised:
        aws.invoke(FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')
    error = raised.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert error["Error"]["Code"] == "RequestTooLargeException"
    assert error["Error"]["Message"] == (
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    )
    assert call(aws, name, "x" * 6_291_454) == 6_291_454


def test_refuses_a_payload_that_is_not_json(aws: LambdaClient, create: CreateFunction) -> None:
    """InvalidRequestContentException, and nothing runs."""
    name = create(ECHO)
    with pytest.raises(aws.exceptions.InvalidRequestContentException) as raised:
        aws.invoke(FunctionName=name, Payload=b"{oops")
    assert raised.value.response["Error"]["Message"].startswith(
        "Could not parse request body into json: Could not parse payload into json:"
    )


def test_refuses_what_does_not_exist(aws: LambdaClient, create: CreateFunction) -> None:
    """Unknown functions and versions: 404 with the qualified ARN."""
    with pytest.raises(aws.exceptions.ResourceNotFoundException) as raised:
        aws.invoke(FunctionName="no-such-function")
    assert raised.value.response["Error"]["Message"] == (
        "Function not found: "
        "arn:aws:lambda:us-east-1:000000000000:function:no-such-function:$LATEST"
    )
    name = create(ECHO)
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke(FunctionName=name, Qualifier="7")


def test_a_dry_run_runs_nothing(aws: LambdaClient, create: CreateFunction) -> None:
    """204 and no payload."""
    name = create(ECHO)
    reply = aws.invoke(FunctionName=name, InvocationType="DryRun")
    assert reply["StatusCode"] == 204
    assert reply["Payload"].read() == b""


def test_an_event_is_accepted_and_run(
    aws: LambdaClient, server: Server, create: CreateFunction
) -> None:
    """202 at once; the function runs afterwards and its log tells."""
    name = create("def handler(event, context):\n    print('ran with', event)\n")
    reply = aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'"x1"')
    assert reply["StatusCode"] == 202
    logs = server.logs_client()
    deadline = time.monotonic() + 20
    messages: list[str] = []
    while "ran with x1\n" not in messages and time.monotonic() < deadline:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")
        if groups["logGroups"]:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
            messages = [event["message"] for event in found["events"]]
    assert "ran with x1\n" in messages


def test_reuses_an_environment_and_starts_more_under_concurrency(
    server: Server, create: CreateFunction
) -> None:
    """Serial invocations share one environment; parallel first ones start in parallel."""
    name = create(
        """
        import time, uuid
        began = time.monotonic()
        time.sleep(1)
        me = [str(uuid.uuid4()), began, time.monotonic()]
        def handler(event, context):
            time.sleep(event)
            return me
        """
    )
    clients = [server.lambda_client() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        ran = list(threads.map(lambda client: call(client, name, 0.5), clients))
    seen = {me for me, _, _ in ran}
    assert len(seen) == 4
    # All were in their init phases at some moment.
    assert max(began for _, began, _ in ran) < min(ready for _, _, ready in ran)
    assert {call(clients[0], name, 0)[0] for _ in range(5)} <= seen


def test_new_code_is_never_run_by_an_old_environment(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Once an update is Successful every invocation sees the new code and configuration."""
    source = "import os\ndef handler(e, c):\n    return [{n}, os.environ.get('N')]\n"
    name = create(source.format(n=0))
    for n in range(1, 4):
        call(aws, name)
        aws.update_function_code(FunctionName=name, ZipFile=zipped(source.format(n=n)))
        wait_at_rest(aws, name)
        aws.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"N_": "", "NN": "", "N1": str(n)}}
        )
        wait_at_rest(aws, name)
        assert call(aws, name)[0] == n


def test_an_update_drains_running_invocations(server: Server, create: CreateFunction) -> None:
    """An invocation that runs while the code changes ends with its own result."""
    aws = server.lambda_client()
    name = create(
        "import time\ndef handler(e, c):\n"
        "    print('go', flush=True)\n    time.sleep(e)\n    return 'old'\n"
    )
    call(aws, name, 0)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        running = threads.submit(call, server.lambda_client(), name, 2)
        wait_for_log(server, name, "go\n", count=2)
        aws.update_function_code(
            FunctionName=name, ZipFile=zipped("def handler(e, c):\n    return 'new'\n")
        )
        wait_at_rest(aws, name)
        assert call(aws, name, 0) == "new"
        assert running.result() == "old"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("os.closerange(1, 3)", id="closes-stdout"),
        pytest.param(
            "import subprocess; subprocess.Popen(['sleep', '1000'])", id="leaves-a-process"
        ),
        pytest.param("if os.fork() == 0: os._exit(0)", id="leaves-a-zombie"),
        pytest.param(
            "import threading, time; "
            "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
            id="leaves-a-thread",
        ),
    ],
)
def test_side_effects_do_not_wedge_the_environment(
    aws: LambdaClient, create: CreateFunction, body: str
) -> None:
    """Whatever a function leaves behind, its environment goes on answering."""
    name = create(
        f"""
        import os
        def handler(event, context):
            if event:
                {body}
            return os.getpid()
        """
    )
    first = call(aws, name, 0)
    assert [call(aws, name, 1) for _ in range(3)] == [first] * 3


def test_a_handler_can_call_the_platform(aws: LambdaClient, create: CreateFunction) -> None:
    """boto3 inside works as it stands: endpoint, region and credentials are set."""
    callee = create("def handler(event, context):\n    return event * 2\n")
    caller = create(
        """
        import boto3, json
        def handler(event, context):
            reply = boto3.client("lambda").invoke(FunctionName=event, Payload=b"21")
            return json.loads(reply["Payload"].read())
        """,
        Timeout=30,
        MemorySize=512,
    )
    assert call(aws, caller, callee) == 42


def test_a_missing_interpreter_is_an_error(aws: LambdaClient) -> None:
    """A runtime that cannot run here makes the function Failed, with a reason that helps."""
    aws.create_function(
        FunctionName="needs-java",
        Runtime="java21",
        Role=ROLE,
        Handler="example.Handler",
        Code={"ZipFile": zipped(ECHO)},
    )
    try:
        found = wait_at_rest(aws, "needs-java")
        assert found["State"] == "Failed"
        assert found["StateReasonCode"] == "InvalidRuntime"
        assert "java21" in found["StateReason"]
        with pytest.raises(aws.exceptions.ResourceConflictException) as raised:
            aws.invoke(FunctionName="needs-java")
        assert raised.value.response["Error"]["Message"] == (
            "The operation cannot be performed at this time. "
            "The function is currently in the following state: Failed"
        )
    finally:
        aws.delete_function(FunctionName="needs-java")
