"""Make a runtime identifier runnable: an interpreter of this machine plus AWS's own client for it.

A prepared runtime is two directories that a sandbox mounts read-only: the interpreter at
`/var/lang` and, at `/var/runtime`, the client libraries (awslambdaric, boto3 and what they need)
with `bootstrap.py` and the init shim. Libraries are pinned and hashed in `requirements/`, are
installed by uv once per Python version into the cache directory, and compiled to bytecode that is
not checked against its source, since nothing changes there afterwards.

Cache layout: `libraries/<key>` (what uv installed), `runtimes/<key>` (hard links to those plus our
files) and `interpreters/<name>` (links to the system's interpreter). Each directory appears by one
rename under an exclusive lock, so a name that exists is complete.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uv

from lambd.model.errors import PlatformError
from lambd.runtimes import interpreters
from lambd.runtimes.catalogue import RUNTIMES, Family, Runtime
from lambd.runtimes.interpreters import Interpreter

# Where a sandbox shows the two directories.
LANG_DIR = "/var/lang"
RUNTIME_DIR = "/var/runtime"

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements"
_INSTALL_TIMEOUT_S = 900.0


class RuntimeUnavailableError(PlatformError):
    """This machine cannot run the runtime; the message tells what to install (`InvalidRuntime`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRuntime:
    """Everything that starting an environment of a runtime needs. Texts are paths inside."""

    identifier: str
    # Mounted at LANG_DIR; for the system's interpreter, a directory of links into /usr.
    interpreter_root: Path
    # Mounted at RUNTIME_DIR.
    runtime_dir: Path
    # Mounted over the interpreter's own package directories, as (source, path inside), so that
    # functions find there what AWS has there and not what this machine's owner installed.
    overlays: tuple[tuple[Path, str], ...]
    # Interpreter and script of a sandbox's init process, and its environment.
    init_argv: tuple[str, ...]
    init_environment: Mapping[str, str]
    # The runtime process where init may not fork it (`environment.StartMode.EXEC`).
    argv: tuple[str, ...]
    # `AWS_EXECUTION_ENV`.
    execution_env: str
    # `Runtime Version` of INIT_START, `python:3.12.v1`: v and the interpreter's patch release.
    version_string: str
    # 64 hex digits naming the interpreter's release and the client libraries.
    version_hash: str

    def version_arn(self, region: str, partition: str = "aws") -> str:
        """`Runtime Version ARN` of INIT_START and of RuntimeVersionConfig."""
        return f"arn:{partition}:lambda:{region}::runtime:{self.version_hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """One runtime in the doctor's report."""

    identifier: str
    is_usable: bool
    # The interpreter that would run it, or why there is none.
    detail: str
    # Whether the client libraries are there already; else the first function installs them.
    is_installed: bool = False
    # The command that makes it usable; None if it is or if there is none.
    fix: str | None = None


class Provisioner:
    """Prepares runtimes in one cache directory, which other processes may share.

    Calls are safe concurrently, and quick once a runtime is prepared.
    """

    def __init__(self, cache_dir: Path, environ: Mapping[str, str] | None = None) -> None:
        self._cache_dir = cache_dir.absolute()
        self._environ = dict(os.environ if environ is None else environ)
        self._prepared: dict[str, PreparedRuntime] = {}

    async def prepare(self, identifier: str) -> PreparedRuntime:
        """Find the interpreter, install its client libraries if need be, and describe the result.

        Raises:
            RuntimeUnavailableError: the message becomes the function's StateReason.
        """
        known = self._prepared.get(identifier)
        if known is not None and _is_still_there(known):
            return known
        prepared = await asyncio.to_thread(self._prepare, identifier)
        self._prepared[identifier] = prepared
        return prepared

    async def available(self) -> list[RuntimeStatus]:
        """Tell for each runtime that lambd can run whether this machine can; installs nothing."""
        return await asyncio.to_thread(
            lambda: [self._status(runtime) for runtime in RUNTIMES.values() if _lock_file(runtime)]
        )

    def _prepare(self, identifier: str) -> PreparedRuntime:
        runtime = _runnable(identifier)
        interpreter = self._interpreter(runtime)
        requirements = _requirements(runtime)
        try:
            libraries = self._install(interpreter, requirements)
            runtime_dir = self._assemble(interpreter, libraries)
            return self._describe(runtime, interpreter, requirements, runtime_dir)
        except OSError as exc:
            message = f"The client libraries of {identifier} could not be stored: {exc}"
            raise RuntimeUnavailableError(message) from exc

    def _interpreter(self, runtime: Runtime) -> Interpreter:
        version = runtime.python_version
        if version is None:
            raise RuntimeUnavailableError(_not_python(runtime))
        interpreter, rejected = interpreters.find(version, self._environ)
        if interpreter is None:
            found = "".join(f" Found {each.executable}, which {each.reason}." for each in rejected)
            raise RuntimeUnavailableError(
                f"No Python {runtime.version} on this machine.{found} Install it with "
                f"`{_install_command(runtime)}`, pyenv or the system's packages, then update the "
                "function."
            )
        return interpreter

    def _status(self, runtime: Runtime) -> RuntimeStatus:
        try:
            interpreter = self._interpreter(runtime)
        except RuntimeUnavailableError as exc:
            return RuntimeStatus(
                identifier=runtime.identifier,
                is_usable=False,
                detail=exc.message,
                fix=_install_command(runtime),
            )
        libraries = self._library_dir(interpreter, _requirements(runtime))
        patch = ".".join(str(part) for part in interpreter.version)
        return RuntimeStatus(
            identifier=runtime.identifier,
            is_usable=True,
            detail=f"{interpreter.executable} ({patch})",
            is_installed=libraries.is_dir(),
        )

    def _library_dir(self, interpreter: Interpreter, requirements: bytes) -> Path:
        digest = hashlib.sha256(requirements).hexdigest()[:16]
        key = f"{interpreter.name}-{platform.machine()}-{digest}"
        return self._cache_dir / "libraries" / key

    def _install(self, interpreter: Interpreter, requirements: bytes) -> Path:
        """The directory of installed and compiled client libraries."""
        target = self._library_dir(interpreter, requirements)
        with _appearing(target) as building:
            if building is not None:
                lock_file = building.parent / "requirements.txt"
                lock_file.write_bytes(requirements)
                _uv_install(interpreter, lock_file, building, self._environ)
                shutil.rmtree(building / "bin", ignore_errors=True)
                _compile(interpreter, building)
                _make_readable(building)
        return target

    def _assemble(self, interpreter: Interpreter, libraries: Path) -> Path:
        """The directory for /var/runtime: hard links to the libraries, and our own programs."""
        programs = {
            "bootstrap.py": (_HERE / "bootstrap.py").read_bytes(),
            "lambd_init.py": (_HERE / "shims" / "init.py").read_bytes(),
        }
        digest = hashlib.sha256(b"\0".join(programs.values())).hexdigest()[:16]
        target = self._cache_dir / "runtimes" / f"{libraries.name}-{digest}"
        with _appearing(target) as building:
            if building is not None:
                shutil.copytree(libraries, building, copy_function=os.link, dirs_exist_ok=True)
                for name, content in programs.items():
                    (building / name).write_bytes(content)
                _compile(interpreter, building, programs)
                _make_readable(building)
        return target

    def _lang_dir(self, interpreter: Interpreter) -> Path:
        if not interpreter.is_system:
            return interpreter.prefix
        target = self._cache_dir / "interpreters" / interpreter.name
        with _appearing(target) as building:
            if building is not None:
                (building / "bin").mkdir()
                for name in (interpreter.name, "python3", "python"):
                    (building / "bin" / name).symlink_to(interpreter.executable)
                _make_readable(building)
        return target

    def _overlays(self, interpreter: Interpreter) -> tuple[tuple[Path, str], ...]:
        empty = self._cache_dir / "empty"
        empty.mkdir(mode=0o755, parents=True, exist_ok=True)
        shown: list[tuple[Path, str]] = []
        for directory in interpreter.package_directories:
            real = directory.resolve()
            if interpreter.is_system:
                shown.append((empty, str(real)))
            elif real.is_relative_to(interpreter.prefix):
                shown.append((empty, f"{LANG_DIR}/{real.relative_to(interpreter.prefix)}"))
        return tuple(shown)

    def _describe(
        self, runtime: Runtime, interpreter: Interpreter, requirements: bytes, runtime_dir: Path
    ) -> PreparedRuntime:
        program = f"{LANG_DIR}/bin/{interpreter.name}"
        major, minor, patch = interpreter.version
        identity = f"{runtime.identifier} {interpreter.version}".encode() + requirements
        execution_env = runtime.execution_env or ""
        return PreparedRuntime(
            identifier=runtime.identifier,
            interpreter_root=self._lang_dir(interpreter),
            runtime_dir=runtime_dir,
            overlays=self._overlays(interpreter),
            # Without site: quicker, and no .pth file of this machine's owner runs. bootstrap.py
            # makes up for the rest of it.
            init_argv=(program, "-S", f"{RUNTIME_DIR}/lambd_init.py"),
            init_environment={
                # Interpreters built with --enable-shared know only where they were installed.
                "LD_LIBRARY_PATH": f"{LANG_DIR}/lib",
                "LANG": "C.UTF-8",
                "TZ": ":UTC",
                "PATH": f"{LANG_DIR}/bin:/usr/local/bin:/usr/bin:/bin",
                # AWS's client chooses its JSON dialect by it when it is imported.
                "AWS_EXECUTION_ENV": execution_env,
            },
            argv=(program, f"{RUNTIME_DIR}/bootstrap.py"),
            execution_env=execution_env,
            version_string=f"python:{major}.{minor}.v{patch}",
            version_hash=hashlib.sha256(identity).hexdigest(),
        )


def _runnable(identifier: str) -> Runtime:
    runtime = RUNTIMES.get(identifier)
    if runtime is None:
        raise RuntimeUnavailableError(f"The runtime {identifier} is unknown.")
    if _lock_file(runtime) is None:
        raise RuntimeUnavailableError(_not_python(runtime))
    return runtime


def _not_python(runtime: Runtime) -> str:
    names = sorted(RUNTIMES.values(), key=lambda each: each.python_version or (0, 0))
    usable = ", ".join(each.identifier for each in names if _lock_file(each))
    return (
        f"This release of lambd cannot run {runtime.identifier}, whatever is installed. "
        f"It runs {usable}."
    )


def _install_command(runtime: Runtime) -> str:
    return f"uv python install {runtime.version}"


def _lock_file(runtime: Runtime) -> Path | None:
    """The pinned requirements of a runtime; None for those that lambd cannot run."""
    if runtime.family is not Family.PYTHON:
        return None
    path = _REQUIREMENTS / f"{runtime.identifier}.txt"
    return path if path.is_file() else None


def _requirements(runtime: Runtime) -> bytes:
    path = _lock_file(runtime)
    if path is None:
        raise RuntimeUnavailableError(_not_python(runtime))
    return path.read_bytes()


def _is_still_there(prepared: PreparedRuntime) -> bool:
    """Whether somebody has cleared the cache or removed the interpreter since."""
    program = prepared.interpreter_root / "bin" / prepared.identifier
    return program.exists() and (prepared.runtime_dir / "bootstrap.py").exists()


@contextmanager
def _appearing(target: Path) -> Iterator[Path | None]:
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
            building.rename(target)


def _uv_install(
    interpreter: Interpreter, lock_file: Path, target: Path, environ: Mapping[str, str]
) -> None:
    argv = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-python-downloads"]
    argv += ["--python", str(interpreter.executable), "--target", str(target)]
    # Copies, because links into uv's cache would break with it.
    argv += ["--require-hashes", "--no-deps", "--link-mode", "copy", "-r", str(lock_file)]
    failure = _run(argv, environ, cwd=target)
    if failure is not None:
        raise RuntimeUnavailableError(
            f"AWS's runtime interface client for {interpreter.name} could not be installed: "
            f"{failure} It comes from the Python package index once; check the network, or set "
            "UV_DEFAULT_INDEX or UV_FIND_LINKS for uv, then update the function."
        )


def _compile(
    interpreter: Interpreter, directory: Path, names: Mapping[str, bytes] | None = None
) -> None:
    """Write bytecode next to the sources, which readers of a read-only mount cannot do."""
    paths = [str(directory / name) for name in names] if names else [str(directory)]
    argv = [str(interpreter.executable), "-I", "-S", "-m", "compileall", "-q"]
    argv += ["--invalidation-mode", "unchecked-hash", *_source_prefix(directory), *paths]
    failure = _run(argv, {}, cwd=directory)
    if failure is not None:
        message = f"The client libraries for {interpreter.name} could not be compiled: {failure}"
        raise RuntimeUnavailableError(message)


def _source_prefix(directory: Path) -> tuple[str, ...]:
    """Make tracebacks name files as they are called inside, not where they were compiled."""
    return ("-s", str(directory), "-p", RUNTIME_DIR)


def _run(argv: list[str], environ: Mapping[str, str], cwd: Path) -> str | None:
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


def _make_readable(tree: Path) -> None:
    """Let a sandbox's unprivileged user read a tree, whatever our umask is."""
    tree.chmod(0o755)
    for directory, subdirectories, files in os.walk(tree):
        for name in subdirectories:
            Path(directory, name).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444)
