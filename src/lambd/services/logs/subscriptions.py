"""Subscription filters: their rows, and what of newly stored events goes to whom.

Blocking functions within a transaction, and the values that the writer hands to `deliveries.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy
from sqlalchemy import delete, insert, select, update

from lambd.model.errors import NotFoundError, QuotaExceededError
from lambd.services.logs import patterns
from lambd.services.logs.pattern_values import Matcher
from lambd.services.logs.queries import group_id
from lambd.services.logs.tables import groups, subscriptions

# Of one group, as on AWS.
_MAX_FILTERS = 2


class Subscription(NamedTuple):
    """One subscription filter."""

    name: str
    pattern: str
    destination_arn: str
    distribution: str
    created_ms: int


class DeliveredEvent(NamedTuple):
    """One event that a filter let pass."""

    id: int
    timestamp_ms: int
    message: str


class Delivery(NamedTuple):
    """Events of one stream for one destination, in order of arrival; at least one."""

    group: str
    stream: str
    filter_name: str
    destination_arn: str
    events: Sequence[DeliveredEvent]


class Tap(NamedTuple):
    """A subscription filter at work."""

    filter_name: str
    destination_arn: str
    matcher: Matcher

    def delivery(
        self, group: str, stream: str, first_id: int, records: Sequence[tuple[int, str]]
    ) -> Delivery | None:
        """What goes to the destination of records (time in ms, message) with ids in a row."""
        found = [
            DeliveredEvent(event_id, time, message)
            for event_id, (time, message) in enumerate(records, start=first_id)
            if self.matcher(message)
        ]
        if not found:
            return None
        return Delivery(group, stream, self.filter_name, self.destination_arn, found)


def put(connection: sqlalchemy.Connection, group: str, wanted: Subscription) -> None:
    """Store a filter; one of the same name is replaced and keeps the time when it was made.

    Raises:
        NotFoundError: there is no such group.
        QuotaExceededError: it has as many as it may.
    """
    within = group_id(connection, group)
    own = (subscriptions.c.group_id == within) & (subscriptions.c.name == wanted.name)
    values = {
        "pattern": wanted.pattern,
        "destination_arn": wanted.destination_arn,
        "distribution": wanted.distribution,
    }
    if connection.execute(update(subscriptions).where(own).values(values)).rowcount:
        return
    others = select(subscriptions.c.id).where(subscriptions.c.group_id == within)
    if len(connection.scalars(others).all()) >= _MAX_FILTERS:
        raise QuotaExceededError("Resource limit exceeded.")
    row = {"group_id": within, "name": wanted.name, "created_ms": wanted.created_ms, **values}
    connection.execute(insert(subscriptions), row)


def remove(connection: sqlalchemy.Connection, group: str, name: str) -> None:
    """Remove a filter.

    Raises:
        NotFoundError: there is no such group or filter.
    """
    within = group_id(connection, group)
    own = (subscriptions.c.group_id == within) & (subscriptions.c.name == name)
    if not connection.execute(delete(subscriptions).where(own)).rowcount:
        raise NotFoundError("The specified subscription filter does not exist.")


def of_group(connection: sqlalchemy.Connection, group: str) -> list[Subscription]:
    """The filters of a group by name.

    Raises:
        NotFoundError: there is no such group.
    """
    columns = [subscriptions.c[name] for name in Subscription._fields]
    query = select(*columns).where(subscriptions.c.group_id == group_id(connection, group))
    return [Subscription(*row) for row in connection.execute(query.order_by(subscriptions.c.name))]


def taps(connection: sqlalchemy.Connection) -> dict[str, list[Tap]]:
    """All filters at work, by group."""
    found: dict[str, list[Tap]] = {}
    query = select(groups.c.name.label("group"), subscriptions).join(
        groups, groups.c.id == subscriptions.c.group_id
    )
    for row in connection.execute(query):
        tap = Tap(row.name, row.destination_arn, patterns.parse(row.pattern))
        found.setdefault(row.group, []).append(tap)
    return found
