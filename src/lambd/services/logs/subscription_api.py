"""The CloudWatch Logs API, the part of subscription filters; destinations are functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError
from lambd.services.logs import patterns
from lambd.services.logs.deliveries import SubscriptionDeliveries
from lambd.services.logs.store import LogStore
from lambd.services.logs.subscriptions import Subscription
from lambd.services.service import Handler

_UNSUPPORTED = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")


class SubscriptionApi:
    """Answers the operations; safe for concurrent calls."""

    def __init__(self, store: LogStore, deliveries: SubscriptionDeliveries) -> None:
        self._store = store
        self._deliveries = deliveries

    def handlers(self) -> dict[str, Handler]:
        """The operations that are answered."""
        return {
            "PutSubscriptionFilter": self._put,
            "DescribeSubscriptionFilters": self._describe,
            "DeleteSubscriptionFilter": self._delete,
        }

    async def _put(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        group, destination = params["logGroupName"], params["destinationArn"]
        for unsupported in _UNSUPPORTED:
            if params.get(unsupported):
                raise InvalidParameterError(f"{unsupported} is not supported yet.")
        patterns.parse(params["filterPattern"])
        # That there is such a group.
        await self._store.subscriptions(group)
        await self._deliveries.check(group, destination)
        if params.get("roleArn"):
            raise InvalidParameterError(
                "destinationArn for vendor lambda cannot be used with roleArn"
            )
        wanted = Subscription(
            name=params["filterName"],
            pattern=params["filterPattern"],
            destination_arn=destination,
            distribution=params.get("distribution", "ByLogStream"),
            created_ms=int(context.now.timestamp() * 1000),
        )
        await self._store.subscribe(group, wanted)
        return {}

    async def _describe(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        """All of a group's filters: there are never so many that a second page were needed."""
        del context
        group, prefix = params["logGroupName"], params.get("filterNamePrefix", "")
        found = [
            {
                "filterName": each.name,
                "logGroupName": group,
                "filterPattern": each.pattern,
                "destinationArn": each.destination_arn,
                "distribution": each.distribution,
                "applyOnTransformedLogs": False,
                "creationTime": each.created_ms,
            }
            for each in await self._store.subscriptions(group)
            if each.name.startswith(prefix)
        ]
        return {"subscriptionFilters": found}

    async def _delete(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        del context
        await self._store.unsubscribe(params["logGroupName"], params["filterName"])
        return {}
