"""The wheel, installed into an empty environment and served from there: nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped

pytestmark = [pytest.mark.slow, pytest.mark.oci]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of an environment that has the wheel and what it declares."""
    directory = tmp_path_factory.mktemp("wheel")
    environment = directory / "environment"
    _uv("build", "--quiet", "--wheel", "--out-dir", str(directory), str(ROOT), at=directory)
    _uv("venv", "--quiet", "--python", sys.executable, str(environment), at=directory)
    (wheel,) = directory.glob("lambd-*.whl")
    python = environment / "bin" / "python"
    _uv("pip", "install", "--quiet", "--python", str(python), str(wheel), at=directory)
    return environment / "bin" / "lambd"


def _uv(*arguments: str, at: Path) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments], cwd=at, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_the_wheel_serves_an_invocation(installed: Path, tmp_path: Path) -> None:
    """Migrations, service models, shims and every dependency are in it or declared by it."""
    with Server(tmp_path / "data", program=installed) as server:
        aws = server.lambda_client()
        aws.create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped("def handler(event, context):\n    return event\n")},
        )
        assert wait_at_rest(aws, "f")["State"] == "Active"
        reply = aws.invoke(FunctionName="f", Payload=b'{"from": "a wheel"}')
        assert reply["Payload"].read() == b'{"from": "a wheel"}'
        answers = subprocess.run(
            [installed, "functions", "--endpoint-url", server.url],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (answers.returncode, answers.stderr) == (0, "")
        assert "f " in answers.stdout
        assert server.stop() == 0
