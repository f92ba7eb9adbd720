"""The `lambd` command as a process: what starting up costs, and a server that is not there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lambd.cli.exit_status import ExitStatus


@pytest.mark.parametrize("command", ["--help", "serve --help", "invoke --help", "--version"])
def test_help_imports_nothing_heavy(command: str) -> None:
    """Neither boto3 nor the server's parts are loaded to show a help page."""
    program = (
        "import sys\n"
        "from lambd.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as exit:\n    assert not exit.code\n"
        "heavy = {'boto3', 'botocore', 'sqlalchemy', 'alembic', 'uvloop', 'rich', 'structlog'}\n"
        "sys.exit(', '.join(sorted(heavy & sys.modules.keys())) or None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_at_the_endpoint_says_how_to_start_a_server() -> None:
    """A port that nobody listens on: one line, status 4."""
    program = "from lambd.cli.main import main; main()"
    arguments = ["functions", "--endpoint-url", "http://127.0.0.1:9"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ExitStatus.UNREACHABLE, "")
    assert "Start the server with `lambd serve`" in done.stderr


def test_doctor_sees_what_this_machine_has() -> None:
    """The machine that runs the tests has crun and a Python; the report is JSON on request."""
    program = "from lambd.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ExitStatus.OK, "")
    usable = {finding["name"] for finding in json.loads(done.stdout) if finding["usable"]}
    assert {"crun", "privileges", "kernel", "control groups"} <= usable
    assert any(name.startswith("python3.") for name in usable)


def test_runtimes_lists_what_can_run_here() -> None:
    """One a line, for scripts; the interpreter of the tests is one of them."""
    program = "from lambd.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "runtimes"], capture_output=True, text=True, check=True
    )
    assert f"python3.{sys.version_info.minor}" in done.stdout.splitlines()
