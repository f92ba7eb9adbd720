"""What a deployment needs on this host before an environment of it can start: code, layers, runtime.

Archives are unpacked once by content (`<data_dir>/code/<sha256>`), function code and layers alike.
A list of several layers is merged once into one tree for /opt (`<data_dir>/opt/<list's hash>`) that
hard-links the layers' files, so that it costs directories, not space, and an environment one bind
mount like any other; a list of one layer is that layer's own tree. All trees are shown read-only
and shared by every environment. The runtime comes from `runtimes/provision.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lambd.environments.merging import merge_trees
from lambd.model.errors import ArtifactError, PlatformError
from lambd.model.functions import Deployment, Reason
from lambd.runtimes.prepared import PreparedRuntime, RuntimeUnavailableError
from lambd.runtimes.provision import Provisioner
from lambd.store.archives import unpack_archive
from lambd.store.blobs import BlobStore
from lambd.store.contents import References


class PreparationFailedError(PlatformError):
    """A deployment cannot run here; `reason` becomes the function's StateReason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A deployment ready to be started."""

    code_dir: Path
    # None without layers.
    opt_dir: Path | None
    runtime: PreparedRuntime


class Preparer:
    """Prepares deployments; concurrent calls for one archive do the work once."""

    def __init__(
        self, *, data_dir: Path, blobs: BlobStore, provisioner: Provisioner, unzipped_bytes: int
    ) -> None:
        self._code_dir = data_dir / "code"
        self._opt_dir = data_dir / "opt"
        self._blobs = blobs
        self._provisioner = provisioner
        self._unzipped_bytes = unzipped_bytes
        self._locks: dict[Path, asyncio.Lock] = {}
        # Trees that were asked for since the last collection began: it leaves them alone, because
        # what it knows to be needed may be older than they are. Guarded against its thread.
        self._asked_for: set[Path] = set()
        self._guard = threading.Lock()

    async def prepare(self, deployment: Deployment) -> Prepared:
        """Make code, layers and runtime available; quick when they are.

        Raises:
            PreparationFailedError: the runtime is not to be had here or an archive is broken.
        """
        try:
            runtime = await self._provisioner.prepare(deployment.config.runtime or "")
        except RuntimeUnavailableError as error:
            raise PreparationFailedError(
                Reason(text=error.message, code="InvalidRuntime")
            ) from error
        return Prepared(
            code_dir=await self._unpacked(deployment.code.sha256, "The code"),
            opt_dir=await self._opt(deployment),
            runtime=runtime,
        )

    async def _opt(self, deployment: Deployment) -> Path | None:
        """The tree for /opt: the layers in order, later ones over earlier ones."""
        layers = deployment.config.layers
        if not layers:
            return None
        if len(layers) == 1:
            return await self._layer(layers[0].code.sha256, layers[0].arn)
        target = self._opt_dir / _list_name(layer.code.sha256 for layer in layers)
        async with self._making(target) as is_there:
            if not is_there:
                trees = [await self._layer(layer.code.sha256, layer.arn) for layer in layers]
                await _in_thread("The layers could not be merged", merge_trees, trees, target)
        return target

    async def _layer(self, sha256: str, arn: str) -> Path:
        return await self._unpacked(sha256, f"The layer {arn}")

    async def _unpacked(self, sha256: str, subject: str) -> Path:
        target = self._code_dir / sha256
        async with self._making(target) as is_there:
            if not is_there:
                await _in_thread(
                    f"{subject} could not be unpacked",
                    lambda: unpack_archive(self._blobs.path(sha256), target, self._unzipped_bytes),
                )
        return target

    @asynccontextmanager
    async def _making(self, target: Path) -> AsyncIterator[bool]:
        """Hold a tree's lock, unless it is there already, and keep it from being collected."""
        if self._claim(target):
            yield True
            return
        async with self._locks.setdefault(target, asyncio.Lock()):
            try:
                yield self._claim(target)
            finally:
                self._locks.pop(target, None)

    def _claim(self, target: Path) -> bool:
        """Whether a tree is there; if so, or if it is made now, it stays for the time being."""
        with self._guard:
            self._asked_for.add(target)
            return target.is_dir()

    # -- garbage

    def begin_collection(self) -> None:
        """Call before finding out what is needed: later trees are spared by `collect_garbage`."""
        with self._guard:
            self._asked_for = set(self._locks)

    def collect_garbage(self, needed: Iterable[References]) -> int:
        """Remove the trees that nothing needs, and what a killed predecessor left; blocks.

        Returns how many were removed.
        """
        names: set[Path] = set()
        for references in needed:
            names.update(self._code_dir / sha256 for sha256 in references.archives)
            names.update(self._opt_dir / _list_name(layers) for layers in references.layer_lists)
        removed = 0
        for parent in (self._code_dir, self._opt_dir):
            for tree in parent.iterdir() if parent.is_dir() else ():
                # `.<name>.<anything>` is a tree in the making, or one half removed.
                name = tree.name.split(".")[1] if tree.name.startswith(".") else tree.name
                removed += self._remove(tree, parent / name, names)
        return removed

    def _remove(self, tree: Path, target: Path, needed: set[Path]) -> bool:
        """Remove a tree unless it, or that which it is going to be, has been asked for."""
        is_whole = tree == target
        with self._guard:
            if target in self._asked_for or (is_whole and target in needed):
                return False
            doomed = tree
            if is_whole:
                # Out of everybody's sight at once, whatever happens while it is removed.
                doomed = tree.with_name(f".{tree.name}.removed-{os.urandom(4).hex()}")
                tree.rename(doomed)
        for directory, _, _ in os.walk(doomed):
            # An archive may say that nobody writes to it; only root could remove it then.
            Path(directory).chmod(0o700)
        shutil.rmtree(doomed)
        return True


def _list_name(layers: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(layers).encode()).hexdigest()


async def _in_thread(failure: str, work: Callable[..., None], *arguments: object) -> None:
    """Do what blocks; its failure becomes the function's StateReason."""
    try:
        await asyncio.to_thread(work, *arguments)
    except (ArtifactError, OSError) as error:
        raise PreparationFailedError(
            Reason(text=f"{failure}: {error}", code="InvalidZipFileException")
        ) from error
