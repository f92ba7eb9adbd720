"""OS-only runtimes: the archive or a layer brings `bootstrap`, which speaks to the Runtime API.

There is no interpreter and nothing to install: `/var/runtime` holds the init shim, the rest of the
file system is the host's `/usr`. Source: runtime.md section 9.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from lambd.runtimes import init_interpreter
from lambd.runtimes.cache import Cache, appearing, make_readable
from lambd.runtimes.catalogue import Family, Runtime
from lambd.runtimes.prepared_runtime import PreparedRuntime, RuntimeStatus, RuntimeUnavailableError

# DEVIATION: AWS's images are Amazon Linux 2 and 2023; programs here find the host's libraries, so
# one built for the same or an older C library runs, as does every static one.

# In AWS's order.
BOOTSTRAPS = ("/var/task/bootstrap", "/opt/bootstrap")
_INIT_SHIM = Path(__file__).parent / "shims" / "init.py"


class CustomProvisioner:
    """Implements `provision.FamilyProvisioner`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def can_run(self, runtime: Runtime) -> bool:
        """Whether it is one of the OS-only runtimes that functions are created with today."""
        return runtime.family is Family.PROVIDED and not runtime.is_retired

    def prepare(self, runtime: Runtime) -> PreparedRuntime:
        """See the protocol."""
        init = init_interpreter.find(self._cache)
        runtime_dir = self._runtime_dir()
        return PreparedRuntime(
            identifier=runtime.identifier,
            interpreter_root=self._cache.empty(),
            runtime_dir=runtime_dir,
            overlays=init.overlays,
            init_argv=init.argv,
            init_environment=init.environment,
            argv=BOOTSTRAPS[:1],
            programs=BOOTSTRAPS,
            execution_env="",
            version_string=f"provided:{runtime.version}.v1",
            version_hash=self.version_hash(runtime),
            essentials=(runtime_dir / "lambd_init.py", init.executable, self._cache.empty()),
        )

    def version_hash(self, runtime: Runtime) -> str:
        """See the protocol."""
        return hashlib.sha256(runtime.identifier.encode()).hexdigest()

    def status(self, runtime: Runtime) -> RuntimeStatus:
        """See the protocol."""
        try:
            init = init_interpreter.find(self._cache)
        except RuntimeUnavailableError as exc:
            return RuntimeStatus(identifier=runtime.identifier, is_usable=False, detail=exc.message)
        return RuntimeStatus(
            identifier=runtime.identifier,
            is_usable=True,
            detail=f"the function's own bootstrap, started by {init.executable}",
            is_installed=True,
        )

    def _runtime_dir(self) -> Path:
        shim = _INIT_SHIM.read_bytes()
        digest = hashlib.sha256(shim).hexdigest()[:16]
        target = self._cache.directory / "runtimes" / f"provided-{digest}"
        with appearing(target) as building:
            if building is not None:
                (building / "lambd_init.py").write_bytes(shim)
                make_readable(building)
        return target
