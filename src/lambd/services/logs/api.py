"""The CloudWatch Logs API, the part that reads: groups, streams, events; `aws logs tail` works.

Takes decoded parameters and returns members as the service model spells them; JSON 1.1 itself is
`wire`'s. What makes and changes groups and streams is in `group_api.py`, subscriptions in
`subscription_api.py`, Logs Insights in `query_api.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError
from lambd.services.logs import patterns as log_patterns
from lambd.services.logs.deliveries import SubscriptionDeliveries
from lambd.services.logs.errors import error_table
from lambd.services.logs.group_api import GroupApi
from lambd.services.logs.group_names import group_arn, group_of, name_of
from lambd.services.logs.queries import (
    EventQuery,
    FilterQuery,
    LogEvent,
    LogGroup,
    LogStream,
    StreamQuery,
)
from lambd.services.logs.query_api import QueryApi
from lambd.services.logs.query_runs import QueryRuns
from lambd.services.logs.store import LogStore
from lambd.services.logs.subscription_api import SubscriptionApi
from lambd.services.service import Contexts, Service

_DESCRIBE_LIMIT = 50
_EVENTS_LIMIT = 10_000


class LogsApi:
    """Answers CloudWatch Logs operations from the log store; safe for concurrent calls."""

    def __init__(
        self,
        store: LogStore,
        contexts: Contexts,
        deliveries: SubscriptionDeliveries,
        runs: QueryRuns,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._runs = runs
        self._contexts = contexts

    def service(self) -> Service:
        """The operations that are answered.

        They raise NotFoundError for no such log group or stream, and InvalidParameterError when
        parameters contradict each other, or a pattern or token is bad.
        """
        return Service(
            errors=error_table(),
            contexts=self._contexts,
            handlers={
                "DescribeLogGroups": self._describe_log_groups,
                "DescribeLogStreams": self._describe_log_streams,
                "GetLogEvents": self._get_log_events,
                "FilterLogEvents": self._filter_log_events,
                **GroupApi(self._store).handlers(),
                **QueryApi(self._store, self._runs).handlers(),
                **SubscriptionApi(self._store, self._deliveries).handlers(),
            },
        )

    async def _describe_log_groups(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if "logGroupNamePrefix" in params and "logGroupNamePattern" in params:
            raise InvalidParameterError(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
            )
        if "logGroupIdentifiers" in params:
            return {
                "logGroups": await self._named_groups(context.scope, params["logGroupIdentifiers"])
            }
        page = await self._store.describe_groups(
            prefix=params.get("logGroupNamePrefix", ""),
            infix=params.get("logGroupNamePattern", ""),
            log_class=params.get("logGroupClass"),
            token=params.get("nextToken"),
            limit=params.get("limit", _DESCRIBE_LIMIT),
        )
        groups = [_group_members(context.scope, group) for group in page.items]
        return _with_token({"logGroups": groups}, page.next_token)

    async def _named_groups(self, scope: Scope, identifiers: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name in sorted({name_of(scope, identifier) for identifier in identifiers}):
            page = await self._store.describe_groups(prefix=name, limit=1)
            found += [_group_members(scope, group) for group in page.items if group.name == name]
        return found

    async def _describe_log_streams(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        group = group_of(context.scope, params)
        by_last_event = params.get("orderBy") == "LastEventTime"
        if by_last_event and "logStreamNamePrefix" in params:
            raise InvalidParameterError("Cannot order by LastEventTime with a logStreamNamePrefix.")
        page = await self._store.describe_streams(
            group,
            StreamQuery(
                prefix=params.get("logStreamNamePrefix", ""),
                by_last_event=by_last_event,
                is_descending=params.get("descending", False),
                token=params.get("nextToken"),
                limit=params.get("limit", _DESCRIBE_LIMIT),
            ),
        )
        streams = [_stream_members(context.scope, group, stream) for stream in page.items]
        return _with_token({"logStreams": streams}, page.next_token)

    async def _get_log_events(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        page = await self._store.get_events(
            group_of(context.scope, params),
            params["logStreamName"],
            EventQuery(
                start_ms=params.get("startTime"),
                end_ms=params.get("endTime"),
                from_head=params.get("startFromHead", False),
                token=params.get("nextToken"),
                limit=params.get("limit", _EVENTS_LIMIT),
            ),
        )
        return {
            "events": [_event_members(event) for event in page.events],
            "nextForwardToken": page.forward_token,
            "nextBackwardToken": page.backward_token,
        }

    async def _filter_log_events(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        group = group_of(context.scope, params)
        if "logStreamNames" in params and "logStreamNamePrefix" in params:
            raise InvalidParameterError(
                "LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters."
            )
        if params.get("startFromHead") is False:
            raise InvalidParameterError("FilterLogEvents from the newest event is not supported.")
        page = await self._store.filter_events(
            group,
            FilterQuery(
                matcher=log_patterns.parse(params.get("filterPattern", "")),
                streams=tuple(params.get("logStreamNames", ())),
                stream_prefix=params.get("logStreamNamePrefix", ""),
                start_ms=params.get("startTime"),
                end_ms=params.get("endTime"),
                token=params.get("nextToken"),
                limit=params.get("limit", _EVENTS_LIMIT),
            ),
        )
        events = [
            {
                "logStreamName": event.stream,
                # AWS's ids are 56 digits too.
                "eventId": f"{event.id:056d}",
                **_event_members(event),
            }
            for event in page.items
        ]
        # AWS has returned an empty list of searched streams since 2019.
        return _with_token({"events": events, "searchedLogStreams": []}, page.next_token)


def _group_members(scope: Scope, group: LogGroup) -> dict[str, Any]:
    arn = group_arn(scope, group.name)
    members = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "retentionInDays": group.retention_days,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": group.stored_bytes,
        "logGroupClass": group.log_class,
        "logGroupArn": arn,
    }
    return _present(members)


def _stream_members(scope: Scope, group: str, stream: LogStream) -> dict[str, Any]:
    members = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
        "arn": f"{group_arn(scope, group)}:log-stream:{stream.name}",
        "storedBytes": stream.stored_bytes,
    }
    return _present(members)


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def _event_members(event: LogEvent) -> dict[str, Any]:
    return {
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    }


def _with_token(answer: dict[str, Any], token: str | None) -> dict[str, Any]:
    return answer if token is None else {**answer, "nextToken": token}
