"""Sandboxes by a real OCI runtime: starting, talking, freezing, killing, closing."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import PYTHON, opened_driver, spec, started, wait_until

from lambd.model.errors import SandboxError
from lambd.sandbox import oci
from lambd.sandbox.driver import Mount, SandboxExit
from lambd.sandbox.oci import OciDriver, OciSandbox, find_program
from lambd.sandbox.spawn import children_of

pytestmark = pytest.mark.oci


@pytest.mark.parametrize("runtime", ["crun", "runc", "runsc"], indirect=True)
async def test_starts_a_sandbox_that_runs_programs_and_closes(runtime: str, tmp_path: Path) -> None:
    """Init reports, a program's output arrives in the log, closing kills init."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        async with started(driver) as probe:
            outcome = await probe.run("/bin/sh", "-c", "echo out; echo err >&2; exit 3")
            assert outcome.output == "out\nerr\n"
            assert os.waitstatus_to_exitcode(outcome.status) == 3
        assert SandboxExit(signal=signal.SIGKILL) == await probe.sandbox.wait_exit()
        assert runtime == driver.name


async def test_close_leaves_nothing_of_a_sandbox(runtime: str, tmp_path: Path) -> None:
    """Bundle, state, control group, /tmp image, descriptors and zombies are gone."""
    zombies = _zombies()
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        async with started(driver):
            pass
        before = _open_files()
        for _ in range(3):
            async with started(driver):
                pass
        await driver._pool.close()
        assert _open_files() < before
        # Whoever waits for a process hears of its end a moment later.
        await _wait_reaped(zombies)
        for name in ("bundles", "oci"):
            assert list((tmp_path / "run" / name).iterdir()) == []
        left = [path.name for path in (tmp_path / "run/scratch").iterdir()]
        assert left == ["template-512.ext4"]


async def test_closing_twice_and_using_a_closed_sandbox_do_nothing(
    runtime: str, tmp_path: Path
) -> None:
    """After close every method is a no-op and the last readings stay."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        async with started(driver) as probe:
            pass
        await asyncio.gather(probe.sandbox.close(), probe.sandbox.close())
        probe.sandbox.freeze()
        probe.sandbox.thaw()
        probe.sandbox.limit_cpu()
        assert probe.sandbox.memory_peak_bytes() > 0
        assert probe.sandbox.oom_kills() == 0


async def test_reports_why_a_program_could_not_be_started(runtime: str, tmp_path: Path) -> None:
    """The errno of execve comes back."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        answer = await probe.start("/nowhere/program")
        assert (answer["start_failed"], answer["errno"]) == ("runtime", 2)


async def test_refuses_to_start_what_the_oci_runtime_cannot_run(
    runtime: str, tmp_path: Path
) -> None:
    """A missing interpreter is an error that names it, and nothing stays behind."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        with pytest.raises(SandboxError, match="/var/lang/bin/nothing"):
            await driver.start(replace(spec(), init_argv=("/var/lang/bin/nothing",)))


@pytest.mark.parametrize(
    "target",
    ["/etc/x", "/proc", "/var/../etc", "relative", "/", "/usr/new", "/tmp/x"],  # noqa: S108
)
async def test_refuses_mounts_over_the_sandboxs_own_root(
    target: str, runtime: str, tmp_path: Path
) -> None:
    """Only /var, /opt, /mnt and what /usr has may be covered."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        with pytest.raises(SandboxError, match="cannot be mounted"):
            await driver.start(spec("probe", Mount(source=tmp_path, target=target)))


async def test_shows_mounts_read_only(runtime: str, tmp_path: Path) -> None:
    """A mounted directory can be read and not written to."""
    code = tmp_path / "code"
    code.mkdir(mode=0o755)
    (code / "handler.py").write_text("print('seen')")
    code.chmod(0o777)
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        wanted = spec("probe", Mount(source=code, target="/var/task"))
        async with started(driver, wanted) as probe:
            assert (await probe.run(PYTHON, "/var/task/handler.py")).output == "seen\n"
            written = await probe.run("/bin/sh", "-c", "touch /var/task/x")
            assert "Read-only file system" in written.output


async def test_kill_ends_everything_but_init_and_keeps_tmp(runtime: str, tmp_path: Path) -> None:
    """Background processes are gone, /tmp is not, and a second start works."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        script = "setsid sleep 300 & setsid sleep 300 & echo kept > /tmp/file; echo done; sleep 300"
        await probe.start("/bin/sh", "-c", script)
        await probe.wait_log()
        assert probe.read_log() == "done\n"
        await probe.kill()
        assert await probe.python("print(open('/tmp/file').read())") == "kept"
        listing = "import os; print([p for p in os.listdir('/proc') if p.isdigit()])"
        # Init, and the program that looks.
        assert (await probe.python(listing)).count("'") // 2 == 2


async def test_continues_as_a_python_program_without_a_new_interpreter(
    runtime: str, tmp_path: Path
) -> None:
    """Mode fork: arguments, environment, directory and search path are the program's."""
    code = tmp_path / "code"
    code.mkdir(mode=0o755)
    source = "import os, sys; print(sys.argv, os.getcwd(), os.environ['A'], sys.path[0], __name__)"
    (code / "program.py").write_text(source)
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        wanted = spec("probe", Mount(source=code, target="/var/task"))
        async with started(driver, wanted) as probe:
            await probe.start("python", "/var/task/program.py", "x", mode="fork", A="1")
            assert (await probe.receive())["status"] == 0
            expected = "['/var/task/program.py', 'x'] /tmp 1 /var/task __main__\n"
            assert expected == probe.read_log()


async def test_programs_are_batch_processes(runtime: str, tmp_path: Path) -> None:
    """They do not push aside what runs when they wake, nor do their children."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        await probe.start("/bin/sleep", "300")
        assert isinstance(probe.sandbox, OciSandbox)
        group = probe.sandbox._holdings.parts.group
        assert group is not None
        policies = {os.sched_getscheduler(pid) for pid in group.members()}
        assert policies == {os.SCHED_BATCH}


async def test_frozen_programs_stand_still(runtime: str, tmp_path: Path) -> None:
    """Nothing is written while frozen, and it goes on after thawing."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        await probe.start("/bin/sh", "-c", "while :; do echo x; sleep 0.01; done")
        await probe.wait_log()
        probe.sandbox.freeze()
        # What was written before the freezer had stopped everything.
        await asyncio.sleep(0.1)
        probe.read_log()
        await asyncio.sleep(0.2)
        assert probe.read_log() == ""
        probe.sandbox.thaw()
        await probe.wait_log()


@pytest.mark.parametrize(
    ("runtime", "victim"),
    # What stands for a program of gVisor's on the host is no process of its own.
    [("crun", "init"), ("crun", "program"), ("runsc", "init")],
    indirect=["runtime"],
)
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "running"])
async def test_tells_that_a_process_was_killed(
    victim: str, frozen: bool, runtime: str, tmp_path: Path
) -> None:
    """Also of a frozen sandbox, in which nothing can die before it is thawed (version 1)."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        await probe.start("/bin/sleep", "300")
        sandbox = probe.sandbox
        assert isinstance(sandbox, OciSandbox)
        doomed = sandbox.pid if victim == "init" else children_of(sandbox.pid)[0]
        if frozen:
            sandbox.freeze()
        assert sandbox.is_alive()
        os.kill(doomed, signal.SIGKILL)
        if victim == "program" and not frozen:
            # Init collects it and tells.
            await probe.receive()
            assert sandbox.is_alive()
        else:
            assert wait_until(lambda: not sandbox.is_alive())
    assert not sandbox.is_alive()


async def test_closes_a_frozen_sandbox(runtime: str, tmp_path: Path) -> None:
    """A frozen process dies too."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        await probe.start("/bin/sleep", "300")
        probe.sandbox.freeze()


async def test_tells_when_init_ends_by_itself(runtime: str, tmp_path: Path) -> None:
    """The end of the control socket ends init with status 0."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        probe.sandbox.control.shutdown(2)
        async with asyncio.timeout(5):
            assert SandboxExit(status=0) == await probe.sandbox.wait_exit()


async def test_starts_several_sandboxes_at_once(runtime: str, tmp_path: Path) -> None:
    """More than are kept ready, in parallel."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        sandboxes = await asyncio.gather(*(driver.start(spec(f"s-{n}")) for n in range(8)))
        await asyncio.gather(*(sandbox.close() for sandbox in sandboxes))


def _open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def _zombies() -> set[int]:
    """Children of this process that have ended and nobody has waited for."""
    found = set()
    for pid in children_of(os.getpid()):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state == "Z":
            found.add(pid)
    return found


async def _wait_reaped(others: set[int]) -> None:
    """Wait until there are no zombies but those of others, who ran in this process before."""
    async with asyncio.timeout(5):
        while _zombies() - others:  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.01)


async def test_a_living_sandbox_has_no_zombie(runtime: str, tmp_path: Path) -> None:
    """What the OCI runtime forks and leaves to us is collected as soon as it has ended."""
    zombies = _zombies()
    async with (
        opened_driver(tmp_path / "run", runtime=runtime) as driver,
        started(driver),
        started(driver, spec("second")),
    ):
        await _wait_reaped(zombies)


async def test_a_killed_launcher_is_replaced_unseen(runtime: str, tmp_path: Path) -> None:
    """Whoever starts a sandbox next gets one, even before we have heard of the death."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        await _wait_spares(driver)
        for spare in driver._pool._ready:
            os.kill(spare.launcher_pid, signal.SIGKILL)
        async with started(driver) as probe:
            assert await probe.python("print('alive')") == "alive"


async def test_spares_whose_launcher_was_killed_are_made_anew(runtime: str, tmp_path: Path) -> None:
    """Nobody has to ask first, and what they held is given back."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver:
        await _wait_spares(driver)
        killed = list(driver._pool._ready)
        for spare in killed:
            os.kill(spare.launcher_pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while any(spare.bundle_dir.exists() for spare in killed):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await _wait_spares(driver)
        assert not set(map(id, killed)) & set(map(id, driver._pool._ready))


async def _wait_spares(driver: OciDriver) -> None:
    """Wait until all the parts that are kept ready are."""
    async with asyncio.timeout(10):
        while len(driver._pool._ready) < 4:  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.01)


@pytest.fixture
def dying_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crun that is killed as long as there are files in the directory, one for each time."""
    lives = tmp_path / "lives"
    program = tmp_path / "bin/crun"
    for directory in (lives, program.parent):
        directory.mkdir()
    program.write_text(
        f"#!/bin/sh\nfor each in {lives}/*; do rm $each && kill -9 $$; done 2>/dev/null\n"
        f'exec {find_program("crun")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(oci, "_SEARCH_PATH", f"{program.parent}:{oci._SEARCH_PATH}")
    return lives


async def test_a_killed_oci_runtime_is_tried_once_more(dying_runtime: Path, tmp_path: Path) -> None:
    """The start succeeds; nobody sees the first attempt."""
    async with opened_driver(tmp_path / "run") as driver:
        (dying_runtime / "first").touch()
        async with started(driver) as probe:
            assert await probe.python("print('alive')") == "alive"
        assert not (dying_runtime / "first").exists()


async def test_an_oci_runtime_killed_twice_is_an_error_that_names_the_signal(
    dying_runtime: Path, tmp_path: Path
) -> None:
    """Rather than telling that it gave no reason; the next start is as good as any."""
    async with opened_driver(tmp_path / "run") as driver:
        for name in ("first", "second"):
            (dying_runtime / name).touch()
        with pytest.raises(SandboxError, match="SIGKILL"):
            await driver.start(spec())
        async with started(driver):
            pass
