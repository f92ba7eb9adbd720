"""Find the CPython installations of this machine and prove that they can serve functions.

Looks where people have them: PATH, pyenv, uv, mise, asdf, /usr/local, /opt, /usr. Virtual
environments and version managers' shims are followed to the installation behind them, since that
is what a sandbox mounts. Installing clients into them is `provision.py`'s business.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROBE_TIMEOUT_S = 20.0

# Printed facts about the installation behind the interpreter that runs this; Python 3.9 on.
# The mapped files show which shared libraries `ssl` and `ctypes` need.
_PROBE = """
import json, os, site, ssl, ctypes, sys
with open("/proc/self/maps") as maps:
    files = {line.split(None, 5)[5].strip() for line in maps if line.count(" ") > 4 and "/" in line}
print(json.dumps({
    "implementation": sys.implementation.name,
    "abiflags": sys.abiflags,
    "version": sys.version_info[:3],
    "prefix": os.path.realpath(sys.base_prefix),
    "packages": site.getsitepackages([sys.base_prefix]),
    "libraries": sorted(name for name in files if ".so" in name),
}))
"""

# A sandbox shows these host directories as they are.
_SYSTEM_DIRECTORIES = ("/usr", "/lib", "/lib64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One usable installation of CPython."""

    version: tuple[int, int, int]
    # The installation's root, symlinks resolved; `/usr` for the system's own.
    prefix: Path
    # Directories under the prefix that hold packages of this machine's owner.
    package_directories: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The executable's name, `python3.12`."""
        return f"python{self.version[0]}.{self.version[1]}"

    @property
    def executable(self) -> Path:
        """The interpreter itself, outside of any sandbox."""
        return self.prefix / "bin" / self.name

    @property
    def is_system(self) -> bool:
        """Whether a sandbox has it already, because the host's /usr is mounted."""
        return self.prefix == Path("/usr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An interpreter that was found and cannot be used."""

    executable: Path
    reason: str


def find(
    version: tuple[int, int], environ: Mapping[str, str]
) -> tuple[Interpreter | None, tuple[Rejected, ...]]:
    """The newest usable patch release of a Python version; among equals, the first found.

    Runs each candidate once; blocks for as long as that takes.

    Returns:
        The interpreter, or None; and what was found and not usable.
    """
    usable: list[Interpreter] = []
    rejected: list[Rejected] = []
    for candidate in _distinct_candidates(version, environ):
        outcome = probe(candidate, version)
        if isinstance(outcome, Interpreter):
            usable.append(outcome)
        else:
            rejected.append(outcome)
    best = max(usable, key=lambda interpreter: interpreter.version, default=None)
    return best, tuple(rejected)


def probe(candidate: Path, version: tuple[int, int]) -> Interpreter | Rejected:
    """Run an interpreter and judge the installation behind it."""
    # No site, no user settings: what a virtual environment or PYTHON* adds is not looked at.
    argv = [str(candidate), "-I", "-S", "-c", _PROBE]
    try:
        ran = subprocess.run(  # noqa: S603 - a path that we found
            argv, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False, cwd="/"
        )
        facts = json.loads(ran.stdout) if ran.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        return Rejected(executable=candidate, reason=f"does not run: {exc}")
    if facts is None:
        last_line = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        return Rejected(executable=candidate, reason=f"does not run: {last_line}")
    reason = _objection(facts, version)
    if reason is not None:
        return Rejected(executable=candidate, reason=reason)
    major, minor, micro = facts["version"]
    prefix = Path(facts["prefix"])
    packages = (Path(entry) for entry in facts["packages"])
    return Interpreter(
        version=(major, minor, micro),
        prefix=prefix,
        package_directories=tuple(entry for entry in packages if entry.is_dir()),
    )


def _objection(facts: Mapping[str, object], version: tuple[int, int]) -> str | None:
    """Why an interpreter that runs cannot serve functions."""
    found, prefix = facts["version"], str(facts["prefix"])
    name = f"python{version[0]}.{version[1]}"
    if facts["implementation"] != "cpython":
        return f"is {facts['implementation']}, not CPython"
    if facts["abiflags"]:
        return f"is a special build (abiflags {facts['abiflags']!r})"
    if not isinstance(found, list) or tuple(found[:2]) != version:
        return f"is another version ({found})"
    if not os.access(Path(prefix) / "bin" / name, os.X_OK):
        return f"has no {prefix}/bin/{name}"
    libraries = facts["libraries"]
    shown = (prefix, *_SYSTEM_DIRECTORIES)
    for library in libraries if isinstance(libraries, list) else []:
        if not any(str(library).startswith(f"{root}/") for root in shown):
            return f"needs {library}, which is neither in {prefix} nor in /usr"
    return None


def _distinct_candidates(version: tuple[int, int], environ: Mapping[str, str]) -> Iterator[Path]:
    seen: set[Path] = set()
    for candidate in candidates(version, environ):
        if not (candidate.is_file() and os.access(candidate, os.X_OK)):
            continue
        # A virtual environment's python is a link to the installation's.
        resolved = candidate.resolve()
        if resolved not in seen:
            seen.add(resolved)
            yield resolved


def candidates(version: tuple[int, int], environ: Mapping[str, str]) -> Iterator[Path]:
    """Where an interpreter of this version may be, in order of preference; most do not exist."""
    dotted = f"{version[0]}.{version[1]}"
    name = f"python{dotted}"
    home = Path(environ.get("HOME") or Path.home())
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    if sys.version_info[:2] == version:
        yield Path(sys.base_prefix) / "bin" / name
    for directory in environ.get("PATH", "").split(os.pathsep):
        # pyenv's shims are scripts that fail for versions it has not made current.
        if directory.startswith("/") and Path(directory) != pyenv / "shims":
            yield Path(directory) / name
    for root, pattern in (
        (pyenv / "versions", f"{dotted}*/bin/{name}"),
        (uv, f"cpython-{dotted}*/bin/{name}"),
        (data / "mise/installs/python", f"{dotted}*/bin/{name}"),
        (home / ".asdf/installs/python", f"{dotted}*/bin/{name}"),
        (Path("/usr/local/bin"), name),
        (Path("/opt"), f"*/bin/{name}"),
        (Path("/opt/python"), f"*/bin/{name}"),
        (Path("/usr/bin"), name),
    ):
        if root.is_dir():
            yield from sorted(root.glob(pattern))
