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
def killed_holder(runtime: str, run_dir: Path, instance: str) -> Iterator[dict[str, object]]:
    """What a process that held sandboxes had, after its kill -9."""
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"}
    command = [sys.executable, "-m", "tests.integration.sandbox_holder"]
    command += [runtime, str(run_dir), instance]
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
        holder.kill()
    yield facts


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
    run_dir, instance = tmp_path / "run", f"test-{os.getpid()}"
    with killed_holder(runtime, run_dir, instance) as facts:
        # One sandbox was frozen and could not end by itself.
        assert _groups(instance)
        async with opened_driver(run_dir, runtime=runtime, network="masquerade") as driver:
            pids = facts["pids"]
            assert isinstance(pids, list)
            for pid in pids:
                assert wait_until(partial(_has_ended, pid))
            async with started(driver) as probe:
                assert await probe.python("print('alive')") == "alive"
        assert _groups(instance) == []
        tables, interfaces = facts["tables"], facts["interfaces"]
        assert isinstance(tables, set)
        assert isinstance(interfaces, set)
        assert len(tables) == 1
        assert len(interfaces) >= 2
        assert wait_until(lambda: not tables & _table_handles(str(facts["table"])))
        assert wait_until(lambda: not interfaces & _interface_indexes(str(facts["prefix"])))
        assert wait_until(lambda: not any(str(run_dir) in file for file in _loop_files()))
        assert _left_in(run_dir) == []


def _left_in(run_dir: Path) -> list[str]:
    """Mounts, ours or the host's, at or below a directory, and its entries."""
    tables = (Path(f"/proc/{pid}/mounts").read_text().splitlines() for pid in ("self", 1))
    mounts = [line for table in tables for line in table if str(run_dir) in line]
    return mounts + [str(entry) for entry in run_dir.iterdir()]
