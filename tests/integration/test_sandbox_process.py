"""The process driver with real processes: the same protocol, nothing isolated."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.integration.sandbox_probe import spec, started, wait_until

from lambd.model.errors import SandboxError
from lambd.sandbox.driver import Mount, SandboxExit
from lambd.sandbox.process import ProcessDriver, descendants

_PLATFORM = "127.0.0.1:4566"


async def test_says_loudly_that_nothing_is_isolated(tmp_path: Path) -> None:
    """A warning at open."""
    driver = ProcessDriver(tmp_path, _PLATFORM)
    with capture_logs() as logs:
        await driver.open()
    await driver.close()
    assert [(entry["log_level"], entry["action"]) for entry in logs] == [
        ("warning", "no-isolation")
    ]


async def test_runs_programs_and_shows_where_things_are(tmp_path: Path) -> None:
    """Mounts and /tmp are host paths; the sockets are the host's."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "handler.py").write_text("print('seen')")
    driver = ProcessDriver(tmp_path / "run", _PLATFORM)
    await driver.open()
    async with started(driver, spec("p", Mount(source=code, target="/var/task"))) as probe:
        sandbox = probe.sandbox
        assert sandbox.path_inside("/var/task/handler.py") == str(code / "handler.py")
        inside = sandbox.path_inside("/tmp")  # noqa: S108
        assert inside == str(tmp_path / "run/process/p/tmp")
        assert (sandbox.platform_socket, sandbox.platform_address) == (None, _PLATFORM)
        host, _, port = sandbox.runtime_api_address.partition(":")
        socket.create_connection((host, int(port))).close()
        outcome = await probe.run("/bin/sh", "-c", f"pwd; exec python3 {code}/handler.py")
        assert outcome.output == f"{inside}\nseen\n"
        assert sandbox.memory_peak_bytes() > 1_000_000
        assert sandbox.oom_kills() == 0
    assert await sandbox.wait_exit() == SandboxExit(status=0)
    assert wait_until(lambda: not Path(inside).exists())
    await driver.close()


async def test_kill_finds_processes_in_sessions_of_their_own(tmp_path: Path) -> None:
    """Orphans come to init and are killed; a second start works."""
    driver = ProcessDriver(tmp_path, _PLATFORM)
    await driver.open()
    async with started(driver) as probe:
        await probe.start("/bin/sh", "-c", "setsid sleep 300 & setsid sleep 300 & echo up; wait")
        await probe.wait_log()
        init = _init_of(probe.sandbox.control)
        assert len(descendants(init)) >= 2
        await probe.kill()
        assert descendants(init) == []
        probe.read_log()
        assert (await probe.run("/bin/echo", "again")).output == "again\n"
    await driver.close()


async def test_freezes_and_closes_what_is_frozen(tmp_path: Path) -> None:
    """Stopped processes are stopped, go on, and die stopped."""
    driver = ProcessDriver(tmp_path, _PLATFORM)
    await driver.open()
    async with started(driver) as probe:
        answer = await probe.start("/bin/sleep", "300")
        pid = answer["pid"]
        assert isinstance(pid, int)
        probe.sandbox.freeze()
        assert wait_until(lambda: _state(pid) == "T")
        probe.sandbox.thaw()
        assert wait_until(lambda: _state(pid) == "S")
        probe.sandbox.freeze()
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())
    await driver.close()


async def test_reports_a_program_killed_by_a_signal(tmp_path: Path) -> None:
    """The raw wait status comes back."""
    driver = ProcessDriver(tmp_path, _PLATFORM)
    await driver.open()
    async with started(driver) as probe:
        outcome = await probe.run("/bin/sh", "-c", "kill -SEGV $$")
        assert os.WTERMSIG(outcome.status) == signal.SIGSEGV
    await driver.close()


async def test_refuses_an_id_that_is_a_path(tmp_path: Path) -> None:
    """Ids name directories."""
    driver = ProcessDriver(tmp_path, _PLATFORM)
    await driver.open()
    with pytest.raises(SandboxError, match="not a sandbox id"):
        await driver.start(spec("../x"))
    await driver.close()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _init_of(control: socket.socket) -> int:
    """Process id of whoever made the other end: our child with that socket as descriptor 4."""
    for pid in descendants(os.getpid()):
        link = Path(f"/proc/{pid}/fd/4")
        if link.is_symlink() and b"init.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError(f"no init behind {control}")
