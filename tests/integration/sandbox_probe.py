"""Starts sandboxes for the tests of isolation and runs small programs inside.

Not a test: shared by `test_sandbox_*.py` and `test_escape.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lambd.sandbox.driver import Mount, Sandbox, SandboxDriver, SandboxSpec
from lambd.sandbox.namespaces import enter_private_mounts
from lambd.sandbox.oci import OciDriver

SHIMS = Path(__file__).parents[2] / "src/lambd/runtimes/shims"
PYTHON = "/usr/bin/python3.11"
CIDR = "10.195.0.0/16"
PLATFORM_PORT = 4566
_ANSWER_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program inside ended (a raw wait status) and what it wrote."""

    status: int
    output: str


class Probe:
    """Talks to the init process of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def receive(self) -> dict[str, object]:
        """The next packet from init."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            packet = await loop.sock_recv(self.sandbox.control, 1 << 16)
        answer: dict[str, object] = json.loads(packet)
        return answer

    async def send(self, **message: object) -> None:
        """One packet to init."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sandbox.control, json.dumps(message).encode())

    async def start(self, *argv: str, mode: str = "exec", **environment: str) -> dict[str, object]:
        """Start a program; init's answer."""
        env = {"PATH": "/usr/bin:/bin", **environment}
        cwd = self.sandbox.path_inside("/tmp")  # noqa: S108 - inside
        await self.send(start="runtime", mode=mode, argv=argv, env=env, cwd=cwd)
        return await self.receive()

    async def kill(self) -> None:
        """Have init kill everything inside."""
        await self.send(kill=True)
        assert await self.receive() == {"killed": True}

    async def run(self, *argv: str, mode: str = "exec") -> Outcome:
        """Run a program to its end."""
        started = await self.start(*argv, mode=mode)
        assert "started" in started, started
        ended = await self.receive()
        status = ended["status"]
        assert isinstance(status, int)
        return Outcome(status, self.read_log())

    async def python(self, source: str) -> str:
        """Run Python source that is to succeed; what it printed."""
        outcome = await self.run(PYTHON, "-c", source)
        assert outcome.status == 0, outcome
        return outcome.output.strip()

    async def wait_log(self) -> None:
        """Wait until something has been written."""
        loop = asyncio.get_running_loop()
        written = asyncio.Event()
        loop.add_reader(self.sandbox.log_fd, written.set)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await written.wait()
        finally:
            loop.remove_reader(self.sandbox.log_fd)

    def read_log(self) -> str:
        """What has been written so far and not read."""
        chunks: list[bytes] = []
        while True:
            try:
                chunk = os.read(self.sandbox.log_fd, 65536)
            except BlockingIOError:
                chunk = b""
            if not chunk:
                return b"".join(chunks).decode(errors="replace")
            chunks.append(chunk)


def spec(sandbox_id: str = "probe", *mounts: Mount, **changes: int) -> SandboxSpec:
    """A small sandbox that runs the host's Python."""
    sizes = {"memory_mib": 256, "ephemeral_storage_mib": 512, **changes}
    return SandboxSpec(
        id=sandbox_id,
        init_argv=(PYTHON, "-S", "/var/runtime/init.py"),
        mounts=(Mount(source=SHIMS, target="/var/runtime"), *mounts),
        memory_mib=sizes["memory_mib"],
        ephemeral_storage_mib=sizes["ephemeral_storage_mib"],
    )


@asynccontextmanager
async def opened_driver(
    run_dir: Path,
    *,
    runtime: str = "crun",
    network: str = "none",
    cpu: str = "weight",
    resolvers: list[tuple[str, int]] | None = None,
    host_ports: tuple[int, ...] = (),
) -> AsyncIterator[OciDriver]:
    """A driver of this test process."""
    enter_private_mounts()
    driver = OciDriver(
        runtime,
        run_dir,
        PLATFORM_PORT,
        network,
        CIDR,
        cpu=cpu,
        resolvers=resolvers,
        host_ports=host_ports,
    )
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def started(driver: SandboxDriver, wanted: SandboxSpec | None = None) -> AsyncIterator[Probe]:
    """A sandbox whose init has reported."""
    probe = Probe(await driver.start(wanted or spec()))
    try:
        assert await probe.receive() == {"ready": True}
        yield probe
    finally:
        await probe.sandbox.close()


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait for something that the kernel does in its own time; whether it came true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
