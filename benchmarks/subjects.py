"""What is measured: each a context manager that starts a server and ends all it started.

The same function, interpreter and client library in all of them; they differ in what stands
between the client and the language runtime.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from benchmarks import artifacts
from benchmarks.artifacts import FUNCTION, HANDLER, ROOT, Runtime

if TYPE_CHECKING:  # stubs
    from types_boto3_lambda.client import LambdaClient

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0
_POLL_S = 0.02
# Of a server whose measurement failed.
_LOG_SHOWN_CHARACTERS = 4000
# A runtime that streams.
BOOTSTRAP = FUNCTION / "bootstrap"
EMULATOR_PATH = "/2015-03-31/functions/function/invocations"


@dataclass(slots=True, kw_only=True)
class Subject:
    """A started server: where to send, and the process that all others come from."""

    port: int
    pid: int
    path: str = EMULATOR_PATH
    host: str = field(default="127.0.0.1", init=False)


@contextlib.contextmanager
def floor(runtime: Runtime, runtimes: int, program: Sequence[str] = ()) -> Iterator[Subject]:
    """The bare loop with a number of language runtimes, or of another program, all waiting."""
    program = program or runtime.command
    command = [sys.executable, "-m", "benchmarks.floor", str(runtimes), *program]
    environment = runtime.environment | {"PYTHONPATH": f"{ROOT}:{runtime.libraries}"}
    with _process(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Subject(port=int(process.stdout.readline()), pid=process.pid)


@contextlib.contextmanager
def emulator(runtime: Runtime) -> Iterator[Subject]:
    """AWS's runtime interface emulator; it starts the language runtime at the first request."""
    port, runtime_port = _free_port(), _free_port()
    command = [
        str(artifacts.emulator()),
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{runtime_port}",
        *runtime.command,
    ]
    with _process(command, runtime.environment) as process:
        _wait_until_listening(port, process)
        yield Subject(port=port, pid=process.pid)


@dataclass(slots=True, kw_only=True)
class Platform(Subject):
    """A lambd server and its API."""

    api: LambdaClient
    data_dir: Path

    def create(self, names: Sequence[str], identifier: str) -> None:
        """Create functions that differ in name and archive, and wait until they are active."""
        for name in names:
            self._create(name, identifier, HANDLER, _archive(name))
        self._wait_until_active(names)

    def create_streaming(self, name: str) -> None:
        """Create a function that streams: the runtime `function/bootstrap`."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.write(BOOTSTRAP, "bootstrap")
        self._create(name, "provided.al2023", "none", content.getvalue())
        self._wait_until_active([name])

    def create_url(self, name: str) -> str:
        """Give a function a public URL; its host and port."""
        self.api.add_permission(
            FunctionName=name,
            StatementId="everybody",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
        )
        self.api.add_permission(
            FunctionName=name,
            StatementId="everybody-through-it",
            Action="lambda:InvokeFunction",
            Principal="*",
            InvokedViaFunctionUrl=True,
        )
        answer = self.api.create_function_url_config(FunctionName=name, AuthType="NONE")
        return answer["FunctionUrl"].partition("://")[2].rstrip("/")

    def _create(self, name: str, identifier: str, handler: str, archive: bytes) -> None:
        self.api.create_function(
            FunctionName=name,
            Runtime=identifier,  # type: ignore[arg-type]  # chosen by the caller
            Handler=handler,
            Role="arn:aws:iam::000000000000:role/bench",
            MemorySize=128,
            Timeout=30,
            Code={"ZipFile": archive},
        )

    def _wait_until_active(self, names: Sequence[str]) -> None:
        waiter = self.api.get_waiter("function_active_v2")
        for name in names:
            waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})

    @staticmethod
    def path_of(name: str) -> str:
        """Where a function is invoked."""
        return f"/2015-03-31/functions/{name}/invocations"


@contextlib.contextmanager
def platform(
    flags: Sequence[str], settings: Mapping[str, str], directory: Path | None = None
) -> Iterator[Platform]:
    """A lambd server; `settings` are `LAMBD_*` variables.

    Its data is in the directory, which stays, or in one of its own.
    """
    with contextlib.ExitStack() as stack:
        scratch = (
            str(directory)
            if directory
            else stack.enter_context(tempfile.TemporaryDirectory(prefix="lambd-bench-"))
        )
        log = Path(scratch) / "server.log"
        command = [*flags, "-m", "benchmarks.serve", "serve", "--port", "0"]
        command += ["--data-dir", f"{scratch}/data", "--log-format", "json"]
        with (
            log.open("wb") as stderr,
            _process(
                [sys.executable, *command], os.environ | settings, cwd=ROOT, stderr=stderr
            ) as process,
        ):
            url = _wait_until_ready(log, process)
            api = boto3.client(
                "lambda",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="lambd",
                aws_secret_access_key="lambd",
                config=Config(retries={"total_max_attempts": 1}),
            )
            with contextlib.closing(api):
                port = int(url.rpartition(":")[2])
                try:
                    data_dir = Path(scratch) / "data"
                    yield Platform(port=port, pid=process.pid, api=api, data_dir=data_dir)
                except Exception:
                    sys.stderr.write(log.read_text()[-_LOG_SHOWN_CHARACTERS:])
                    raise


def _archive(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(FUNCTION / "app.py", "app.py")
        archive.writestr("name.txt", name)
    return content.getvalue()


@contextlib.contextmanager
def _process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path = FUNCTION,
    stdout: int = subprocess.DEVNULL,
    stderr: int | io.BufferedWriter = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which ends with the block."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            print(f"benchmarks: {command[0]} did not stop when asked to", file=sys.stderr)
        # The emulator leaves its language runtime behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in _polls(process):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return


def _wait_until_ready(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The URL from the server's own line; its log on stderr if it ends before."""
    try:
        for _ in _polls(process):
            for line in log.read_text().splitlines():
                if '"server_ready"' in line:
                    url: str = json.loads(line)["url"]
                    return url
    except RuntimeError:
        sys.stderr.write(log.read_text())
        raise
    raise AssertionError("polls end by an exception")


def _polls(process: subprocess.Popen[bytes]) -> Iterator[None]:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        yield
        time.sleep(_POLL_S)
    raise RuntimeError(f"{process.args!r} is not ready after {_START_TIMEOUT_S:g} s")
