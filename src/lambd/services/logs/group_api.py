"""The CloudWatch Logs API, the part that makes and changes: groups, streams, events, tags, retention.

Takes decoded parameters and returns members as the service model spells them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError
from lambd.services.logs import put_rules
from lambd.services.logs.group_names import name_of
from lambd.services.logs.put_rules import InputEvent
from lambd.services.logs.store import LogStore
from lambd.services.service import Handler

# Source: PutRetentionPolicy in the API reference.
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827),
    *(2192, 2557, 2922, 3288, 3653),
)


class GroupApi:
    """Answers the operations from the log store; safe for concurrent calls.

    All of them raise NotFoundError for no such group or stream.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        """The operations that are answered."""
        return {
            "CreateLogGroup": self._create_log_group,
            "DeleteLogGroup": self._delete_log_group,
            "CreateLogStream": self._create_log_stream,
            "DeleteLogStream": self._delete_log_stream,
            "PutLogEvents": self._put_log_events,
            "PutRetentionPolicy": self._put_retention_policy,
            "DeleteRetentionPolicy": self._delete_retention_policy,
            "TagResource": self._tag_resource,
            "UntagResource": self._untag_resource,
            "ListTagsForResource": self._list_tags_for_resource,
            "TagLogGroup": self._tag_log_group,
            "UntagLogGroup": self._untag_log_group,
            "ListTagsLogGroup": self._list_tags_log_group,
        }

    async def _create_log_group(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        name = params["logGroupName"]
        if name.startswith("aws/"):
            raise InvalidParameterError("Log groups starting with AWS/ are reserved for AWS.")
        for unsupported in ("kmsKeyId", "deletionProtectionEnabled"):
            if params.get(unsupported):
                raise InvalidParameterError(f"{unsupported} is not supported yet.")
        await self._store.create_group(
            name,
            log_class=params.get("logGroupClass", "STANDARD"),
            tags=params.get("tags", {}),
        )
        return {}

    async def _delete_log_group(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.delete_group(params["logGroupName"])
        return {}

    async def _create_log_stream(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.create_stream(params["logGroupName"], params["logStreamName"])
        return {}

    async def _delete_log_stream(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.delete_stream(params["logGroupName"], params["logStreamName"])
        return {}

    async def _put_log_events(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Sequence tokens are ignored, as AWS has ignored them since 2023."""
        del context
        batch = [InputEvent(each["timestamp"], each["message"]) for each in params["logEvents"]]
        put_rules.check(batch)
        accepted = await self._store.put_events(
            params["logGroupName"], params["logStreamName"], batch
        )
        # AWS's is a number of 56 digits that nobody needs.
        answer: dict[str, Any] = {"nextSequenceToken": f"{uuid.uuid4().int:056d}"}
        return answer | ({"rejectedLogEventsInfo": accepted.rejected} if accepted.rejected else {})

    async def _put_retention_policy(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        days = params["retentionInDays"]
        if days not in _RETENTION_DAYS:
            valid = ", ".join(str(each) for each in _RETENTION_DAYS)
            raise InvalidParameterError(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{valid}]"
            )
        await self._store.set_retention(params["logGroupName"], days)
        return {}

    async def _delete_retention_policy(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.set_retention(params["logGroupName"], None)
        return {}

    async def _tag_resource(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        group = name_of(context.scope, params["resourceArn"])
        await self._store.change_tags(group, added=params["tags"], removed=())
        return {}

    async def _untag_resource(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        group = name_of(context.scope, params["resourceArn"])
        await self._store.change_tags(group, added={}, removed=params["tagKeys"])
        return {}

    async def _list_tags_for_resource(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {"tags": await self._store.tags_of(name_of(context.scope, params["resourceArn"]))}

    async def _tag_log_group(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.change_tags(params["logGroupName"], added=params["tags"], removed=())
        return {}

    async def _untag_log_group(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        await self._store.change_tags(params["logGroupName"], added={}, removed=params["tags"])
        return {}

    async def _list_tags_log_group(
        self, context: ControlContext, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        del context
        return {"tags": await self._store.tags_of(params["logGroupName"])}
