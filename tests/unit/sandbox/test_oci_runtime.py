"""The OCI runtimes' command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.config import DRIVERS
from lambd.sandbox.oci_runtime import OCI_RUNTIMES, OciCall

_CALL = OciCall(program="/usr/bin/x", state_dir="/state", bundle_dir=Path("/bundles/s1"))


def test_every_isolating_driver_is_an_oci_runtime() -> None:
    """What can be configured can be started."""
    assert {*OCI_RUNTIMES, "process"} == set(DRIVERS)


@pytest.mark.parametrize("name", list(OCI_RUNTIMES))
def test_a_command_starts_the_bundle_and_ends(name: str) -> None:
    """Detached, with its process id written down and its notes where they are removed."""
    command = OCI_RUNTIMES[name].command(_CALL)
    assert command[:5] == ["/usr/bin/x", "--root", "/state", "--log", "/bundles/s1/runtime.log"]
    run = command[command.index("run") :]
    assert run[:4] == ["run", "--detach", "--pid-file", "/bundles/s1/pid"]
    assert run[-3:] == ["--bundle", "/bundles/s1", "s1"]


def test_gvisor_gets_the_same_descriptors_and_nothing_for_tests_only() -> None:
    """Log and control socket stay 3 and 4; every measure of isolation stays on."""
    command = OCI_RUNTIMES["runsc"].command(_CALL)
    assert {"--pass-fd=3:3", "--pass-fd=4:4", "--network=host", "--ignore-cgroups"} <= set(command)
    assert not [flag for flag in command if "TESTONLY" in flag or "rootless" in flag]
