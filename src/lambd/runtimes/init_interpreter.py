"""The Python that runs a sandbox's init shim where the runtime brings no Python of its own.

The system's, which sandboxes see with the host's /usr; else the one that runs lambd, shown at a
place of its own. Functions may start either, but nothing of theirs depends on it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from lambd.runtimes import interpreters
from lambd.runtimes.cache import Cache
from lambd.runtimes.interpreters import Interpreter
from lambd.runtimes.prepared_runtime import RUNTIME_DIR, RuntimeUnavailableError

# Where an interpreter is shown that /usr does not have.
INIT_DIR = "/var/lambd"
_SYSTEM_PYTHON = Path("/usr/bin/python3")
# The oldest that the shim supports.
_OLDEST = (3, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitInterpreter:
    """How a sandbox's init process is started with it."""

    # On the host.
    executable: Path
    # Paths inside.
    argv: tuple[str, ...]
    environment: dict[str, str]
    # As in `PreparedRuntime`: source, path inside.
    overlays: tuple[tuple[Path, str], ...]


def find(cache: Cache, system: Path = _SYSTEM_PYTHON) -> InitInterpreter:
    """Choose the interpreter.

    Args:
        system: the system's Python, if there is one.

    Raises:
        RuntimeUnavailableError: not even lambd's own can be shown in a sandbox.
    """
    interpreter = _system(system) or _own(cache)
    root = "/usr" if interpreter.is_system else INIT_DIR
    environment = {"LANG": "C.UTF-8", "TZ": ":UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    overlays: list[tuple[Path, str]] = []
    if not interpreter.is_system:
        environment["LD_LIBRARY_PATH"] = f"{root}/lib"
        overlays.append((interpreter.prefix, root))
        for directory in interpreter.package_directories:
            real = directory.resolve()
            if real.is_relative_to(interpreter.prefix):
                inside = f"{root}/{real.relative_to(interpreter.prefix)}"
                overlays.append((cache.empty(), inside))
    program = f"{root}/bin/{interpreter.name}"
    return InitInterpreter(
        executable=interpreter.executable,
        argv=(program, "-I", "-S", f"{RUNTIME_DIR}/lambd_init.py"),
        environment=environment,
        overlays=tuple(overlays),
    )


def _system(python: Path) -> Interpreter | None:
    """The system's Python, if it is new enough and complete."""
    found = re.fullmatch(r"python(\d+)\.(\d+)", python.resolve().name)
    if found is None:
        return None
    version = (int(found[1]), int(found[2]))
    probed = interpreters.probe(python, version) if version >= _OLDEST else None
    return probed if isinstance(probed, Interpreter) and probed.is_system else None


def _own(cache: Cache) -> Interpreter:
    """The Python that runs lambd."""
    version = (sys.version_info[0], sys.version_info[1])
    interpreter, rejected = interpreters.find(version, cache.environ)
    if interpreter is None:
        found = "".join(f" Found {each.executable}, which {each.reason}." for each in rejected)
        raise RuntimeUnavailableError(
            f"No Python that can run inside a sandbox.{found} Install the system's python3, then "
            "update the function."
        )
    return interpreter
