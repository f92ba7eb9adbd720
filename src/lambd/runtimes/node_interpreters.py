"""Find the Node.js installations of this machine and prove that they can serve functions.

Looks where people have them: PATH, nvm, fnm, volta, mise, asdf, n, /usr/local, /opt, /usr. Version
managers' shims are followed to the installation behind them, since that is what a sandbox mounts.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROBE_TIMEOUT_S = 20.0
# The mapped files show which shared libraries it needs: distributions' builds have many.
_PROBE = """
const maps = require("fs").readFileSync("/proc/self/maps", "utf8").split("\\n");
const files = maps.map((line) => line.slice(line.indexOf("/"))).filter((name) => /[.]so/.test(name));
process.stdout.write(JSON.stringify({
    version: process.versions.node.split(".").map(Number),
    executable: process.execPath,
    libraries: [...new Set(files)],
}));
"""
# The first releases that know every option which AWS's runtime is started with, and every function
# that `shims/node` calls.
_OLDEST_RELEASES = {20: (20, 19), 22: (22, 15)}
# A sandbox shows these host directories as they are.
_SYSTEM_DIRECTORIES = ("/usr", "/lib", "/lib64")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInterpreter:
    """One usable installation of Node.js."""

    version: tuple[int, int, int]
    # The program itself, symlinks resolved.
    executable: Path

    @property
    def prefix(self) -> Path:
        """The installation's root."""
        return self.executable.parent.parent

    @property
    def is_system(self) -> bool:
        """Whether a sandbox has it already, because the host's /usr is mounted."""
        return self.executable.is_relative_to("/usr")


def find(major: int, environ: Mapping[str, str]) -> NodeInterpreter | None:
    """The newest usable release of a major version; among equals, the first found.

    Runs each candidate once; blocks for as long as that takes.
    """
    seen: set[Path] = set()
    usable: list[NodeInterpreter] = []
    for candidate in candidates(major, environ):
        resolved = candidate.resolve()
        if resolved in seen or not os.access(candidate, os.X_OK) or candidate.is_dir():
            continue
        seen.add(resolved)
        found = probe(candidate, major)
        if found is not None:
            usable.append(found)
    return max(usable, key=lambda node: node.version, default=None)


def probe(candidate: Path, major: int) -> NodeInterpreter | None:
    """Run a program and judge the installation behind it; None if it cannot serve functions."""
    try:
        ran = subprocess.run(  # noqa: S603 - a path that we found
            [str(candidate), "-e", _PROBE],
            env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
            cwd="/",
        )
        facts = json.loads(ran.stdout) if ran.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if not isinstance(facts, dict):
        return None
    version = (*facts["version"], 0, 0, 0)[:3]
    node = NodeInterpreter(version=version, executable=Path(facts["executable"]).resolve())
    if version[0] != major or version[:2] < _OLDEST_RELEASES.get(major, (0, 0)):
        return None
    if not node.is_system and (node.executable.name, node.executable.parent.name) != (
        "node",
        "bin",
    ):
        return None
    shown = (str(node.prefix), *_SYSTEM_DIRECTORIES)
    for library in facts["libraries"]:
        if not any(str(library).startswith(f"{root}/") for root in shown):
            return None
    return node


def candidates(major: int, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a Node.js of this version may be, in order of preference."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    for directory in environ.get("PATH", "").split(os.pathsep):
        if directory.startswith("/") and (Path(directory) / "node").exists():
            yield Path(directory) / "node"
    for root, pattern in (
        (Path(environ.get("NVM_DIR") or home / ".nvm") / "versions/node", f"v{major}.*/bin/node"),
        (Path(environ.get("FNM_DIR") or data / "fnm") / "node-versions", f"v{major}.*/*/bin/node"),
        (home / ".volta/tools/image/node", f"{major}.*/bin/node"),
        (data / "mise/installs/node", f"{major}.*/bin/node"),
        (home / ".asdf/installs/nodejs", f"{major}.*/bin/node"),
        (Path(environ.get("N_PREFIX") or "/usr/local") / "n/versions/node", f"{major}.*/bin/node"),
        (Path("/usr/local/bin"), "node"),
        (Path("/opt"), "*/bin/node"),
        (Path("/usr/bin"), "node"),
    ):
        if root.is_dir():
            yield from sorted(root.glob(pattern))
