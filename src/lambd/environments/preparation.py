"""What a deployment needs on this host before an environment of it can start: code and runtime.

Code is unpacked once by content (`<data_dir>/code/<sha256>`) and shown read-only to every
environment; the runtime comes from `runtimes/provision.py`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from lambd.model.errors import ArtifactError, PlatformError
from lambd.model.functions import Deployment, Reason
from lambd.runtimes.provision import PreparedRuntime, Provisioner, RuntimeUnavailableError
from lambd.store.archives import unpack_archive
from lambd.store.blobs import BlobStore


class PreparationFailedError(PlatformError):
    """A deployment cannot run here; `reason` becomes the function's StateReason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A deployment ready to be started."""

    code_dir: Path
    runtime: PreparedRuntime


class Preparer:
    """Prepares deployments; concurrent calls for one archive do the work once."""

    def __init__(
        self, *, data_dir: Path, blobs: BlobStore, provisioner: Provisioner, unzipped_bytes: int
    ) -> None:
        self._code_dir = data_dir / "code"
        self._blobs = blobs
        self._provisioner = provisioner
        self._unzipped_bytes = unzipped_bytes
        self._unpacking: dict[str, asyncio.Lock] = {}

    async def prepare(self, deployment: Deployment) -> Prepared:
        """Make code and runtime available; quick when they are.

        Raises:
            PreparationFailedError: the runtime is not to be had here or the archive is broken.
        """
        try:
            runtime = await self._provisioner.prepare(deployment.config.runtime or "")
        except RuntimeUnavailableError as error:
            raise PreparationFailedError(
                Reason(text=error.message, code="InvalidRuntime")
            ) from error
        return Prepared(code_dir=await self._unpacked(deployment.code.sha256), runtime=runtime)

    async def _unpacked(self, sha256: str) -> Path:
        target = self._code_dir / sha256
        if target.is_dir():
            return target
        async with self._unpacking.setdefault(sha256, asyncio.Lock()):
            try:
                await asyncio.to_thread(
                    unpack_archive, self._blobs.path(sha256), target, self._unzipped_bytes
                )
            except (ArtifactError, OSError) as error:
                raise PreparationFailedError(
                    Reason(
                        text=f"The code could not be unpacked: {error}",
                        code="InvalidZipFileException",
                    )
                ) from error
            finally:
                self._unpacking.pop(sha256, None)
        return target

    def collect_garbage(self, needed: AbstractSet[str]) -> None:
        """Remove unpacked code that no version and no environment needs; blocks."""
        if not self._code_dir.is_dir():
            return
        for directory in self._code_dir.iterdir():
            if directory.name not in needed and directory.name not in self._unpacking:
                shutil.rmtree(directory, ignore_errors=False)
