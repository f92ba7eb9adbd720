"""Where the process driver has the paths of a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambd.sandbox.driver import Mount
from lambd.sandbox.process import Paths

_PATHS = Paths(
    (
        Mount(source=Path("/srv/lang"), target="/var/lang"),
        Mount(source=Path("/srv/code"), target="/var/task"),
        Mount(source=Path("/srv/part"), target="/var/task/part"),
    ),
    Path("/run/x"),
)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        pytest.param("/var/task", "/srv/code", id="mount"),
        pytest.param("/var/task/a.py", "/srv/code/a.py", id="below a mount"),
        pytest.param("/var/task/part/a", "/srv/part/a", id="innermost mount"),
        pytest.param("/var/tasks", "/run/x/var/tasks", id="not a prefix"),
        pytest.param("/tmp/a", "/run/x/tmp/a", id="tmp"),  # noqa: S108
        pytest.param("/opt", "/run/x/opt", id="no layers"),
        pytest.param("/usr/bin/python3", "/usr/bin/python3", id="the host's own"),
        pytest.param("-S", "-S", id="no path"),
    ],
)
def test_finds_paths_on_the_host(inside: str, outside: str) -> None:
    """Mounts first, then the sandbox's own directory, else the host's."""
    assert _PATHS.on_host(inside) == outside


def test_translates_search_paths() -> None:
    """Part by part."""
    assert _PATHS.search_path("/var/lang/lib:/usr/lib::x") == "/srv/lang/lib:/usr/lib::x"
