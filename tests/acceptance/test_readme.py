"""The README's examples, as they stand there, against a served platform."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.oci]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(server: Server, directory: Path, *command: str) -> str:
    """What a program says that runs as a reader would run it, but on a port of its own."""
    environ = {key: text for key, text in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        command,
        cwd=directory,
        env={**environ, "LAMBD_ENDPOINT_URL": server.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_function_in_python(server: Server, tmp_path: Path) -> None:
    """Creates it and prints its answer, whatever Python this machine has."""
    (example,) = blocks("python")
    (tmp_path / "first.py").write_text(example.replace("http://127.0.0.1:4566", server.url))
    assert run(server, tmp_path, sys.executable, "first.py") == 'b\'{"hello": "world"}\'\n'


def test_the_first_function_with_the_aws_cli(server: Server, tmp_path: Path) -> None:
    """Every line of the console example works, one after the other."""
    (example,) = (block for block in blocks("console") if "aws lambda create-function" in block)
    script = re.sub(r"^\$ ", "", example, flags=re.MULTILINE)
    script = script.replace("http://127.0.0.1:4566", server.url)
    script = script.replace("./dev", str(ROOT / "dev")).replace("$PWD", str(ROOT))
    said = run(server, tmp_path, "bash", "-euo", "pipefail", "-c", script)
    assert json.loads((tmp_path / "answer.json").read_text()) == {"hello": "world"}
    assert "START RequestId" in said
