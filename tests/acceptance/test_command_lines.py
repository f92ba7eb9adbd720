"""The same platform through the AWS CLI and through lambd's own commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, CreateFunction, Server, zipped

AWS = str(Path(sys.executable).with_name("aws"))
LAMBD = str(Path(sys.executable).with_name("lambd"))


def run(server: Server, *arguments: str) -> str:
    """Run a command against the platform; its standard output."""
    environment = server.cli_environment() | {"LAMBD_ENDPOINT_URL": server.url}
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def aws_json(server: Server, *arguments: str) -> Any:
    """Run an AWS CLI command; its JSON output."""
    text = run(server, AWS, "--output", "json", *arguments)
    return json.loads(text) if text else None


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(180)
def test_the_aws_cli_deploys_runs_and_reads_logs(server: Server, tmp_path: Path) -> None:
    """create, wait, invoke, logs, update, delete: as in AWS's own tutorial."""
    package = tmp_path / "function.zip"
    package.write_bytes(
        zipped("def handler(event, context):\n    print('cli', event)\n    return 1\n")
    )
    made = aws_json(
        server,
        *("lambda", "create-function", "--function-name", "from-cli", "--runtime", RUNTIME),
        *("--role", ROLE, "--handler", "app.handler", "--zip-file", f"fileb://{package}"),
    )
    assert made["State"] == "Pending"
    run(server, AWS, "lambda", "wait", "function-active-v2", "--function-name", "from-cli")
    out = tmp_path / "out.json"
    invoked = aws_json(
        server,
        *("lambda", "invoke", "--function-name", "from-cli", "--payload", '{"x": 1}', str(out)),
    )
    assert invoked == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert out.read_text() == "1"
    events = aws_json(
        server, "logs", "filter-log-events", "--log-group-name", "/aws/lambda/from-cli"
    )["events"]
    assert "cli {'x': 1}\n" in [event["message"] for event in events]
    run(
        server,
        *(AWS, "lambda", "update-function-configuration", "--function-name", "from-cli"),
        *("--timeout", "7"),
    )
    run(server, AWS, "lambda", "wait", "function-updated-v2", "--function-name", "from-cli")
    listed = aws_json(server, "lambda", "list-functions")["Functions"]
    assert {f["FunctionName"]: f["Timeout"] for f in listed}["from-cli"] == 7
    run(server, AWS, "lambda", "delete-function", "--function-name", "from-cli")


@pytest.mark.slow
@pytest.mark.oci
def test_lambds_own_commands(server: Server, create: CreateFunction) -> None:
    """`lambd invoke`, `lambd logs` and `lambd functions` speak to the served platform."""
    name = create("def handler(event, context):\n    print('own', event)\n    return event\n")
    assert json.loads(run(server, LAMBD, "invoke", name, "--payload", '{"y": 2}')) == {"y": 2}
    assert "own {'y': 2}" in run(server, LAMBD, "logs", name)
    listed = json.loads(run(server, LAMBD, "functions", "--output", "json"))
    assert name in json.dumps(listed)


@pytest.mark.slow
@pytest.mark.oci
def test_logs_follow_what_is_written(server: Server, create: CreateFunction) -> None:
    """`lambd logs --follow` prints a line that is written after it was started."""
    name = create("def handler(event, context):\n    print('followed', event)\n")
    run(server, LAMBD, "invoke", name, "--payload", "1")
    environment = server.cli_environment() | {"LAMBD_ENDPOINT_URL": server.url}
    with subprocess.Popen(
        [LAMBD, "logs", name, "--follow"], env=environment, stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        lines = iter(follower.stdout.readline, "")
        assert any("followed 1" in line for line in lines)
        run(server, LAMBD, "invoke", name, "--payload", "2")
        assert any("followed 2" in line for line in lines)
        follower.terminate()
