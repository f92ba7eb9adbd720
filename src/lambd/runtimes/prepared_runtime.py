"""What preparing a runtime gives: the values that `provision.py` and its families hand out.

Paths whose names end in `_dir` or are called `root` are the host's; texts are paths inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambd.model.arns import Scope
from lambd.model.errors import PlatformError
from lambd.runtimes.catalogue import RUNTIMES, Family

# Where a sandbox shows interpreter and runtime.
LANG_DIR = "/var/lang"
RUNTIME_DIR = "/var/runtime"


class RuntimeUnavailableError(PlatformError):
    """This machine cannot run the runtime; the message tells what to install (`InvalidRuntime`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRuntime:
    """Everything that starting an environment of a runtime needs. Texts are paths inside."""

    identifier: str
    # Mounted at LANG_DIR; for a system's interpreter, a directory of links into /usr.
    interpreter_root: Path
    # Mounted at RUNTIME_DIR.
    runtime_dir: Path
    # Mounted over directories of the interpreter, as (source, path inside), so that functions find
    # there what AWS has there and not what this machine's owner installed.
    overlays: tuple[tuple[Path, str], ...]
    # Interpreter and script of a sandbox's init process, and its environment.
    init_argv: tuple[str, ...]
    init_environment: Mapping[str, str]
    # The runtime process where init may not fork it (`environment.StartMode.EXEC`).
    argv: tuple[str, ...]
    # `AWS_EXECUTION_ENV`; empty for OS-only runtimes, which have none.
    execution_env: str
    # `Runtime Version` of INIT_START, `python:3.12.v13`: AWS counts its images from 1, here it is
    # the interpreter's releases (Python's patch 12, Node.js's minor version 12).
    version_string: str
    # 64 hex digits naming the interpreter's release and the client libraries.
    version_hash: str
    # Programs of which init starts the first that exists, in the place of `argv[0]`.
    programs: tuple[str, ...] = ()
    # What must still be on the host for all this to be true.
    essentials: tuple[Path, ...] = ()

    @property
    def family(self) -> Family:
        """The language."""
        return RUNTIMES[self.identifier].family

    def version_arn(self, scope: Scope) -> str:
        """`Runtime Version ARN` of INIT_START and of RuntimeVersionConfig."""
        return version_arn(self.version_hash, scope)


def version_arn(version_hash: str, scope: Scope) -> str:
    """The ARN of a version of a runtime, which belongs to no account."""
    return f"arn:{scope.partition}:lambda:{scope.region}::runtime:{version_hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """One runtime in the doctor's report."""

    identifier: str
    is_usable: bool
    # The interpreter that would run it, or why there is none.
    detail: str
    # Whether what it needs from registries is there already; else the first function installs it.
    is_installed: bool = False
    # The command that makes it usable; None if it is or if there is none.
    fix: str | None = None
