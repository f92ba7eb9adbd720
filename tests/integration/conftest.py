"""Which OCI runtimes the tests of isolation run with.

crun everywhere. gVisor's runsc, which Debian does not have, where somebody has installed it;
elsewhere its variants of the tests are left out, and the summary says so.
"""

from __future__ import annotations

import pytest

from lambd.sandbox.oci import find_program

_OPTIONAL = "runsc"


@pytest.fixture(params=["crun", _OPTIONAL])
def runtime(request: pytest.FixtureRequest) -> str:
    """Name of an OCI runtime."""
    name: str = request.param
    return name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run on this machine."""
    if find_program(_OPTIONAL) is not None:
        return
    left_out = [item for item in items if _runtime_of(item) == _OPTIONAL]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    if find_program(_OPTIONAL) is None:
        terminalreporter.write_line(
            f"{_OPTIONAL} is not installed: the tests of isolation did not run with it"
            " (`lambd doctor` says how to get it)",
            yellow=True,
        )


def _runtime_of(item: pytest.Item) -> object:
    """The value of the fixture `runtime` in a test."""
    return item.callspec.params.get("runtime") if hasattr(item, "callspec") else None
