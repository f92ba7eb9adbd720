"""Node.js functions through boto3: modules of both kinds, errors, limits, layers, logs."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import CreateFunction
from tests.acceptance.packages import archive
from tests.acceptance.world import call, fail

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

NODE = "nodejs24.x"
# The newest that still has handlers with callbacks, run by another version of AWS's client.
OLDER_NODE = "nodejs22.x"
BOTH = pytest.mark.parametrize("runtime", [NODE, OLDER_NODE])


def node(create: CreateFunction, source: str, file: str = "index.mjs", **arguments: Any) -> str:
    """Create a function of one file."""
    settings = {"Runtime": NODE, "Handler": "index.handler", "Timeout": 10, **arguments}
    return create("", Code={"ZipFile": archive({file: source})}, **settings)


@BOTH
@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("index.mjs", "export const handler = async (event) => ({ got: event });"),
        ("index.js", "exports.handler = async (event) => ({ got: event });"),
        ("index.cjs", "exports.handler = async (event) => ({ got: event });"),
    ],
    ids=["ESM", "CommonJS", "cjs"],
)
def test_runs_both_kinds_of_modules(
    aws: LambdaClient, create: CreateFunction, runtime: str, file: str, source: str
) -> None:
    """The event arrives, the result comes back, a second time too."""
    name = node(create, source, file, Runtime=runtime)
    assert call(aws, name, {"a": [1, "ä"]}) == {"got": {"a": [1, "ä"]}}
    assert call(aws, name, 2) == {"got": 2}


def test_shows_the_environment_that_aws_shows(aws: LambdaClient, create: CreateFunction) -> None:
    """Context, variables, paths and options inside; the descriptor of logs is hidden."""
    name = node(
        create,
        """
        export const handler = async (event, context) => ({
          context, left: context.getRemainingTimeInMillis(), env: process.env,
          options: process.execArgv, version: process.version, cwd: process.cwd(),
          executable: process.execPath, argv: process.argv, uid: process.getuid(),
          streamify: typeof awslambda.streamifyResponse,
        });
        """,
        Environment={"Variables": {"MINE": "yes", "NODE_OPTIONS": "--stack-trace-limit=3"}},
        MemorySize=256,
    )
    client_context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    seen = call(aws, name, ClientContext=client_context)
    assert seen["context"]["functionName"] == name
    assert seen["context"]["memoryLimitInMB"] == "256"
    assert seen["context"]["clientContext"] == {"custom": {"k": "v"}}
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert seen["context"]["invokedFunctionArn"] == arn
    assert 5000 < seen["left"] <= 10000
    assert seen["env"]["MINE"] == "yes"
    assert seen["env"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs24.x"
    assert seen["env"]["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert seen["env"]["NODE_PATH"].startswith("/opt/nodejs/node24/node_modules:")
    assert "_LAMBDA_TELEMETRY_LOG_FD" not in seen["env"]
    assert "--max-old-space-size=231" in seen["options"]
    assert seen["version"].startswith("v24.")
    assert seen["argv"] == ["/var/lang/bin/node", "/var/runtime/index.mjs"]
    assert (seen["cwd"], seen["streamify"]) == ("/var/task", "function")
    assert seen["uid"] != 0


def test_callbacks_answer_where_the_runtime_has_them(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Results and errors of callbacks; the invocation ends when the event loop is empty."""
    name = node(
        create,
        """
        exports.handler = (event, context, callback) => {
          if (event) callback(new TypeError("no good"));
          else setTimeout(() => callback(null, "fine"), 1);
        };
        """,
        "index.js",
        Runtime=OLDER_NODE,
    )
    assert call(aws, name, 0) == "fine"
    error = fail(aws, name, 1)
    assert (error["errorType"], error["errorMessage"]) == ("TypeError", "no good")
    assert call(aws, name, 0) == "fine"


def test_callbacks_are_refused_from_node_24_on(aws: LambdaClient, create: CreateFunction) -> None:
    """AWS's own words."""
    name = node(create, "exports.handler = (event, context, callback) => callback();", "index.js")
    error = fail(aws, name)
    assert error["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert "has removed support for callback-based function handlers" in error["errorMessage"]


@BOTH
def test_a_thrown_error_is_a_function_error(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """Type, message and trace come back, and the next invocation works."""
    name = node(
        create,
        """
        export const handler = async (event) => {
          if (event) throw new RangeError("no good");
          return "fine";
        };
        """,
        Runtime=runtime,
    )
    error = fail(aws, name, 1)
    assert list(error) == ["errorType", "errorMessage", "trace"]
    assert (error["errorType"], error["errorMessage"]) == ("RangeError", "no good")
    assert error["trace"][0] == "RangeError: no good"
    assert "file:///var/task/index.mjs:2:" in error["trace"][1]
    assert call(aws, name, 0) == "fine"


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        pytest.param(
            "export const handler = async () => {;;",
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected end of input",
            id="syntax",
        ),
        pytest.param(
            "throw new Error('at the top'); export const handler = 1;",
            "Error",
            "at the top",
            id="top level",
        ),
        pytest.param(
            "export const other = async () => 1;",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
            id="no handler",
        ),
        pytest.param(
            "import nothing from 'nowhere'; export const handler = 1;",
            "Error",
            "Cannot find package 'nowhere' imported from /var/task/index.mjs",
            id="no package",
        ),
    ],
)
def test_a_failing_init_is_reported(
    aws: LambdaClient, create: CreateFunction, source: str, error_type: str, message: str
) -> None:
    """Init fails, is retried inside the invocation, and the caller reads the init error."""
    error = fail(aws, node(create, source))
    assert (error["errorType"], error["errorMessage"]) == (error_type, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("process.exit(0)", "Runtime exited without providing a reason"),
        ("process.exit(7)", "Runtime exited with error: exit status 7"),
        ("await new Promise(() => {})", "Runtime exited without providing a reason"),
        ("process.abort()", "Runtime exited with error: signal: aborted"),
    ],
    ids=["exit 0", "exit 7", "nothing left to do", "abort"],
)
def test_an_exit_is_a_function_error_and_the_next_invocation_works(
    aws: LambdaClient, create: CreateFunction, body: str, message: str
) -> None:
    """The process ends in the middle of an invocation."""
    name = node(
        create, f"export const handler = async (event) => {{ if (event) {body}; return 'fine' }};"
    )
    assert call(aws, name, 0) == "fine"
    error = fail(aws, name, 1)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f"Error: {message}")
    assert call(aws, name, 0) == "fine"


def test_a_timeout_ends_the_process_and_keeps_tmp(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """AWS's payload; a busy loop is ended as well as a waiting function."""
    name = node(
        create,
        """
        import { existsSync, writeFileSync } from "node:fs";
        let calls = 0;
        export const handler = async (event) => {
          calls += 1;
          const kept = existsSync("/tmp/kept");
          writeFileSync("/tmp/kept", "");
          while (event) ;
          return [calls, kept];
        };
        """,
        Timeout=1,
    )
    assert call(aws, name, 0) == [1, False]
    error = fail(aws, name, 1)
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert call(aws, name, 0) == [1, True]


def test_exhausted_memory_is_a_function_error(aws: LambdaClient, create: CreateFunction) -> None:
    """Buffers are outside of V8's heap: the kernel ends the process."""
    name = node(
        create,
        """
        const kept = [];
        export const handler = async (event) => {
          while (event) kept.push(Buffer.alloc(10_000_000, 1));
          return "fine";
        };
        """,
    )
    assert fail(aws, name, 1)["errorType"] == "Runtime.OutOfMemory"
    assert call(aws, name, 0) == "fine"


def test_console_lines_are_records_of_their_own(aws: LambdaClient, create: CreateFunction) -> None:
    """Time, request id and level stand before a message; raw output comes through unchanged."""
    name = node(
        create,
        """
        export const handler = async () => {
          console.log("one\\ntwo");
          console.error("three");
          process.stdout.write("raw\\n");
        };
        """,
    )
    reply = aws.invoke(FunctionName=name, LogType="Tail")
    tail = base64.b64decode(reply["LogResult"]).decode()
    assert re.search(
        r"START RequestId: (\S+) Version: \$LATEST\n"
        r"\d{4}-\S+Z\t\1\tINFO\tone\ntwo\n\d{4}-\S+Z\t\1\tERROR\tthree\nraw\nEND RequestId: \1\n"
        r"REPORT RequestId: \1\t.*Memory Size: 128 MB\t.*Init Duration: [0-9.]+ ms\t\n",
        tail,
    ), tail


def test_json_log_format_is_awss(aws: LambdaClient, create: CreateFunction) -> None:
    """LoggingConfig reaches AWS's client."""
    name = node(
        create,
        "export const handler = async () => { console.warn('careful'); console.debug('no'); };",
        LoggingConfig={"LogFormat": "JSON"},
    )
    tail = base64.b64decode(aws.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    records = [json.loads(line) for line in tail.splitlines()]
    messages = [record["message"] for record in records if "message" in record]
    assert messages == ["careful"], tail


@BOTH
def test_console_trace_is_one_clean_record(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """In both formats."""
    source = "export const handler = async () => { console.trace('here'); };"
    text = tail_of(aws, node(create, source, Runtime=runtime))
    assert re.search(r"\$LATEST\n\d{4}-\S+Z\t\S+\tTRACE\there\nEND ", text), text
    settings = {"LogFormat": "JSON", "ApplicationLogLevel": "TRACE"}
    lines = tail_of(aws, node(create, source, Runtime=runtime, LoggingConfig=settings)).splitlines()
    traces = [record for line in lines if (record := json.loads(line)).get("level") == "TRACE"]
    assert [record["message"] for record in traces] == ["here"]


def tail_of(aws: LambdaClient, name: str) -> str:
    """The log of one invocation."""
    return base64.b64decode(aws.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()


@pytest.mark.parametrize("runtime", [NODE, OLDER_NODE, "nodejs20.x"])
def test_modules_come_from_layers_and_the_sdk_from_the_runtime(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """NODE_PATH serves require and import; a function calls this platform with AWS's SDK."""
    major = runtime.removeprefix("nodejs").removesuffix(".x")
    files = {
        "nodejs/node_modules/shared/index.js": "exports.name = 'any';",
        "nodejs/node_modules/modern/package.json": '{"exports": {"import": "./m.mjs"}}',
        "nodejs/node_modules/modern/m.mjs": "export const name = 'module';",
        f"nodejs/node{major}/node_modules/own/index.js": f"exports.name = 'of {major}';",
    }
    layer = aws.publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:12]}", Content={"ZipFile": archive(files)}
    )["LayerVersionArn"]
    expected = ["any", f"of {major}", runtime]
    required = """
        const { Lambda } = require("@aws-sdk/client-lambda");
        exports.handler = async (event, context) => {
          const found = await new Lambda({}).getFunctionConfiguration(
            { FunctionName: context.functionName });
          return [require("shared").name, require("own").name, found.Runtime];
        };
    """
    imported = """
        import { Lambda } from "@aws-sdk/client-lambda";
        import shared from "shared";
        import own from "own";
        import { name } from "modern";
        export const handler = async (event, context) => {
          const found = await new Lambda({}).getFunctionConfiguration(
            { FunctionName: context.functionName });
          return [shared.name, own.name, found.Runtime, name];
        };
    """
    settings: dict[str, Any] = {"Runtime": runtime, "Layers": [layer], "MemorySize": 512}
    settings["Timeout"] = 30
    assert call(aws, node(create, required, "index.js", **settings)) == expected
    assert call(aws, node(create, imported, **settings)) == [*expected, "module"]


def test_a_wrapper_starts_node(aws: LambdaClient, create: CreateFunction) -> None:
    """It gets the command line that AWS's gets."""
    wrapper = '#!/bin/sh\nexport WRAPPED="$*"\nexec "$@"\n'
    layer = aws.publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:12]}",
        Content={"ZipFile": archive({"wrapper": wrapper}, mode=0o755)},
    )["LayerVersionArn"]
    name = node(
        create,
        "export const handler = async () => process.env.WRAPPED;",
        Layers=[layer],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    )
    seen = call(aws, name)
    assert seen.startswith("/var/lang/bin/node --expose-gc ")
    assert seen.endswith(" /var/runtime/index.mjs")


@BOTH
def test_large_events_and_results_pass(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """Just under six megabytes each way, with characters of several bytes."""
    name = node(
        create, "export const handler = async (event) => event;", Runtime=runtime, MemorySize=512
    )
    event = "ä€" * 1_150_000
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event, ensure_ascii=False).encode())
    assert json.loads(reply["Payload"].read()) == event
    assert call(aws, name, 1) == 1


def test_a_result_that_is_too_large_is_refused(aws: LambdaClient, create: CreateFunction) -> None:
    """The caller reads why, and the environment goes on."""
    name = node(create, "export const handler = async (n) => 'x'.repeat(n);", MemorySize=512)
    assert fail(aws, name, 7_000_000)["errorType"] == "Function.ResponseSizeTooLarge"
    assert call(aws, name, 2) == "xx"


def test_many_environments_serve_at_once(aws: LambdaClient, create: CreateFunction) -> None:
    """Each has its own state and answers its own caller."""
    name = node(
        create,
        """
        export const handler = async (event) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          return event;
        };
        """,
    )
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda n: call(aws, name, n), range(40))) == list(range(40))


@BOTH
def test_the_sdk_has_the_clients_that_functions_use(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """By require and by import, alike; each makes a client."""
    names = [
        "client-cognito-identity-provider",
        "client-ecs",
        "client-firehose",
        "client-rds-data",
        "client-scheduler",
        "client-ses",
        "client-sesv2",
        "credential-providers",
        "s3-presigned-post",
    ]
    source = """
        import { createRequire } from "node:module";
        import { SchedulerClient } from "@aws-sdk/client-scheduler";
        import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";
        const require = createRequire("/var/task/index.mjs");
        export const handler = async (names) => {
          new SchedulerClient({ credentials: fromTemporaryCredentials({ params: {} }) });
          const found = [];
          for (const name of names) {
            const imported = await import(require.resolve(`@aws-sdk/${name}`));
            const required = require(`@aws-sdk/${name}`);
            if (Object.keys(required).every((key) => key in imported)) found.push(name);
          }
          return found;
        };
    """
    settings: dict[str, Any] = {"Runtime": runtime, "MemorySize": 512, "Timeout": 30}
    assert call(aws, node(create, source, **settings), names) == names
