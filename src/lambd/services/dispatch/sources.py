"""What a service that has occurrences does about them: the seam between it and the dispatcher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError
from lambd.model.policies import Principal
from lambd.services.dispatch.model import Dispatch
from lambd.services.dispatch.occurrences import Draw
from lambd.store.database import Connection


class DispatchSource(Protocol):
    """The schedules of EventBridge Scheduler, or the rules of EventBridge; has no state."""

    @property
    def name(self) -> str:
        """As the rows of dispatches have it."""

    def next_due(self, connection: Connection) -> datetime | None:
        """When one of its occurrences is due next; None: never."""

    def take_due(
        self, connection: Connection, context: ControlContext, draw: Draw
    ) -> Sequence[Dispatch]:
        """The dispatches of what is due, a batch at a time; what follows is planned.

        In the transaction that stores them, so that an occurrence is neither lost nor dispatched
        twice, whenever the platform is killed.
        """

    def plan_anew(self, connection: Connection, context: ControlContext, draw: Draw) -> None:
        """Bring forward the occurrences that are planned by a clock that was ahead."""

    def principal(self, dispatch: Dispatch, scope: Scope) -> Principal:
        """As whom a function is invoked."""

    def payload(self, dispatch: Dispatch) -> bytes:
        """The event for the next attempt.

        Raises:
            PlatformError: there is none.
        """

    def error_code(self, error: PlatformError) -> str:
        """What kept an event from its function, in the words of the source."""

    def dead_letter(self, dispatch: Dispatch) -> tuple[str, Mapping[str, str]]:
        """The body of the message that tells of a dispatch, and the attributes of the source."""


class Sources:
    """All sources, by name."""

    def __init__(self, *sources: DispatchSource) -> None:
        self._by_name = {source.name: source for source in sources}

    def of(self, dispatch: Dispatch) -> DispatchSource:
        """The source of a dispatch."""
        return self._by_name[dispatch.source]

    def next_due(self, connection: Connection) -> datetime | None:
        """When an occurrence is due next; None: never."""
        moments = (source.next_due(connection) for source in self._by_name.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def plan_anew(self, connection: Connection, context: ControlContext, draw: Draw) -> None:
        """Have every source do so; see `DispatchSource.plan_anew`."""
        for source in self._by_name.values():
            source.plan_anew(connection, context, draw)

    def take_due(
        self, connection: Connection, context: ControlContext, draw: Draw
    ) -> list[Dispatch]:
        """The dispatches of what is due; see `DispatchSource.take_due`."""
        return [
            dispatch
            for source in self._by_name.values()
            for dispatch in source.take_due(connection, context, draw)
        ]
