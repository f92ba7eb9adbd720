"""Control groups of both generations, on directories that stand for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lambd.model.errors import SandboxError
from lambd.sandbox import cgroups

_V1 = ("memory", "pids", "freezer", "cpu")


def _version_1(root: Path, *, hybrid: bool = False) -> None:
    for name in (*_V1, *(["unified"] if hybrid else [])):
        (root / name).mkdir()
        (root / name / "cgroup.procs").touch()
    (root / "alias").symlink_to(root / "cpu")


def _version_2(root: Path, controllers: str = "cpu io memory pids") -> None:
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text("")


def _group(root: Path, version: int) -> cgroups.SandboxGroup:
    """A group whose files exist, as the kernel makes them."""
    if version == 1:
        files = {
            "memory": ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
            "pids": ["pids.max"],
            "freezer": ["freezer.state"],
            "cpu": ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"],
        }
        contents = {"memory.max_usage_in_bytes": "4096\n", "memory.oom_control": "oom_kill 2\n"}
        for controller, names in files.items():
            (root / controller / "g").mkdir()
            for name in names:
                (root / controller / "g" / name).touch()
        for name, text in contents.items():
            (root / "memory/g" / name).write_text(text)
    else:
        (root / "g").mkdir()
        for name in (
            "memory.max",
            "memory.swap.max",
            "pids.max",
            "cgroup.freeze",
            "cpu.max",
            "cpu.weight",
        ):
            (root / "g" / name).touch()
        (root / "g/memory.current").write_text("4096\n")
        (root / "g/memory.events").write_text("low 0\noom 2\noom_kill 2\n")
    return cgroups.SandboxGroup(cgroups.detect(root), "/g")


@pytest.mark.parametrize("hybrid", [False, True], ids=["pure", "hybrid"])
def test_detects_version_1(hybrid: bool, tmp_path: Path) -> None:
    """A hierarchy for each controller; aliases count once."""
    _version_1(tmp_path, hybrid=hybrid)
    found = cgroups.detect(tmp_path)
    assert (found.version, found.hybrid) == (1, hybrid)
    assert len(found.mounts) == 5 if hybrid else 4


def test_detects_version_2(tmp_path: Path) -> None:
    """One hierarchy for all."""
    _version_2(tmp_path)
    found = cgroups.detect(tmp_path)
    assert (found.version, found.mounts) == (2, (tmp_path,))


def test_refuses_a_host_without_the_memory_controller(tmp_path: Path) -> None:
    """Limits cannot be kept there."""
    _version_2(tmp_path, "cpu pids")
    with pytest.raises(SandboxError, match=r"missing .*memory"):
        cgroups.detect(tmp_path)


def test_hands_controllers_down_on_version_2(tmp_path: Path) -> None:
    """From the root to the instance's parent, whatever is enabled already."""
    _version_2(tmp_path)
    for name in ("lambd", "lambd/i"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.subtree_control").write_text("memory\n")
    cgroups.prepare_parent(cgroups.detect(tmp_path), "i")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (tmp_path / "lambd/i/cgroup.subtree_control").read_text() == "+cpu +pids"


def test_limits_on_version_1(tmp_path: Path) -> None:
    """Memory with swap, processes, processor time."""
    _version_1(tmp_path)
    group = _group(tmp_path, 1)
    group.set_limits(memory_mib=128, processes=7)
    group.set_cpu_quota(7235)
    group.close()
    assert (tmp_path / "memory/g/memory.limit_in_bytes").read_text() == "134217728"
    assert (tmp_path / "memory/g/memory.memsw.limit_in_bytes").read_text() == "134217728"
    assert (tmp_path / "pids/g/pids.max").read_text() == "7"
    assert (tmp_path / "cpu/g/cpu.shares").read_text() == "74"
    assert (tmp_path / "cpu/g/cpu.cfs_quota_us").read_text() == "7235"


def test_limits_on_version_2(tmp_path: Path) -> None:
    """No swap at all."""
    _version_2(tmp_path)
    group = _group(tmp_path, 2)
    group.set_limits(memory_mib=128, processes=7)
    group.set_cpu_quota(7235)
    group.close()
    assert (tmp_path / "g/memory.max").read_text() == "134217728"
    assert (tmp_path / "g/memory.swap.max").read_text() == "0"
    assert (tmp_path / "g/cpu.weight").read_text() == "7"
    assert (tmp_path / "g/cpu.max").read_text() == "7235 100000"


def test_version_2_kills_a_group_as_one(tmp_path: Path) -> None:
    """The kernel does it: there is nothing to watch."""
    _version_2(tmp_path)
    group = _group(tmp_path, 2)
    assert group.kill_all_or_tell() is None
    group.close()
    assert (tmp_path / "g/memory.oom.group").read_text() == "1"


def test_version_1_tells_when_memory_has_run_out(tmp_path: Path) -> None:
    """Through an event counter that goes with the group."""
    _version_1(tmp_path)
    group = _group(tmp_path, 1)
    event_fd = group.kill_all_or_tell()
    assert event_fd is not None
    control = (tmp_path / "memory/g/cgroup.event_control").read_text()
    os.eventfd_write(event_fd, 1)
    assert os.eventfd_read(event_fd) == 1
    assert int(control.split()[0]) == event_fd
    group.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(event_fd)


@pytest.mark.parametrize(
    ("version", "path", "frozen", "thawed"),
    [
        pytest.param(1, "freezer/g/freezer.state", "FROZEN", "THAWED", id="v1"),
        pytest.param(2, "g/cgroup.freeze", "1", "0", id="v2"),
    ],
)
def test_freezes_and_thaws(
    version: int, path: str, frozen: str, thawed: str, tmp_path: Path
) -> None:
    """The words of either generation."""
    (_version_1 if version == 1 else _version_2)(tmp_path)
    group = _group(tmp_path, version)
    group.set_frozen(True)
    assert (tmp_path / path).read_text() == frozen
    group.set_frozen(False)
    assert (tmp_path / path).read_text() == thawed
    group.close()


@pytest.mark.parametrize("version", [1, 2])
def test_reads_memory_and_kills(version: int, tmp_path: Path) -> None:
    """Peak and count; where only current use is known, the highest seen."""
    (_version_1 if version == 1 else _version_2)(tmp_path)
    group = _group(tmp_path, version)
    assert (group.memory_peak_bytes(), group.oom_kills()) == (4096, 2)
    if version == 2:
        (tmp_path / "g/memory.current").write_text("1024\n")
        assert group.memory_peak_bytes() == 4096
    group.close()
    group.close()


@pytest.mark.parametrize(
    ("memory_mib", "quota_us"),
    [(128, 7235), (1769, 100_000), (10_240, 578_858), (1, 1000)],
)
def test_processor_time_follows_memory(memory_mib: int, quota_us: int) -> None:
    """1,769 MiB are one vCPU; the kernel's least is kept."""
    assert cgroups.cpu_quota_us(memory_mib) == quota_us


def test_counts_no_kills_where_the_kernel_does_not_tell() -> None:
    """memory.oom_control before Linux 4.13."""
    assert cgroups.parse_oom_kills(b"oom_kill_disable 0\nunder_oom 0\n") == 0
