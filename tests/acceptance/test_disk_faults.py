"""A data directory that cannot be used: one clear line, whatever is the matter with the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.conftest import Server
from tests.acceptance.disks import Disk

pytestmark = [pytest.mark.slow, pytest.mark.oci]


def log_of_a_start_that_fails(data_dir: Path, log: Path) -> str:
    """What the server says before it ends."""
    server = Server(data_dir)
    server.log_path = log
    with pytest.raises(RuntimeError):
        server.start()
    assert server.process is not None
    assert server.process.wait() == 1
    return log.read_text()


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "used"])
def test_a_read_only_data_directory_is_told_in_one_line(is_new: bool, tmp_path: Path) -> None:
    """Whether it has been used before or not."""
    disk = Disk.made(tmp_path / "disk.img")
    if not is_new:
        with disk.mounted() as directory, Server(directory / "data") as server:
            assert server.stop() == 0
        disk.wait_unused()
    with disk.mounted("ro") as directory:
        said = log_of_a_start_that_fails(directory / "data", tmp_path / "log")
    assert "Traceback" not in said
    assert str(directory / "data") in said
    assert "read-only" in said.lower()


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """Of a start."""
    disk = Disk.made(tmp_path / "disk.img", mib=64)
    with disk.mounted() as directory:
        disk.fill()
        said = log_of_a_start_that_fails(directory / "data", tmp_path / "log")
    assert "Traceback" not in said
    assert str(directory / "data") in said
    assert "full" in said or "No space left" in said


def test_a_disk_that_failed_is_told_when_the_server_stops(tmp_path: Path) -> None:
    """What could not be written is named; the exit status tells of it."""
    disk = Disk.made(tmp_path / "disk.img")
    with disk.mounted() as directory:
        server = Server(directory / "data")
        server.log_path = tmp_path / "log"
        server.start()
        disk.fail()
        status = server.stop()
    said = (tmp_path / "log").read_text()
    last = said[said.index("server_stopping") :]
    assert "Traceback" not in last
    assert "Input/output error" in last
    assert status == 1
