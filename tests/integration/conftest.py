"""Which OCI runtimes the tests of isolation run with."""

from __future__ import annotations

import pytest

from lambd.sandbox.oci import find_program


@pytest.fixture(params=["crun", "runsc"])
def runtime(request: pytest.FixtureRequest) -> str:
    """Name of an OCI runtime; gVisor's, which Debian does not have, where somebody installed it."""
    name: str = request.param
    if name == "runsc" and find_program(name) is None:
        pytest.skip(
            "runsc is not installed: not tested with it (`lambd doctor` says how to get it)"
        )
    return name
