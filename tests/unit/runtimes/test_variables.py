# ruff: noqa: S105 - placeholders, not secrets
"""Environment variables of runtime processes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambd.model.arns import Scope
from lambd.model.functions import (
    Code,
    Deployment,
    FunctionConfig,
    FunctionVersion,
    LoggingConfig,
    State,
)
from lambd.runtimes.prepared_runtime import PreparedRuntime
from lambd.runtimes.variables import (
    Credentials,
    StartMode,
    Surroundings,
    environment,
    exec_argv,
    start_mode,
)

SCOPE = Scope(account_id="000000000000", region="eu-west-1")
AROUND = Surroundings(
    runtime_api_address="169.254.100.1:9001",
    log_stream="2026/11/24/[$LATEST]abc",
    credentials=Credentials(access_key_id="id", secret_access_key="secret"),
    endpoint_url="http://127.0.0.1:4566",
)
RUNTIME = PreparedRuntime(
    identifier="python3.12",
    interpreter_root=Path("/i"),
    runtime_dir=Path("/r"),
    overlays=(),
    init_argv=("/var/lang/bin/python3.12", "/var/runtime/lambd_init.py"),
    init_environment={},
    argv=("/var/lang/bin/python3.12", "/var/runtime/bootstrap.py"),
    execution_env="AWS_Lambda_python3.12",
    version_string="python:3.12.v1",
    version_hash="0" * 64,
)


def config(
    customer: dict[str, str] | None = None,
    logging: LoggingConfig | None = None,
    runtime: str = "python3.12",
) -> FunctionConfig:
    """A function's configuration."""
    return FunctionConfig(
        role="arn:aws:iam::000000000000:role/r",
        runtime=runtime,
        handler="app.handler",
        memory_mib=256,
        environment=customer,
        logging=logging or LoggingConfig(),
    )


NODE = replace(
    RUNTIME,
    identifier="nodejs22.x",
    argv=("/var/lang/bin/node", "/var/runtime/index.mjs"),
    execution_env="AWS_Lambda_nodejs22.x",
)
CUSTOM = replace(
    RUNTIME,
    identifier="provided.al2023",
    argv=("/var/task/bootstrap",),
    programs=("/var/task/bootstrap", "/opt/bootstrap"),
    execution_env="",
)


def compose(
    customer: dict[str, str] | None = None,
    logging: LoggingConfig | None = None,
    around: Surroundings = AROUND,
    runtime: PreparedRuntime = RUNTIME,
) -> dict[str, str]:
    """The variables of a function that has these settings."""
    deployment = Deployment(
        id="d",
        config=config(customer, logging, runtime.identifier),
        code=Code(sha256="0", size_bytes=1),
    )
    version = FunctionVersion(
        name="hello",
        version="$LATEST",
        deployment=deployment,
        serving=deployment,
        revision_id="r",
        last_modified=datetime(2026, 11, 24, tzinfo=UTC),
        state=State.ACTIVE,
    )
    return environment(version, deployment, SCOPE, runtime, around)


def test_sets_what_aws_sets() -> None:
    """Names and values are those of runtime.md section 8."""
    assert compose() == {
        "_HANDLER": "app.handler",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_LAMBDA_TELEMETRY_LOG_FD": "3",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "hello",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/24/[$LATEST]abc",
        "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "PWD": "/var/task",
        "SHLVL": "0",
        "TZ": ":UTC",
    }


def test_customer_replaces_defaults_but_not_reserved_names() -> None:
    """TZ and the endpoint are the customer's to change, the function's name is not."""
    variables = compose(
        {"TZ": "Europe/Vienna", "AWS_ENDPOINT_URL": "http://x", "AWS_LAMBDA_FUNCTION_NAME": "x"}
    )

    assert variables["TZ"] == "Europe/Vienna"
    assert variables["AWS_ENDPOINT_URL"] == "http://x"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "hello"


@pytest.mark.parametrize(
    ("given", "composed"),
    [
        pytest.param("/opt/x", "/opt/x:/var/lang/lib", id="appended"),
        pytest.param("", "/var/lang/lib", id="empty"),
        pytest.param("/var/lang/lib:/opt/x", "/var/lang/lib:/opt/x", id="present"),
    ],
)
def test_customers_library_path_keeps_the_interpreters(given: str, composed: str) -> None:
    """The interpreter must find its own library whatever the customer sets."""
    assert compose({"LD_LIBRARY_PATH": given})["LD_LIBRARY_PATH"] == composed


def test_json_logging_names_format_and_level() -> None:
    """JSON without a level means INFO; Text sets neither."""
    variables = compose(logging=LoggingConfig(log_format="JSON", log_group="own"))

    assert variables["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert variables["AWS_LAMBDA_LOG_LEVEL"] == "INFO"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "own"
    assert "AWS_LAMBDA_LOG_FORMAT" not in compose()


def test_no_endpoint_is_set_when_there_is_none() -> None:
    """Functions then talk to AWS itself."""
    around = Surroundings(
        runtime_api_address="169.254.100.1:9001",
        log_stream="s",
        credentials=Credentials(
            access_key_id="id", secret_access_key="secret", session_token="token"
        ),
    )

    variables = compose(around=around)

    assert "AWS_ENDPOINT_URL" not in variables
    assert variables["AWS_SESSION_TOKEN"] == "token"


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONPATH",
        "LD_PRELOAD",
        "MALLOC_ARENA_MAX",
        "GLIBC_TUNABLES",
        "LC_ALL",
        "LANG",
        "LC_CTYPE",
        "AWS_LAMBDA_EXEC_WRAPPER",
    ],
)
def test_variables_read_at_start_need_an_interpreter_of_their_own(name: str) -> None:
    """A forked child would have started without them."""
    assert start_mode(RUNTIME, {"A": "b", name: "x"}) is StartMode.EXEC


def test_other_variables_are_fine_in_a_forked_child() -> None:
    """TZ and PATH are read late."""
    assert start_mode(RUNTIME, {}) is StartMode.FORK
    assert (
        start_mode(RUNTIME, {"TZ": "Europe/Vienna", "PATH": "/x", "MY_PYTHONPATH": "x"})
        is StartMode.FORK
    )


def test_wrapper_gets_interpreter_and_bootstrap() -> None:
    """The argument vector of a wrapped runtime is AWS's."""
    program = ("/var/lang/bin/python3.12", "/var/runtime/bootstrap.py")
    wrapped = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}

    assert exec_argv(RUNTIME, config(), AROUND) == program
    assert exec_argv(RUNTIME, config(wrapped), AROUND) == ("/opt/w", *program)


def test_argument_vector_follows_the_process_drivers_paths() -> None:
    """Without a root of its own a sandbox has the directories elsewhere."""
    around = Surroundings(
        runtime_api_address="169.254.100.1:9001",
        log_stream="s",
        credentials=AROUND.credentials,
        lang_dir="/host/lang",
        runtime_dir="/host/runtime",
    )

    assert exec_argv(RUNTIME, config(), around) == (
        "/host/lang/bin/python3.12",
        "/host/runtime/bootstrap.py",
    )


def test_node_is_started_with_awss_options() -> None:
    """Heap sizes follow from memory, and the wrapper comes first."""
    wrapped = config({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"})

    assert exec_argv(NODE, wrapped, AROUND) == (
        "/opt/w",
        "/var/lang/bin/node",
        "--expose-gc",
        "--max-http-header-size",
        "81920",
        "--no-experimental-require-module",
        "--no-experimental-detect-module",
        "--max-semi-space-size=12",
        "--max-old-space-size=231",
        "/var/runtime/index.mjs",
    )


def test_node_finds_modules_of_layers_runtime_and_function() -> None:
    """NODE_PATH is a default, which a customer may replace."""
    assert compose(runtime=NODE)["NODE_PATH"] == (
        "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task"
    )
    assert compose({"NODE_PATH": "/x"}, runtime=NODE)["NODE_PATH"] == "/x"
    assert "NODE_PATH" not in compose()


def test_os_only_runtimes_have_no_interpreter_and_no_execution_env() -> None:
    """The variables are those that a bootstrap on AWS prints."""
    variables = compose(runtime=CUSTOM)

    assert variables["PATH"] == "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
    assert variables["LD_LIBRARY_PATH"] == (
        "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    )
    assert "AWS_EXECUTION_ENV" not in variables
    assert "_LAMBDA_TELEMETRY_LOG_FD" not in variables
    assert compose({"LD_LIBRARY_PATH": "/x"}, runtime=CUSTOM)["LD_LIBRARY_PATH"] == "/x"


def test_os_only_runtimes_ignore_wrappers() -> None:
    """AWS starts their bootstrap itself."""
    wrapped = config({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"})

    assert exec_argv(CUSTOM, wrapped, AROUND) == ("/var/task/bootstrap",)


@pytest.mark.parametrize("runtime", [NODE, CUSTOM], ids=lambda runtime: runtime.identifier)
def test_only_python_is_forked_by_init(runtime: PreparedRuntime) -> None:
    """Init is a Python."""
    assert start_mode(runtime, {}) is StartMode.EXEC
