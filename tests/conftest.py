"""What the tests need that not every machine has: gVisor's runsc, which is not in Debian.

Tests name it as the value of their parameter `runtime`. Where nobody has installed it, they are left
out, and the summary says so.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

from lambd.sandbox.oci import find_program

# How many examples a property is tried with: `./dev test` names the thorough profile.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=100, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_OPTIONAL = "runsc"
_LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run on this machine."""
    if find_program(_OPTIONAL) is not None:
        return
    left_out = [item for item in items if _runtime_of(item) == _OPTIONAL]
    config.stash[_LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _runtime_of(item) != _OPTIONAL]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out."""
    count = config.stash.get(_LEFT_OUT, 0)
    if count > 0:
        terminalreporter.write_line(
            f"{_OPTIONAL} is not installed: {count} tests did not run, those of isolation by it"
            " (`lambd doctor` says how to get it)",
            yellow=True,
        )


def _runtime_of(item: pytest.Item) -> object:
    """The value of the parameter `runtime` of a test."""
    return item.callspec.params.get("runtime") if hasattr(item, "callspec") else None
