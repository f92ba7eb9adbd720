"""What is due: occurrences of the sources become dispatches, in one transaction.

So an occurrence is neither lost nor dispatched twice, whenever the platform is killed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from lambd.control.context import ControlContext
from lambd.services.dispatch import rows
from lambd.services.dispatch.model import LONGEST_DELAY, Dispatch
from lambd.services.dispatch.occurrences import Draw
from lambd.services.dispatch.sources import Sources
from lambd.store.database import Connection


def dispatch_due(
    connection: Connection, context: ControlContext, sources: Sources, draw: Draw
) -> None:
    """Dispatch what is due, a batch at a time, and plan what is next."""
    for dispatch in sources.take_due(connection, context, draw):
        rows.add_dispatch(connection, dispatch)


def plan_anew(
    connection: Connection, context: ControlContext, sources: Sources, draw: Draw
) -> None:
    """Bring forward what is planned for later than it can be.

    That is when it was planned by a clock that was ahead. What is run then may have been run
    already, by that clock: it would not run at all otherwise until the clock is there again.
    """
    sources.plan_anew(connection, context, draw)
    rows.hasten(connection, context.now + LONGEST_DELAY, context.now)


def next_due(
    connection: Connection, sources: Sources, in_hand: Collection[int] = ()
) -> datetime | None:
    """When an occurrence, or a dispatch that is not in hand, is due next; None: never."""
    moments = (sources.next_due(connection), rows.next_due(connection, in_hand))
    return min((moment for moment in moments if moment is not None), default=None)


def read_due(
    connection: Connection, sources: Sources, now: datetime, in_hand: frozenset[int], hands: int
) -> tuple[list[Dispatch], datetime | None]:
    """As many dispatches as there are hands for, and when the next of all else is due."""
    due = rows.due_dispatches(connection, now, without=in_hand, limit=hands)
    return due, next_due(connection, sources, in_hand | {dispatch.id for dispatch in due})
