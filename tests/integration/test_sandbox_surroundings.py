"""What code finds inside a sandbox, as on AWS: the shell, the entry point, limits, addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.sandbox_probe import opened_driver, started

pytestmark = pytest.mark.oci


async def test_sh_is_bash(runtime: str, tmp_path: Path) -> None:
    """Bootstraps of OS-only functions say #!/bin/sh and use what bash has."""
    script = "set -o pipefail; false | true; echo $? ${BASH_VERSION:+bash}"
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert (await probe.run("/bin/sh", "-c", script)).output == "1 bash\n"
        assert (await probe.run("/usr/bin/sh", "-c", script)).output == "1 bash\n"


async def test_the_entry_point_hands_the_handler_to_the_runtime(
    runtime: str, tmp_path: Path
) -> None:
    """Programs look for it to know where they are."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        without = await probe.run("/lambda-entrypoint.sh")
        assert (without.status >> 8, "handler name" in without.output) == (142, True)
        outcome = await probe.run("/lambda-entrypoint.sh", "app.handler")
        assert "/var/runtime/bootstrap" in outcome.output


async def test_limits_are_awss(runtime: str, tmp_path: Path) -> None:
    """Open files and locked memory."""
    source = """
import resource
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_MEMLOCK))
"""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert await probe.python(source) == "(1024, 1024) (65536, 65536)"


async def test_the_runtime_api_is_at_awss_address(runtime: str, tmp_path: Path) -> None:
    """Link-local, and nobody else's to reach."""
    async with opened_driver(tmp_path / "run", runtime=runtime) as driver, started(driver) as probe:
        assert probe.sandbox.runtime_api_address == "169.254.100.1:9001"
        assert probe.sandbox.runtime_api_socket.getsockname() == ("169.254.100.1", 9001)
