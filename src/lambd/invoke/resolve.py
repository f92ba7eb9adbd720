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
from lambd.model.not_found import Missing, Named, not_found
from lambd.store.cached import Cached

# Reads one route from the store, in one snapshot: (name, qualifier) -> route or None.
RouteReader = Callable[[str, str], Awaitable[Route | None]]


class VersionCache(Cached[tuple[str, str], Route]):
    """Routes by name and qualifier, and the function versions that they lead to."""

    def __init__(self, read: RouteReader, scope: Scope, random: Random | None = None) -> None:
        super().__init__(lambda key: read(*key), lambda key, _route: key[0])
        self._scope = scope
        # Not for secrets: which version an invocation gets is no secret.
        self._random = random or Random()  # noqa: S311

    def choose_nowait(self, name: str, qualifier: str | None) -> FunctionVersion | None:
        """The version for one invocation if the route to it is in memory."""
        route = self.get_nowait((name, qualifier or LATEST))
        return None if route is None else route.choose(self._random)

    async def choose(self, name: str, qualifier: str | None) -> FunctionVersion:
        """The version for one invocation by this qualifier.

        Raises:
            NotFoundError: with AWS's text, whose ARN ends in `:$LATEST` for an unqualified name.
        """
        key = qualifier or LATEST
        route = await self.get((name, key))
        if route is None:
            named = Named(scope=self._scope.function_arn(name, key))
            raise not_found("Invoke", Missing.FUNCTION, named)
        return route.choose(self._random)

    async def dead_letter_arn(self, name: str, qualifier: str | None) -> str | None:
        """The dead-letter queue of what runs by this qualifier; None without one, or a function."""
        try:
            version = await self.choose(name, qualifier)
        except NotFoundError:
            return None
        return version.served.config.dead_letter_arn


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
