"""From a function name and a qualifier to the version that runs; no database on the warm path.

Versions are cached until the store says that the function changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lambd.model.arns import LATEST, Scope
from lambd.model.errors import ConflictError, NotFoundError
from lambd.model.functions import Deployment, FunctionVersion, State
from lambd.store.database import FunctionChanged

# Reads one version from the store: (name, version) -> version or None.
VersionReader = Callable[[str, str], Awaitable[FunctionVersion | None]]


class VersionCache:
    """Function versions by name and qualifier."""

    def __init__(self, read: VersionReader, scope: Scope) -> None:
        self._read = read
        self._scope = scope
        self._versions: dict[str, dict[str, FunctionVersion]] = {}
        # Counts changes of a function, so that a read overtaken by a change is not kept.
        self._changes: dict[str, int] = {}

    def get_nowait(self, name: str, qualifier: str | None) -> FunctionVersion | None:
        """The version if it is cached."""
        versions = self._versions.get(name)
        return None if versions is None else versions.get(qualifier or LATEST)

    async def get(self, name: str, qualifier: str | None) -> FunctionVersion:
        """The version that a qualifier names.

        Raises:
            NotFoundError: with AWS's text, whose ARN ends in `:$LATEST` for an unqualified name.
        """
        key = qualifier or LATEST
        cached = self.get_nowait(name, key)
        if cached is not None:
            return cached
        changes = self._changes.get(name, 0)
        version = await self._read(name, key)
        if version is None:
            raise NotFoundError(f"Function not found: {self._scope.function_arn(name, key)}")
        if self._changes.get(name, 0) == changes:
            self._versions.setdefault(name, {})[key] = version
        return version

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self.forget(change.name)

    def forget(self, name: str) -> None:
        """Drop a function that changed."""
        self._versions.pop(name, None)
        self._changes[name] = self._changes.get(name, 0) + 1


def serving_deployment(version: FunctionVersion) -> Deployment:
    """What an invocation of this version runs.

    Raises:
        ConflictError: the version is Pending, Failed or Inactive.
    """
    if version.state is not State.ACTIVE or version.serving is None:
        raise ConflictError(
            "The operation cannot be performed at this time. "
            f"The function is currently in the following state: {version.state}"
        )
    return version.serving
