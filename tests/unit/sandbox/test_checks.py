"""What `lambd doctor` is told about this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambd.sandbox import checks
from lambd.sandbox.descriptors import environments_that_fit
from lambd.sandbox.oci_runtime import OCI_RUNTIMES


@pytest.mark.parametrize(
    ("release", "usable"),
    [("6.18.44-fc", True), ("5.8.0", True), ("5.4.0-100-generic", False), ("4.19", False)],
)
def test_tells_kernels_that_are_too_old(release: str, usable: bool) -> None:
    """What the drivers call came with 5.8."""
    assert checks.check_kernel(release).usable is usable


def test_names_missing_capabilities(tmp_path: Path) -> None:
    """An ordinary user is told to become root."""
    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapEff:\t0000000000000000\n")
    check = checks.check_privileges(status)
    assert not check.usable
    assert "CAP_SYS_ADMIN" in check.detail
    assert check.fix == "sudo lambd serve"


def test_reads_the_effective_set() -> None:
    """Bits, not text."""
    assert checks.effective_capabilities("CapPrm:\t1\nCapEff:\t000001ff\n") == 0x1FF
    assert checks.effective_capabilities("") == 0


def test_says_how_to_get_control_groups(tmp_path: Path) -> None:
    """An empty /sys/fs/cgroup can be mounted."""
    check = checks.check_control_groups(tmp_path)
    assert not check.usable
    assert check.fix == "mount -t cgroup2 none /sys/fs/cgroup"


def test_says_how_to_install_an_oci_runtime() -> None:
    """The exact command, whoever offers the program."""
    missing = replace(OCI_RUNTIMES["runsc"], name="no-such-runtime")
    check = checks.check_oci_runtime(missing)
    assert (check.usable, check.fix) == (False, OCI_RUNTIMES["runsc"].install)


@pytest.mark.parametrize(("limit", "usable"), [(1024, False), (524_288, True)])
def test_tells_a_hard_limit_on_open_files_that_is_too_low(limit: int, usable: bool) -> None:
    """With the number of environments that it allows, and the command that raises it."""
    check = checks.check_descriptors(limit)
    assert check.usable is usable
    assert str(environments_that_fit(limit)) in check.detail
    assert ("--nofile" in (check.fix or "")) is not usable
