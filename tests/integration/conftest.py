"""Which OCI runtimes the tests of isolation run with."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["crun", "runsc"])
def runtime(request: pytest.FixtureRequest) -> str:
    """Name of an OCI runtime; `./dev test` installs them."""
    name: str = request.param
    return name
