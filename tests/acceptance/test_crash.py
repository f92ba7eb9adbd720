"""The platform killed under load: what it acknowledged is there, what it held is gone."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.function_logs import wait_for_log

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SOURCE = "def handler(event, context):\n    return event\n"


def control_groups(server: Server) -> set[str]:
    """The control groups of a platform's sandboxes, by path: of all that has one of its children."""
    assert server.process is not None
    roots = [*Path("/sys/fs/cgroup").glob("*/lambd"), Path("/sys/fs/cgroup/lambd")]
    groups = [path for root in roots for path in root.glob("*/*") if path.is_dir()]
    names = {
        path.parent.name
        for path in groups
        if any(parent_of(pid) == server.process.pid for pid in processes_of({str(path)}))
    }
    return {str(path) for path in groups if path.parent.name in names}


def parent_of(pid: int) -> int:
    """Process id of a process's parent; 0 when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def processes_of(groups: set[str]) -> set[int]:
    """Every process in these groups."""
    found: set[int] = set()
    for group in groups:
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (Path(group) / "cgroup.procs").read_text().split())
    return found


def loop_devices(server: Server) -> set[str]:
    """Loop devices that hold files of a platform."""
    held = set()
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if str(server.data_dir) in path.read_text():
                held.add(str(path))
    return held


def host_network() -> set[str]:
    """Interfaces and firewall tables that lambds have made, by the slice they belong to."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    names = {line.split(": ")[1].split("@")[0] for line in links.stdout.splitlines()}
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return {name.split("-")[0] for name in names if name.startswith("lb")} | {
        line for line in tables.stdout.splitlines() if "lambd" in line
    }


class Load:
    """Threads that create functions and invoke them, and what was acknowledged to them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._create)]
        self._threads += [threading.Thread(target=self._invoke) for _ in range(3)]
        self.created: dict[str, str] = {}
        self.published: dict[str, int] = {}
        self.invoked = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _create(self) -> None:
        aws = self._server.lambda_client()
        while not self._stop.is_set():
            name = f"crash-{random.getrandbits(64):016x}"
            with contextlib.suppress(BotoCoreError, ClientError):
                made = aws.create_function(
                    FunctionName=name,
                    Runtime=RUNTIME,
                    Role=ROLE,
                    Handler="app.handler",
                    Code={"ZipFile": zipped(SOURCE)},
                    Description=name,
                )
                self.created[name] = made["CodeSha256"]
                wait_at_rest(aws, name)
                version = aws.publish_version(FunctionName=name)["Version"]
                self.published[name] = int(version)

    def _invoke(self) -> None:
        aws = self._server.lambda_client()
        while not self._stop.is_set():
            names = list(self.created) or ["none"]
            with contextlib.suppress(BotoCoreError, ClientError):
                aws.invoke(FunctionName=random.choice(names[-5:]), Payload=b"1")
                self.invoked += 1


def check_what_was_acknowledged(aws: LambdaClient, load: Load) -> None:
    """Every created function is there with its code, every published version too."""
    for name, sha256 in load.created.items():
        found = wait_at_rest(aws, name)
        assert (found["State"], found["CodeSha256"]) == ("Active", sha256)
        if name in load.published:
            version = str(load.published[name])
            aws.get_function_configuration(FunctionName=name, Qualifier=version)


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(180)
def test_survives_kill_9_under_load(tmp_path: Path) -> None:
    """Three kills under load: nothing acknowledged is lost and nothing stays behind."""
    network_before = host_network()
    server = Server(tmp_path / "data")
    killed_groups: set[str] = set()
    server.start()
    for _ in range(3):
        with Load(server) as load:
            deadline = time.monotonic() + 30
            while (load.invoked < 20 or not load.published) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert load.invoked >= 20
            killed_groups = control_groups(server)
            killed_processes = processes_of(killed_groups)
            assert killed_processes
            server.kill()
        server.start()
        aws = server.lambda_client()
        check_what_was_acknowledged(aws, load)
        name = next(iter(load.created))
        reply = aws.invoke(FunctionName=name, Payload=b"7")
        assert json.loads(reply["Payload"].read()) == 7
        for pid in killed_processes:
            status = Path(f"/proc/{pid}/status")
            with contextlib.suppress(FileNotFoundError):
                assert "State:\tZ" in status.read_text()
    assert server.stop() == 0
    assert not [group for group in killed_groups if Path(group).exists()]
    assert loop_devices(server) == set()
    assert str(server.data_dir) not in Path("/proc/mounts").read_text()
    assert host_network() <= network_before
    assert not list((server.data_dir / "run").glob("oci/*"))


@pytest.mark.slow
@pytest.mark.oci
def test_a_second_start_on_the_same_data_directory_fails_clearly(server: Server) -> None:
    """The second process names the first and exits with an error."""
    second = Server(server.data_dir)
    second.log_path = server.data_dir.with_name("second.log")
    with pytest.raises(RuntimeError) as raised:
        second.start()
    assert server.process is not None
    assert str(server.process.pid) in str(raised.value)
    assert second.process is not None
    assert second.process.returncode != 0


@pytest.mark.slow
@pytest.mark.oci
def test_sigterm_drains_the_invocations_under_way(tmp_path: Path) -> None:
    """A running invocation gets its result, and the exit status is 0."""
    server = Server(tmp_path / "data")
    server.start()
    aws = server.lambda_client()
    aws.create_function(
        FunctionName="slow",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={
            "ZipFile": zipped(
                "import time\ndef handler(e, c):\n"
                "    print('go', flush=True)\n    time.sleep(e)\n    return 1\n"
            )
        },
        Timeout=10,
    )
    wait_at_rest(aws, "slow")
    aws.invoke(FunctionName="slow", Payload=b"0")
    results: list[bytes] = []

    def invoke() -> None:
        reply = server.lambda_client().invoke(FunctionName="slow", Payload=b"2")
        results.append(reply["Payload"].read())

    thread = threading.Thread(target=invoke)
    thread.start()
    wait_for_log(server, "slow", "go\n", count=2)
    assert server.stop() == 0
    thread.join()
    assert results == [b"1"]
