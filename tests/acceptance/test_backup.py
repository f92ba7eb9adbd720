"""`lambd backup` of a platform that serves, and what is restored from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.acceptance.conftest import LAMBD, ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.function_logs import wait_for_log

pytestmark = [pytest.mark.slow, pytest.mark.oci]

SOURCE = """
    def handler(event, context):
        print(f"got {event};")
        return event
"""


def test_what_was_backed_up_is_served_again(tmp_path: Path) -> None:
    """Functions with their code, and their logs, from a copy made while the platform was busy."""
    copy = tmp_path / "copy"
    with Server(tmp_path / "data") as server:
        aws = server.lambda_client()
        aws.create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(SOURCE)},
        )
        wait_at_rest(aws, "f")
        aws.invoke(FunctionName="f", Payload=b"1")
        wait_for_log(server, "f", "got 1;")
        command: list[str | Path] = [LAMBD, "backup", copy, "--data-dir", server.data_dir]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (again.returncode, again.stderr) == (1, f"Error: {copy} is there already\n")
        aws.delete_function(FunctionName="f")
        assert server.stop() == 0
    with Server(copy) as restored:
        aws = restored.lambda_client()
        assert wait_at_rest(aws, "f")["State"] == "Active"
        wait_for_log(restored, "f", "got 1;")
        assert aws.invoke(FunctionName="f", Payload=b"2")["Payload"].read() == b"2"
        assert restored.stop() == 0
