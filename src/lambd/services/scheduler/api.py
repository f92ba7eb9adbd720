"""The EventBridge Scheduler API, for schedules that invoke functions.

Takes decoded parameters and returns members as the service model spells them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.errors import InvalidParameterError
from lambd.services.dispatch.model import RetryPolicy
from lambd.services.dispatch.occurrences import Draw
from lambd.services.scheduler import groups as schedule_groups
from lambd.services.scheduler import schedules
from lambd.services.scheduler.errors import error_table
from lambd.services.scheduler.group_rows import list_groups
from lambd.services.scheduler.model import (
    DEFAULT_GROUP,
    Schedule,
    ScheduleTarget,
    group_arn,
    schedule_arn,
)
from lambd.services.scheduler.rows import list_schedules
from lambd.services.scheduler.schedules import ScheduleRequest
from lambd.services.scheduler.shapes import (
    Members,
    group_members,
    schedule_members,
    summary_members,
)
from lambd.services.service import Contexts, Service
from lambd.services.tagging import tag_handlers, tags_of
from lambd.store.database import Connection, Database
from lambd.store.paging import Page

_PAGE = 100
# Members of a target that are for other services than Lambda.
_FOREIGN = (
    *("EcsParameters", "EventBridgeParameters", "EventBridgePutEventsV2Parameters"),
    *("EventBridgePutRawEventsParameters", "KinesisParameters", "SageMakerPipelineParameters"),
    "SqsParameters",
)

_Params = Mapping[str, Any]
# A moment within a window is no secret.
_DRAW: Draw = random.Random().random  # noqa: S311


class SchedulerApi:
    """Answers EventBridge Scheduler operations; safe for concurrent calls."""

    def __init__(self, database: Database, contexts: Contexts) -> None:
        self._database = database
        self._contexts = contexts

    def service(self) -> Service:
        """The operations that are answered: all of them."""
        return Service(
            errors=error_table(),
            contexts=self._contexts,
            handlers={
                "CreateSchedule": self._create_schedule,
                "CreateScheduleGroup": self._create_schedule_group,
                "DeleteSchedule": self._delete_schedule,
                "DeleteScheduleGroup": self._delete_schedule_group,
                "GetSchedule": self._get_schedule,
                "GetScheduleGroup": self._get_schedule_group,
                "ListScheduleGroups": self._list_schedule_groups,
                "ListSchedules": self._list_schedules,
                "UpdateSchedule": self._update_schedule,
                **tag_handlers(schedule_groups.TAGGING, self._database, arn_member="ResourceArn"),
            },
        )

    async def _change(
        self,
        context: ControlContext,
        operation: str,
        params: _Params,
        change: Callable[[Connection], None],
    ) -> None:
        """Make a change, unless the client sends it for the second time."""
        rest = {name: value for name, value in params.items() if name != "ClientToken"}
        text = json.dumps([operation, rest], sort_keys=True, default=str)
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        token = params.get("ClientToken")

        def work(connection: Connection) -> None:
            if not schedule_groups.is_repeated(connection, context, token, fingerprint):
                change(connection)

        await self._database.run(work)

    # -- schedules

    async def _create_schedule(self, context: ControlContext, params: _Params) -> Members:
        request = _request_of(params)
        await self._change(
            context,
            "CreateSchedule",
            params,
            lambda connection: schedules.create_schedule(connection, context, request, _DRAW),
        )
        return {"ScheduleArn": _arn(context, request)}

    async def _update_schedule(self, context: ControlContext, params: _Params) -> Members:
        request = _request_of(params)
        await self._change(
            context,
            "UpdateSchedule",
            params,
            lambda connection: schedules.update_schedule(connection, context, request, _DRAW),
        )
        return {"ScheduleArn": _arn(context, request)}

    async def _delete_schedule(self, context: ControlContext, params: _Params) -> Members:
        group_name, name = _group_of(params), params["Name"]
        await self._change(
            context,
            "DeleteSchedule",
            params,
            lambda connection: schedules.delete_schedule(connection, group_name, name),
        )
        return {}

    async def _get_schedule(self, context: ControlContext, params: _Params) -> Members:
        schedule = await self._database.read(
            schedules.require_schedule, _group_of(params), params["Name"]
        )
        return schedule_members(schedule, context.scope)

    async def _list_schedules(self, context: ControlContext, params: _Params) -> Members:
        state = params.get("State")
        page = await self._database.read(
            _read_schedules,
            group_name=params.get("GroupName"),
            prefix=params.get("NamePrefix"),
            is_enabled=None if state is None else state == "ENABLED",
            marker=params.get("NextToken"),
            limit=params.get("MaxResults", _PAGE),
        )
        scope = context.scope
        found = [summary_members(schedule, scope) for schedule in page.items]
        return {"Schedules": found, "NextToken": page.next_marker}

    # -- groups

    async def _create_schedule_group(self, context: ControlContext, params: _Params) -> Members:
        name = params["Name"]
        tags = tags_of(params.get("Tags", []))
        await self._change(
            context,
            "CreateScheduleGroup",
            params,
            lambda connection: schedule_groups.create_group(connection, context, name, tags),
        )
        return {"ScheduleGroupArn": group_arn(context.scope, name)}

    async def _delete_schedule_group(self, context: ControlContext, params: _Params) -> Members:
        name = params["Name"]
        await self._change(
            context,
            "DeleteScheduleGroup",
            params,
            lambda connection: schedule_groups.delete_group(connection, name),
        )
        return {}

    async def _get_schedule_group(self, context: ControlContext, params: _Params) -> Members:
        group = await self._database.read(schedule_groups.require_group, params["Name"])
        return group_members(group, context.scope)

    async def _list_schedule_groups(self, context: ControlContext, params: _Params) -> Members:
        page = await self._database.read(
            list_groups,
            prefix=params.get("NamePrefix"),
            marker=params.get("NextToken"),
            limit=params.get("MaxResults", _PAGE),
        )
        scope = context.scope
        found = [group_members(group, scope) for group in page.items]
        return {"ScheduleGroups": found, "NextToken": page.next_marker}


def _read_schedules(
    connection: Connection,
    *,
    group_name: str | None,
    prefix: str | None,
    is_enabled: bool | None,
    marker: str | None,
    limit: int,
) -> Page[Schedule]:
    if group_name is not None:
        schedule_groups.require_group(connection, group_name)
    return list_schedules(
        connection,
        group_name=group_name,
        prefix=prefix,
        is_enabled=is_enabled,
        marker=marker,
        limit=limit,
    )


# --- requests ---------------------------------------------------------------------------------


def _arn(context: ControlContext, request: ScheduleRequest) -> str:
    return schedule_arn(context.scope, request.group_name, request.name)


def _group_of(params: _Params) -> str:
    name: str = params.get("GroupName", DEFAULT_GROUP)
    return name


def _request_of(params: _Params) -> ScheduleRequest:
    """What a request says that a schedule is to be.

    Raises:
        InvalidParameterError: it says what is not served.
    """
    if "KmsKeyArn" in params:
        raise InvalidParameterError("KmsKeyArn is not supported by lambd: nothing is encrypted.")
    window = params["FlexibleTimeWindow"]
    return ScheduleRequest(
        group_name=_group_of(params),
        name=params["Name"],
        description=params.get("Description"),
        expression=params["ScheduleExpression"],
        timezone=params.get("ScheduleExpressionTimezone", "UTC"),
        start_at=params.get("StartDate"),
        end_at=params.get("EndDate"),
        is_flexible=window["Mode"] == "FLEXIBLE",
        window_minutes=window.get("MaximumWindowInMinutes"),
        is_enabled=params.get("State", "ENABLED") == "ENABLED",
        target=_target_of(params["Target"]),
        deletes_itself=params.get("ActionAfterCompletion", "NONE") == "DELETE",
    )


def _target_of(target: _Params) -> ScheduleTarget:
    for name in _FOREIGN:
        if name in target:
            raise InvalidParameterError(f"Parameters {name} not supported for the target.")
    retry, default = target.get("RetryPolicy", {}), RetryPolicy()
    return ScheduleTarget(
        arn=target["Arn"],
        role_arn=target["RoleArn"],
        input=target.get("Input"),
        retry=RetryPolicy(
            max_retries=retry.get("MaximumRetryAttempts", default.max_retries),
            max_age_s=retry.get("MaximumEventAgeInSeconds", default.max_age_s),
        ),
        dead_letter_arn=target.get("DeadLetterConfig", {}).get("Arn"),
    )
