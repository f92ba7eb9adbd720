"""Python runtimes: an interpreter of this machine plus AWS's own client for it.

A prepared one is two directories that a sandbox mounts read-only: the interpreter at `/var/lang`
and, at `/var/runtime`, the client libraries (awslambdaric, boto3 and what they need) with
`bootstrap.py` and the init shim. Libraries are pinned and hashed in `requirements/`, are installed
by uv once per Python version into the cache directory, and compiled to bytecode that is not
checked against its source, since nothing changes there afterwards.

Cache layout: `libraries/<key>` (what uv installed), `runtimes/<key>` (hard links to those plus our
files) and `interpreters/<name>` (links to the system's interpreter).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from lambd.runtimes import interpreters
from lambd.runtimes.cache import Cache, appearing, make_readable, run
from lambd.runtimes.catalogue import Family, Runtime
from lambd.runtimes.interpreters import Interpreter
from lambd.runtimes.prepared_runtime import (
    LANG_DIR,
    RUNTIME_DIR,
    PreparedRuntime,
    RuntimeStatus,
    RuntimeUnavailableError,
)

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements"


class PythonProvisioner:
    """Implements `provision.FamilyProvisioner`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def can_run(self, runtime: Runtime) -> bool:
        """Whether there are pinned client libraries."""
        return runtime.family is Family.PYTHON and _lock_file(runtime).is_file()

    def prepare(self, runtime: Runtime) -> PreparedRuntime:
        """See the protocol."""
        interpreter = self._interpreter(runtime)
        requirements = _lock_file(runtime).read_bytes()
        libraries = self._install(interpreter, requirements)
        runtime_dir = self._assemble(interpreter, libraries)
        return self._describe(runtime, interpreter, requirements, runtime_dir)

    def version_hash(self, runtime: Runtime) -> str:
        """See the protocol."""
        requirements = _lock_file(runtime).read_bytes()
        return _version_hash(runtime, self._interpreter(runtime), requirements)

    def status(self, runtime: Runtime) -> RuntimeStatus:
        """See the protocol."""
        try:
            interpreter = self._interpreter(runtime)
        except RuntimeUnavailableError as exc:
            return RuntimeStatus(
                identifier=runtime.identifier,
                is_usable=False,
                detail=exc.message,
                fix=_install_command(runtime),
            )
        libraries = self._library_dir(interpreter, _lock_file(runtime).read_bytes())
        patch = ".".join(str(part) for part in interpreter.version)
        return RuntimeStatus(
            identifier=runtime.identifier,
            is_usable=True,
            detail=f"{interpreter.executable} ({patch})",
            is_installed=libraries.is_dir(),
        )

    def _interpreter(self, runtime: Runtime) -> Interpreter:
        version = runtime.python_version or (0, 0)
        interpreter, rejected = interpreters.find(version, self._cache.environ)
        if interpreter is None:
            found = "".join(f" Found {each.executable}, which {each.reason}." for each in rejected)
            raise RuntimeUnavailableError(
                f"No Python {runtime.version} on this machine.{found} Install it with "
                f"`{_install_command(runtime)}`, pyenv or the system's packages, then update the "
                "function."
            )
        return interpreter

    def _library_dir(self, interpreter: Interpreter, requirements: bytes) -> Path:
        digest = hashlib.sha256(requirements).hexdigest()[:16]
        key = f"{interpreter.name}-{platform.machine()}-{digest}"
        return self._cache.directory / "libraries" / key

    def _install(self, interpreter: Interpreter, requirements: bytes) -> Path:
        """The directory of installed and compiled client libraries."""
        target = self._library_dir(interpreter, requirements)
        with appearing(target) as building:
            if building is not None:
                lock_file = building.parent / "requirements.txt"
                lock_file.write_bytes(requirements)
                failure = self._cache.uv_install(interpreter.executable, lock_file, building)
                if failure is not None:
                    raise RuntimeUnavailableError(
                        f"AWS's runtime interface client for {interpreter.name} could not be "
                        f"installed: {failure} It comes from the Python package index once; check "
                        "the network, or set UV_DEFAULT_INDEX or UV_FIND_LINKS for uv, then update "
                        "the function."
                    )
                shutil.rmtree(building / "bin", ignore_errors=True)
                _compile(interpreter, building)
                make_readable(building)
        return target

    def _assemble(self, interpreter: Interpreter, libraries: Path) -> Path:
        """The directory for /var/runtime: hard links to the libraries, and our own programs."""
        programs = {
            "bootstrap.py": (_HERE / "bootstrap.py").read_bytes(),
            "lambd_init.py": (_HERE / "shims" / "init.py").read_bytes(),
            "lambd_streaming.py": (_HERE / "shims" / "streaming.py").read_bytes(),
        }
        digest = hashlib.sha256(b"\0".join(programs.values())).hexdigest()[:16]
        target = self._cache.directory / "runtimes" / f"{libraries.name}-{digest}"
        with appearing(target) as building:
            if building is not None:
                shutil.copytree(libraries, building, copy_function=os.link, dirs_exist_ok=True)
                for name, content in programs.items():
                    (building / name).write_bytes(content)
                _compile(interpreter, building, programs)
                make_readable(building)
        return target

    def _lang_dir(self, interpreter: Interpreter) -> Path:
        if not interpreter.is_system:
            return interpreter.prefix
        names = (interpreter.name, "python3", "python")
        return self._cache.links(interpreter.name, dict.fromkeys(names, interpreter.executable))

    def _overlays(self, interpreter: Interpreter) -> tuple[tuple[Path, str], ...]:
        empty = self._cache.empty()
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
        execution_env = runtime.execution_env or ""
        interpreter_root = self._lang_dir(interpreter)
        return PreparedRuntime(
            identifier=runtime.identifier,
            interpreter_root=interpreter_root,
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
            version_string=f"python:{major}.{minor}.v{patch + 1}",
            version_hash=_version_hash(runtime, interpreter, requirements),
            essentials=(
                interpreter_root / "bin" / interpreter.name,
                runtime_dir / "bootstrap.py",
            ),
        )


def _version_hash(runtime: Runtime, interpreter: Interpreter, requirements: bytes) -> str:
    identity = f"{runtime.identifier} {interpreter.version}".encode() + requirements
    return hashlib.sha256(identity).hexdigest()


def _install_command(runtime: Runtime) -> str:
    return f"uv python install {runtime.version}"


def _lock_file(runtime: Runtime) -> Path:
    """The pinned requirements of a runtime, if lambd can run it."""
    return _REQUIREMENTS / f"{runtime.identifier}.txt"


def _compile(
    interpreter: Interpreter, directory: Path, names: Mapping[str, bytes] | None = None
) -> None:
    """Write bytecode next to the sources, which readers of a read-only mount cannot do."""
    paths = [str(directory / name) for name in names] if names else [str(directory)]
    argv = [str(interpreter.executable), "-I", "-S", "-m", "compileall", "-q"]
    # Tracebacks name files as they are called inside, not where they were compiled.
    prefix = ["-s", str(directory), "-p", RUNTIME_DIR]
    argv += ["--invalidation-mode", "unchecked-hash", *prefix, *paths]
    failure = run(argv, {}, cwd=directory)
    if failure is not None:
        message = f"The client libraries for {interpreter.name} could not be compiled: {failure}"
        raise RuntimeUnavailableError(message)
