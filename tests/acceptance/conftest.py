"""A served platform for the acceptance tests: `lambd serve` as users start it, and clients."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.literals import RuntimeType
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from types_boto3_logs import CloudWatchLogsClient

ROLE = "arn:aws:iam::000000000000:role/lambda"
# The interpreter that runs the tests is one that functions can run with.
RUNTIME = cast("RuntimeType", f"python{sys.version_info.major}.{sys.version_info.minor}")
# The console script of the environment that runs the tests.
LAMBD = Path(sys.executable).with_name("lambd")
_START_TIMEOUT_S = 60.0


class Server:
    """One `lambd serve` process."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        driver: str = "crun",
        program: Path = LAMBD,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data_dir = data_dir
        self._program = program
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._flags = [
            *("--port", str(self.port)),
            *("--data-dir", str(data_dir)),
            *("--driver", driver),
            *flags,
        ]
        self._environ = environ
        self.log_path = data_dir.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        """Start it; a block that ends without stopping it has failed, and it is killed."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def start(self, *, descriptors: tuple[int, int] | None = None) -> None:
        """Start it and wait until it answers; `descriptors`: its soft and hard limit on them."""
        limit = () if descriptors is None else ("prlimit", "--nofile={}:{}".format(*descriptors))
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*limit, str(self._program), "serve", *self._flags],
                stdout=log,
                stderr=log,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBD_"))},
                    # Most tests wait for functions, and need not wait for that.
                    "LAMBD_STATE_WINDOW_S": "0",
                    **self._environ,
                },
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"lambd did not start:\n{self.log_path.read_text()}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether the health page is there."""
        try:
            with urllib.request.urlopen(f"{self.url}/_lambd/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """End it without warning."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as a service manager does; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def lambda_client(self, **config: Any) -> LambdaClient:
        """A boto3 Lambda client without retries."""
        return boto3.client("lambda", **self._client_arguments(config))

    def logs_client(self) -> CloudWatchLogsClient:
        """A boto3 CloudWatch Logs client without retries."""
        return boto3.client("logs", **self._client_arguments({}))

    def autoscaling_client(self) -> ApplicationAutoScalingClient:
        """A boto3 Application Auto Scaling client without retries."""
        return boto3.client("application-autoscaling", **self._client_arguments({}))

    def events_client(self) -> EventBridgeClient:
        """A boto3 EventBridge client without retries."""
        return boto3.client("events", **self._client_arguments({}))

    def scheduler_client(self) -> Any:
        """A boto3 EventBridge Scheduler client without retries."""
        return boto3.client("scheduler", **self._client_arguments({}))

    def cli_environment(self) -> dict[str, str]:
        """Environment variables for the AWS CLI."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_PAGER": "",
        }

    def _client_arguments(self, config: dict[str, Any]) -> dict[str, Any]:
        return {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(
                retries={"total_max_attempts": 1},
                read_timeout=120,
                max_pool_connections=64,
                **config,
            ),
        }


def wait_at_rest(aws: LambdaClient, name: str) -> FunctionConfigurationResponseTypeDef:
    """Wait until a function is neither Pending nor being updated (boto3's waiters poll slowly)."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        found = aws.get_function_configuration(FunctionName=name)
        if found["State"] != "Pending" and found.get("LastUpdateStatus") != "InProgress":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def zipped(source: str = "", **files: str | bytes) -> bytes:
    """A deployment package with `app.py`, and other files by name (`__` for a dot)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if source:
            archive.writestr("app.py", textwrap.dedent(source))
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One platform for all tests that don't need their own."""
    made = Server(tmp_path_factory.mktemp("platform") / "data")
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def aws(server: Server) -> LambdaClient:
    """A Lambda client of the shared platform."""
    return server.lambda_client()


CreateFunction = Callable[..., str]


@pytest.fixture
def create(aws: LambdaClient) -> Iterator[CreateFunction]:
    """Create functions that are active when the call returns and gone after the test."""
    names: list[str] = []

    def make(source: str, **arguments: Any) -> str:
        name = f"fn-{uuid.uuid4().hex[:12]}"
        request: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": RUNTIME,
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped(source)},
            **arguments,
        }
        aws.create_function(**request)
        names.append(name)
        wait_at_rest(aws, name)
        return name

    yield make
    for name in names:
        with contextlib.suppress(aws.exceptions.ResourceNotFoundException):
            aws.delete_function(FunctionName=name)
