"""What a deployment needs on this host before an environment of it can start: code, layers, runtime.

Archives are unpacked once by content (`<data_dir>/code/<sha256>`), function code and layers alike.
A list of several layers is merged once into one tree for /opt (`<data_dir>/opt/<list's hash>`) that
hard-links the layers' files, so that it costs directories, not space, and an environment one bind
mount like any other; a list of one layer is that layer's own tree. All trees are shown read-only
and shared by every environment. The runtime comes from `runtimes/provision.py`.

A tree is compared with its archives (names, kinds, sizes) when this process first meets it, and again
for each deployment that is brought up; one that is broken is made anew. Starting further environments
looks for the directory and no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from lambd.environments.merging import merge_listings, merge_trees
from lambd.model.errors import ArtifactError, PlatformError
from lambd.model.functions import Deployment, FunctionLayer, Reason
from lambd.runtimes.prepared_runtime import PreparedRuntime, RuntimeUnavailableError
from lambd.runtimes.provision import Provisioner
from lambd.store.archives import list_archive, unpack_archive
from lambd.store.blobs import BlobStore
from lambd.store.contents import References
from lambd.trees import list_tree

_log = structlog.get_logger(__name__)


class PreparationFailedError(PlatformError):
    """A deployment cannot run here; `reason` becomes the function's StateReason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDeployment:
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
        # Trees that this process has made, or has found to be as their archives say.
        self._whole: set[Path] = set()
        # Trees that were asked for since the last collection began: it leaves them alone, because
        # what it knows to be needed may be older than they are. Guarded against its thread.
        self._asked_for: set[Path] = set()
        self._guard = threading.Lock()

    async def prepare(self, deployment: Deployment, *, check: bool = False) -> PreparedDeployment:
        """Make code, layers and runtime available; quick when they are.

        Args:
            deployment: what to prepare.
            check: compare the trees with their archives even if that has been done before.

        Raises:
            PreparationFailedError: the runtime is not to be had here or an archive is broken.
        """
        try:
            runtime = await self._provisioner.prepare(deployment.config.runtime or "")
        except RuntimeUnavailableError as error:
            raise PreparationFailedError(
                Reason(text=error.message, code="InvalidRuntime")
            ) from error
        return PreparedDeployment(
            code_dir=await self._unpacked(deployment.code.sha256, "The code", check=check),
            opt_dir=await self._opt(deployment, check=check),
            runtime=runtime,
        )

    async def _opt(self, deployment: Deployment, *, check: bool) -> Path | None:
        """The tree for /opt: the layers in order, later ones over earlier ones."""
        layers = deployment.config.layers
        if not layers:
            return None
        if len(layers) == 1:
            return await self._layer(layers[0], check=check)
        target = self._opt_dir / _list_name(layer.code.sha256 for layer in layers)
        archives = [self._blobs.path(layer.code.sha256) for layer in layers]
        async with self._making(target, archives, check=check) as is_there:
            if not is_there:
                trees = [await self._layer(layer, check=check) for layer in layers]
                await _in_thread("The layers could not be merged", merge_trees, trees, target)
        return target

    async def _layer(self, layer: FunctionLayer, *, check: bool) -> Path:
        return await self._unpacked(layer.code.sha256, f"The layer {layer.arn}", check=check)

    async def _unpacked(self, sha256: str, subject: str, *, check: bool) -> Path:
        target, archive = self._code_dir / sha256, self._blobs.path(sha256)
        async with self._making(target, [archive], check=check) as is_there:
            if not is_there:
                failure = f"{subject} could not be unpacked"
                await _in_thread(failure, unpack_archive, archive, target, self._unzipped_bytes)
        return target

    @asynccontextmanager
    async def _making(
        self, target: Path, archives: Sequence[Path], *, check: bool
    ) -> AsyncIterator[bool]:
        """Hold a tree's lock, unless it is there already, and keep it from being collected."""
        if self._claim(target) and not check:
            yield True
            return
        async with self._locks.setdefault(target, asyncio.Lock()):
            try:
                is_there = self._claim(target) and not check
                if not is_there:
                    is_there = await asyncio.to_thread(self._check, target, archives)
                yield is_there
                self._whole.add(target)
            finally:
                self._locks.pop(target, None)

    def _claim(self, target: Path) -> bool:
        """Whether a whole tree is there; if so, or if it is made now, it stays for the time being."""
        with self._guard:
            self._asked_for.add(target)
            return target in self._whole and target.is_dir()

    def _check(self, target: Path, archives: Sequence[Path]) -> bool:
        """Whether a tree is what its archives make; what is there instead is removed. Blocks."""
        if not target.is_dir():
            return False
        try:
            expected = merge_listings(list_archive(archive) for archive in archives)
        except ArtifactError:
            # Nothing to compare it with, and nothing to make it of: what is there is all there is.
            _log.warning("tree_not_checked", tree=str(target))
            return True
        if list_tree(target) == expected:
            return True
        _log.error("tree_broken", tree=str(target), consequence="it is made anew")
        _remove_tree(_set_aside(target))
        return False

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
            # Out of everybody's sight at once, whatever happens while it is removed.
            doomed = _set_aside(tree) if is_whole else tree
            self._whole.discard(tree)
        _remove_tree(doomed)
        return True


def _set_aside(tree: Path) -> Path:
    return tree.rename(tree.with_name(f".{tree.name}.removed-{os.urandom(4).hex()}"))


def _remove_tree(tree: Path) -> None:
    for directory, _, _ in os.walk(tree):
        # An archive may say that nobody writes to it; only root could remove it then.
        Path(directory).chmod(0o700)
    shutil.rmtree(tree)


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
