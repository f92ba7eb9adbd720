"""From a function name and a qualifier to the version that runs; no database on the warm path.

Routes (a version, or an alias's two with their weight) are cached by qualifier until the store says
that the function changed: its code, a version or an alias. Which of two versions an invocation
gets is drawn for each one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from lambd.model.aliases import Route
from lambd.model.arns import LATEST, Scope
from lambd.model.errors import ConflictError, NotFoundError
from lambd.model.functions import Deployment, FunctionVersion, State
from lambd.store.database import FunctionChanged

# Reads one route from the store, in one snapshot: (name, qualifier) -> route or None.
RouteReader = Callable[[str, str], Awaitable[Route | None]]


class VersionCache:
    """Function versions by name and qualifier."""

    def __init__(self, read: RouteReader, scope: Scope, random: Random | None = None) -> None:
        self._read = read
        self._scope = scope
        # Not for secrets: which version an invocation gets is no secret.
        self._random = random or Random()  # noqa: S311
        self._routes: dict[str, dict[str, Route]] = {}
        # Reads under way by function; a change empties the set, so that what they found is not kept.
        self._reading: dict[str, set[object]] = {}

    def get_nowait(self, name: str, qualifier: str | None) -> FunctionVersion | None:
        """The version for one invocation if the route to it is cached."""
        routes = self._routes.get(name)
        route = None if routes is None else routes.get(qualifier or LATEST)
        return None if route is None else route.choose(self._random)

    async def get(self, name: str, qualifier: str | None) -> FunctionVersion:
        """The version for one invocation by this qualifier.

        Raises:
            NotFoundError: with AWS's text, whose ARN ends in `:$LATEST` for an unqualified name.
        """
        key = qualifier or LATEST
        cached = self.get_nowait(name, key)
        if cached is not None:
            return cached
        route = await self._read_route(name, key)
        if route is None:
            raise NotFoundError(f"Function not found: {self._scope.function_arn(name, key)}")
        return route.choose(self._random)

    async def dead_letter_arn(self, name: str, qualifier: str | None) -> str | None:
        """The dead-letter queue of what runs by this qualifier; None without one, or a function."""
        try:
            version = await self.get(name, qualifier)
        except NotFoundError:
            return None
        return (version.serving or version.deployment).config.dead_letter_arn

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self.forget(change.name)

    def forget(self, name: str) -> None:
        """Drop a function that changed."""
        self._routes.pop(name, None)
        self._reading.pop(name, None)

    async def _read_route(self, name: str, key: str) -> Route | None:
        reading = self._reading.setdefault(name, set())
        token = object()
        reading.add(token)
        try:
            route = await self._read(name, key)
            if route is not None and self._reading.get(name) is reading:
                self._routes.setdefault(name, {})[key] = route
            return route
        finally:
            reading.discard(token)
            if not reading and self._reading.get(name) is reading:
                del self._reading[name]


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
