"""Twenty thousand invocations: memory stays flat and no descriptor leaks."""

from __future__ import annotations

import http.client
import os
from pathlib import Path

import pytest
from tests.acceptance.conftest import CreateFunction, Server

_INVOCATIONS = 20_000
_WARM_UP = 4_000
_BODY = b'{"n": 1}'


def resident_kib(pid: int) -> int:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def descriptors(pid: int) -> int:
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - counts, needs no paths


def invoke(connection: http.client.HTTPConnection, name: str, times: int) -> None:
    """Invoke serially on one connection."""
    for _ in range(times):
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", _BODY)
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (200, _BODY)


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(240)
def test_twenty_thousand_invocations_leave_memory_and_descriptors_flat(
    server: Server, create: CreateFunction
) -> None:
    """After a warm-up neither the platform nor the function's environment grows."""
    assert server.process is not None
    pid = server.process.pid
    name = create("def handler(event, context):\n    return event\n")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    invoke(connection, name, _WARM_UP)
    memory_before, descriptors_before = resident_kib(pid), descriptors(pid)
    invoke(connection, name, _INVOCATIONS - _WARM_UP)
    memory_after, descriptors_after = resident_kib(pid), descriptors(pid)
    connection.close()
    assert descriptors_after <= descriptors_before + 8
    # 16,000 invocations that leaked 512 bytes each would make 8 MiB.
    assert memory_after - memory_before < 8 * 1024
