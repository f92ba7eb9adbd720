"""A platform with few file descriptors: it raises its limit, and stays up where it cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.integration.sandbox_probe import wait_until

pytestmark = pytest.mark.oci

_SLOW = """
import time

def handler(event, context):
    time.sleep(0.5)
    return "done"
"""
_GREEDY = """
import os, select, socket, time
held = []

def handler(event, context):
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    other = int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2])
    for _ in range(400):
        for number in (int(port), other):
            try:
                held.append(socket.create_connection((host, number), timeout=1))
            except OSError:
                pass
    poll = select.poll()
    for each in held:
        poll.register(each, select.POLLRDHUP)
    # What is refused is closed a moment after it was accepted.
    deadline = time.monotonic() + 10
    while (alive := len(held) - len(poll.poll(0))) > 96 and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive
"""


@contextmanager
def limited(data_dir: Path, soft: int, hard: int) -> Iterator[Server]:
    """A platform started with a limit on descriptors."""
    server = Server(data_dir)
    server.start(descriptors=(soft, hard))
    try:
        yield server
        assert server.stop() == 0
    finally:
        server.__exit__()


def create(server: Server, name: str, source: str) -> None:
    """A function that can be called when this returns."""
    aws = server.lambda_client()
    aws.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Timeout=30,
        MemorySize=128,
        Code={"ZipFile": zipped(source)},
    )
    wait_at_rest(aws, name)


def call(server: Server, name: str) -> bytes:
    """What a call was answered: the payload, or the error's code."""
    try:
        answer = server.lambda_client().invoke(FunctionName=name)
    except ClientError as error:
        return error.response["Error"]["Code"].encode()
    return answer["Payload"].read()


def calls(server: Server, name: str, number: int) -> list[bytes]:
    """The answers to calls at once."""
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(lambda _: call(server, name), range(number)))


def test_the_soft_limit_is_raised(tmp_path: Path) -> None:
    """More environments than the soft limit has descriptors for."""
    with limited(tmp_path / "data", 160, 4096) as server:
        create(server, "slow", _SLOW)
        assert calls(server, "slow", 16) == [b'"done"'] * 16


def test_a_low_hard_limit_throttles_and_nothing_else(tmp_path: Path) -> None:
    """Calls beyond what there are descriptors for wait or are told 429; the platform stays up."""
    with limited(tmp_path / "data", 400, 400) as server:
        create(server, "slow", _SLOW)
        answers = calls(server, "slow", 40)
        assert {b'"done"'} <= set(answers) <= {b'"done"', b"TooManyRequestsException"}
        assert call(server, "slow") == b'"done"'


def test_what_functions_open_leaves_a_reserve(tmp_path: Path) -> None:
    """Functions that hold all the connections they get cut nobody else off."""
    with limited(tmp_path / "data", 600, 600) as server:
        for number in range(4):
            create(server, f"greedy-{number}", _GREEDY)
        create(server, "slow", _SLOW)
        for number in range(4):
            assert int(call(server, f"greedy-{number}")) <= 96
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(32)]
        try:
            assert call(server, "slow") == b'"done"'
        finally:
            for client in clients:
                client.close()


def test_clients_beyond_the_limit_are_logged_and_survived(tmp_path: Path) -> None:
    """New connections are closed while there are no descriptors, and served afterwards."""
    with limited(tmp_path / "data", 400, 400) as server:
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(500)]
        try:
            for client in clients:
                client.settimeout(10)
            assert clients[-1].recv(1) == b""
        except ConnectionResetError:
            pass
        finally:
            for client in clients:
                client.close()
        wait_until(server.answers)
        create(server, "slow", _SLOW)
        assert call(server, "slow") == b'"done"'
        assert "descriptors_exhausted" in server.log_path.read_text()
