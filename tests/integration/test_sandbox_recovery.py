"""kill -9 of the process that holds sandboxes, then a restart: nothing is left on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.integration.sandbox_probe import opened_driver, started, wait_until

from lambd.sandbox import cgroups

pytestmark = pytest.mark.oci

_ROOT = Path(__file__).parents[2]


@contextmanager
def held(runtime: str, run_dir: Path) -> Iterator[dict[str, object]]:
    """What a process that holds sandboxes has; it is killed in the end."""
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"}
    command = [sys.executable, "-m", "tests.integration.sandbox_holder"]
    command += [runtime, str(run_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=_ROOT, env=environment, text=True
    ) as holder:
        assert holder.stdout is not None
        facts = {}
        for line in holder.stdout:
            if line.startswith("{"):
                facts = json.loads(line)
                break
        facts["tables"] = _table_handles(facts["table"])
        facts["interfaces"] = _interface_indexes(facts["prefix"])
        facts["groups"] = _groups(facts["instance"])
        try:
            yield facts
        finally:
            holder.kill()


def killed_holder(runtime: str, run_dir: Path) -> dict[str, object]:
    """What a process that held sandboxes had, after its kill -9."""
    with held(runtime, run_dir) as facts:
        return facts


def _has_ended(pid: int) -> bool:
    """Gone, or a zombie: this process inherits the holder's children once it is a subreaper."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def _table_handles(name: str) -> set[int]:
    """The handles, never used again, of tables with a name."""
    done = subprocess.run(["nft", "--json", "list", "tables"], check=True, capture_output=True)
    entries = json.loads(done.stdout)["nftables"]
    tables = (entry["table"] for entry in entries if "table" in entry)
    return {table["handle"] for table in tables if table["name"] == name}


def _interface_indexes(prefix: str) -> set[str]:
    """Indexes, never used again, of the interfaces whose names begin so."""
    done = subprocess.run(["ip", "-oneline", "link"], check=True, capture_output=True, text=True)
    lines = (line.split(": ") for line in done.stdout.splitlines())
    return {parts[0] for parts in lines if parts[1].startswith(prefix)}


def _loop_files() -> list[str]:
    paths = Path("/sys/block").glob("loop*/loop/backing_file")
    files = []
    for path in paths:
        try:
            files.append(path.read_text())
        except OSError:  # detached meanwhile
            continue
    return files


def _groups(instance: str) -> list[Path]:
    return [
        directory
        for parent in cgroups.detect().group_directories(f"lambd/{instance}")
        for directory in parent.iterdir()
        if directory.is_dir()
    ]


async def test_a_restart_after_kill_9_removes_what_was_left(runtime: str, tmp_path: Path) -> None:
    """Processes, groups, mounts, loop devices, interfaces, tables, files: all gone."""
    run_dir = tmp_path / "run"
    facts = killed_holder(runtime, run_dir)
    # One sandbox was frozen and could not end by itself.
    assert facts["groups"]
    async with opened_driver(run_dir, runtime=runtime, network="masquerade") as driver:
        pids = facts["pids"]
        assert isinstance(pids, list)
        for pid in pids:
            assert wait_until(partial(_has_ended, pid))
        async with started(driver) as probe:
            assert await probe.python("print('alive')") == "alive"
    assert _groups(str(facts["instance"])) == []
    tables, interfaces = facts["tables"], facts["interfaces"]
    assert isinstance(tables, set)
    assert isinstance(interfaces, set)
    assert len(tables) == 1
    assert len(interfaces) >= 2
    assert wait_until(lambda: not tables & _table_handles(str(facts["table"])))
    assert wait_until(lambda: not interfaces & _interface_indexes(str(facts["prefix"])))
    assert wait_until(lambda: not any(str(run_dir) in file for file in _loop_files()))
    assert _left_in(run_dir) == []


@pytest.mark.parametrize("runtime", ["crun"], indirect=True)
async def test_a_start_with_another_directory_removes_the_groups_too(
    runtime: str, tmp_path: Path
) -> None:
    """Nobody may come back to the directory of the one that was killed."""
    facts = killed_holder(runtime, tmp_path / "killed")
    async with opened_driver(tmp_path / "other", runtime=runtime):
        assert _groups(str(facts["instance"])) == []
        pids = facts["pids"]
        assert isinstance(pids, list)
        for pid in pids:
            assert wait_until(partial(_has_ended, pid))


@pytest.mark.parametrize("runtime", ["crun"], indirect=True)
async def test_a_start_leaves_the_sandboxes_of_the_living_alone(
    runtime: str, tmp_path: Path
) -> None:
    """Those of a process with the same path too, as two containers may have."""
    with held(runtime, tmp_path / "run") as facts:
        for directory in ("other", "run"):
            async with opened_driver(tmp_path / directory, runtime=runtime) as driver:
                assert driver._instance.name != facts["instance"]
        pids = facts["pids"]
        assert isinstance(pids, list)
        assert not any(_has_ended(pid) for pid in pids)
        assert _groups(str(facts["instance"])) == facts["groups"]


def _left_in(run_dir: Path) -> list[str]:
    """Mounts, ours or the host's, at or below a directory, and its entries."""
    tables = (Path(f"/proc/{pid}/mounts").read_text().splitlines() for pid in ("self", 1))
    mounts = [line for table in tables for line in table if str(run_dir) in line]
    return mounts + [str(entry) for entry in run_dir.iterdir()]
