"""What one sandbox may use: memory, processes, disk, files, processor time."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import PYTHON, opened_driver, spec, started

from lambd.model.limits import MIB
from lambd.sandbox.driver import SandboxExit

pytestmark = pytest.mark.oci


async def test_kills_the_program_that_wants_too_much_memory(tmp_path: Path) -> None:
    """The kernel kills the program, not init, and counts it."""
    async with (
        opened_driver(tmp_path / "run") as driver,
        started(driver, spec(memory_mib=128)) as probe,
    ):
        assert probe.sandbox.oom_kills() == 0
        outcome = await probe.run(PYTHON, "-c", "x = bytearray(200 << 20)")
        assert os.WTERMSIG(outcome.status) == signal.SIGKILL
        assert probe.sandbox.oom_kills() == 1
        assert 100 * MIB < probe.sandbox.memory_peak_bytes() <= 128 * MIB
        assert await probe.python("print('alive')") == "alive"


@pytest.mark.parametrize("runtime", ["runsc"], indirect=True)
async def test_ends_the_sandbox_whose_own_kernel_wants_too_much_memory(
    runtime: str, tmp_path: Path
) -> None:
    """It would survive its processes and ask for their memory again: all of it ends, counted."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime) as driver,
        started(driver, spec(memory_mib=128)) as probe,
    ):
        await probe.python("x = bytearray(80 << 20)")
        assert probe.sandbox.oom_kills() == 0
        await probe.start(PYTHON, "-c", "x = bytearray(300 << 20)")
        async with asyncio.timeout(10):
            assert SandboxExit(signal=signal.SIGKILL) == await probe.sandbox.wait_exit()
        assert probe.sandbox.oom_kills() > 0
        assert 100 * MIB < probe.sandbox.memory_peak_bytes() <= 128 * MIB


_FORK_BOMB = """
import os, time
n = 0
try:
    while n < 3000:
        if os.fork() == 0:
            time.sleep(300)
        n += 1
except BlockingIOError:
    print(n, flush=True)
"""


async def test_bounds_a_fork_bomb(tmp_path: Path) -> None:
    """Processes are limited, and all of them can be killed."""
    async with (
        opened_driver(tmp_path / "run") as driver,
        started(driver, spec(memory_mib=3008)) as probe,
    ):
        assert 900 < int(await probe.python(_FORK_BOMB)) < 1024
        await probe.kill()
        assert await probe.python("print('alive')") == "alive"


@pytest.mark.parametrize("runtime", ["runsc"], indirect=True)
async def test_a_fork_bomb_ends_no_more_than_its_own_sandbox(runtime: str, tmp_path: Path) -> None:
    """A kernel inside runs out of memory or of the host's processes; neighbours run on."""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime) as driver,
        started(driver, spec("neighbour")) as neighbour,
        started(driver, spec(memory_mib=512)) as probe,
    ):
        await probe.start(PYTHON, "-c", _FORK_BOMB)
        async with asyncio.timeout(20):
            assert SandboxExit(status=0) != await probe.sandbox.wait_exit()
        assert await neighbour.python("print('alive')") == "alive"


@pytest.mark.parametrize("size_mib", [512, 600])
async def test_tmp_has_the_size_asked_for_and_no_more(
    size_mib: int, runtime: str, tmp_path: Path
) -> None:
    """All of it can be filled, then ENOSPC; the host's disk file has no name."""
    fill = f"""
import errno
with open("/tmp/file", "wb", buffering=0) as file:
    written = 0
    try:
        while written < {size_mib + 100} << 20:
            written += file.write(bytes(1 << 20))
    except OSError as exc:
        assert exc.errno == errno.ENOSPC
print(written >> 20)
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        wanted = spec(ephemeral_storage_mib=size_mib, memory_mib=1024)
        async with started(driver, wanted) as probe:
            written = int(await probe.python(fill))
            assert size_mib <= written <= size_mib * 1.05


async def test_files_in_tmp_are_not_memory(runtime: str, tmp_path: Path) -> None:
    """More than the memory limit can be written to /tmp without a kill."""
    write = """
with open("/tmp/file", "wb", buffering=0) as file:
    for _ in range(300):
        file.write(bytes(1 << 20))
"""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime) as driver,
        started(driver, spec(memory_mib=128)) as probe,
    ):
        await probe.python(write)
        assert probe.sandbox.oom_kills() == 0


@pytest.mark.parametrize(
    "directory",
    ["/", "/usr", "/etc", "/var/task", "/opt", "/mnt", "/dev", "/dev/shm", "/run"],  # noqa: S108
)
async def test_nothing_but_tmp_can_be_written_to(
    directory: str, runtime: str, tmp_path: Path
) -> None:
    """Files can be created nowhere else."""
    attempt = f"""
try:
    open({directory!r} + "/file", "w")
except OSError as exc:
    print(type(exc).__name__, exc.errno)
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        refusal = await probe.python(attempt)
        assert refusal.split()[-1] in {"30", "13", "2"}, refusal


async def test_process_limits_are_lambdas(runtime: str, tmp_path: Path) -> None:
    """1,024 open files, no core dumps."""
    show = """
import resource as r
print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_CORE))
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(show) == "(1024, 1024) (0, 0)"


# gVisor's clock runs on for a while when the whole sandbox is made to wait.
_SPENT_S = {"crun": 0.4, "runsc": 1.0}


async def test_a_quota_limits_processor_time_once_init_is_over(
    runtime: str, tmp_path: Path
) -> None:
    """With `quota` a busy loop gets its memory's share: 177 MiB make a tenth of a processor."""
    burn = """
import time
end = time.monotonic() + 1.5
while time.monotonic() < end:
    pass
print(time.process_time())
"""
    async with (
        opened_driver(tmp_path / "run", runtime=runtime, cpu="quota") as driver,
        started(driver, spec(memory_mib=177)) as probe,
    ):
        probe.sandbox.limit_cpu()
        assert float(await probe.python(burn)) < _SPENT_S[runtime]
