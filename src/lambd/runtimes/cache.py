"""The cache directory of runtimes: what was installed from registries, and how it gets there.

Each directory appears by one rename under an exclusive lock and once it is on disk, so a name that
exists is complete, whoever else uses the cache, whenever somebody is killed or the power is cut. Everything in it can be made again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uv

from lambd.runtimes.prepared_runtime import RuntimeUnavailableError
from lambd.trees import publish

_INSTALL_TIMEOUT_S = 900.0


class Cache:
    """One cache directory, with the environment variables that installers run with."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.environ = dict(os.environ if environ is None else environ)

    def empty(self) -> Path:
        """A directory with nothing in it, to cover others with."""
        empty = self.directory / "empty"
        empty.mkdir(mode=0o755, parents=True, exist_ok=True)
        return empty

    def links(self, name: str, programs: Mapping[str, Path]) -> Path:
        """`interpreters/<name>`: a directory for /var/lang whose bin has links to programs."""
        target = self.directory / "interpreters" / name
        with appearing(target) as building:
            if building is not None:
                (building / "bin").mkdir()
                for link, program in programs.items():
                    (building / "bin" / link).symlink_to(program)
                make_readable(building)
        return target

    def uv_install(self, python: Path, lock_file: Path, target: Path) -> str | None:
        """Install pinned and hashed packages into a directory; what uv said if it failed."""
        argv = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-python-downloads"]
        argv += ["--python", str(python), "--target", str(target)]
        # Copies, because links into uv's cache would break with it.
        argv += ["--require-hashes", "--no-deps", "--link-mode", "copy", "-r", str(lock_file)]
        return self.run(argv, cwd=target)

    def run(self, argv: list[str], cwd: Path) -> str | None:
        """`run` with our environment variables."""
        return run(argv, self.environ, cwd)


@contextmanager
def appearing(target: Path) -> Iterator[Path | None]:
    """Yield a directory to fill, which becomes `target` by rename; None if `target` exists.

    Processes and threads that want the same target wait for the first of them.
    """
    if target.is_dir():
        yield None
        return
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = target.parent / f".{target.name}.lock"
    with lock.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if target.is_dir():
            yield None
            return
        prefix = f".{target.name}.building-"
        # What a killed predecessor left; nobody else builds this target while we hold the lock.
        for stale in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as scratch:
            building = Path(scratch) / "tree"
            building.mkdir()
            yield building
            publish(building, target)


def run(argv: list[str], environ: Mapping[str, str], cwd: Path) -> str | None:
    """Run a program to its end; the last lines of its talk if it failed."""
    try:
        ran = subprocess.run(  # noqa: S603 - our own argument vectors
            argv,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_TIMEOUT_S,
            umask=0o022,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{argv[0]}: {exc}"
    if ran.returncode == 0:
        return None
    talk = (ran.stderr.strip() or ran.stdout.strip() or f"exit status {ran.returncode}")[-1000:]
    return " ".join(talk.split())


def make_readable(tree: Path) -> None:
    """Let a sandbox's unprivileged user read a tree, whatever our umask is."""
    tree.chmod(0o755)
    for directory, subdirectories, files in os.walk(tree):
        for name in subdirectories:
            Path(directory, name).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444)


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Say what could not be stored when the disk is full, read-only or not ours."""
    try:
        yield
    except OSError as exc:
        raise RuntimeUnavailableError(f"{what} could not be stored: {exc}") from exc
