"""Make a runtime identifier runnable on this machine, and tell which ones can be.

What that takes differs by family and stands in `provision_python`, `provision_node` and
`provision_custom`; this module chooses among them and remembers what was prepared. Nothing is
installed but into the cache directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from lambd.model.arns import Scope
from lambd.runtimes.cache import Cache, storing
from lambd.runtimes.catalogue import RUNTIMES, Runtime
from lambd.runtimes.prepared_runtime import (
    PreparedRuntime,
    RuntimeStatus,
    RuntimeUnavailableError,
    version_arn,
)
from lambd.runtimes.provision_custom import CustomProvisioner
from lambd.runtimes.provision_node import NodeProvisioner
from lambd.runtimes.provision_python import PythonProvisioner


class FamilyProvisioner(Protocol):
    """Prepares the runtimes of one language; called from threads, several at once."""

    def can_run(self, runtime: Runtime) -> bool:
        """Whether this release of lambd knows how to, on a machine that has what it takes."""

    def prepare(self, runtime: Runtime) -> PreparedRuntime:
        """Install what is missing and describe the result; `can_run` has been asked.

        Raises:
            RuntimeUnavailableError: the machine lacks something.
            OSError: the cache cannot be written.
        """

    def version_hash(self, runtime: Runtime) -> str:
        """`PreparedRuntime.version_hash` of what `prepare` makes; installs nothing.

        Raises:
            RuntimeUnavailableError: the machine lacks something.
        """

    def status(self, runtime: Runtime) -> RuntimeStatus:
        """What `prepare` would make of it; installs nothing."""


class Provisioner:
    """Prepares runtimes in one cache directory, which other processes may share.

    Calls are safe concurrently, and quick once a runtime is prepared.
    """

    def __init__(self, cache_dir: Path, environ: Mapping[str, str] | None = None) -> None:
        cache = Cache(cache_dir, environ)
        self._families: tuple[FamilyProvisioner, ...] = (
            PythonProvisioner(cache),
            NodeProvisioner(cache),
            CustomProvisioner(cache),
        )
        self._prepared: dict[str, PreparedRuntime] = {}
        # Identifier -> version_hash, of those that can be prepared.
        self._version_hashes: dict[str, str] = {}

    async def prepare(self, identifier: str) -> PreparedRuntime:
        """Find the interpreter, install its client libraries if need be, and describe the result.

        Raises:
            RuntimeUnavailableError: the message becomes the function's StateReason.
        """
        known = self._prepared.get(identifier)
        # Somebody may have cleared the cache or removed the interpreter since.
        if known is not None and all(path.exists() for path in known.essentials):
            return known
        prepared = await asyncio.to_thread(self._prepare, identifier)
        self._prepared[identifier] = prepared
        self._version_hashes[identifier] = prepared.version_hash
        return prepared

    async def version_arn(self, identifier: str, scope: Scope) -> str:
        """The ARN of the version that functions run on here: at hand before it is prepared.

        Raises:
            RuntimeUnavailableError: this machine cannot run it.
        """
        version_hash = self._version_hashes.get(identifier)
        if version_hash is None:
            version_hash = await asyncio.to_thread(self._version_hash, identifier)
            self._version_hashes[identifier] = version_hash
        return version_arn(version_hash, scope)

    async def available(self) -> list[RuntimeStatus]:
        """Tell for each runtime that lambd can run whether this machine can; installs nothing."""
        return await asyncio.to_thread(
            lambda: [
                family.status(runtime)
                for runtime in RUNTIMES.values()
                if (family := self._family(runtime)) is not None
            ]
        )

    def _version_hash(self, identifier: str) -> str:
        family, runtime = self._runnable(identifier)
        return family.version_hash(runtime)

    def _prepare(self, identifier: str) -> PreparedRuntime:
        family, runtime = self._runnable(identifier)
        with storing(f"The client libraries of {identifier}"):
            return family.prepare(runtime)

    def _runnable(self, identifier: str) -> tuple[FamilyProvisioner, Runtime]:
        runtime = RUNTIMES.get(identifier)
        if runtime is None:
            raise RuntimeUnavailableError(f"The runtime {identifier} is unknown.")
        family = self._family(runtime)
        if family is None:
            usable = ", ".join(sorted(name for name in RUNTIMES if self._family(RUNTIMES[name])))
            raise RuntimeUnavailableError(
                f"This release of lambd cannot run {identifier}, whatever is installed. "
                f"It runs {usable}."
            )
        return family, runtime

    def _family(self, runtime: Runtime) -> FamilyProvisioner | None:
        return next((each for each in self._families if each.can_run(runtime)), None)
