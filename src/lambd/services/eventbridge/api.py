"""The EventBridge API, for rules on the default bus that invoke functions on a schedule.

Takes decoded parameters and returns members as the service model spells them. `Force` has no
effect: there are no rules that a service manages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError, NotFoundError
from lambd.services.eventbridge import rules
from lambd.services.eventbridge import targets as rule_targets
from lambd.services.eventbridge.errors import error_table
from lambd.services.eventbridge.model import (
    DEFAULT_BUS,
    InputTransformer,
    Rule,
    RuleTarget,
    rule_arn,
)
from lambd.services.eventbridge.rows import list_rules, list_targets
from lambd.services.eventbridge.rules import RuleRequest
from lambd.services.service import Contexts, Service
from lambd.services.tagging import tag_handlers, tags_of
from lambd.store.database import Connection, Database
from lambd.store.paging import Page

_PAGE = 100
# Members of a target that are for other services than Lambda.
_FOREIGN = (
    *("KinesisParameters", "RunCommandParameters", "EcsParameters", "BatchParameters"),
    *("SqsParameters", "HttpParameters", "RedshiftDataParameters"),
    *("SageMakerPipelineParameters", "AppSyncParameters"),
)

_Params = Mapping[str, Any]
Members = dict[str, Any]


class EventsApi:
    """Answers EventBridge operations on scheduled rules; safe for concurrent calls."""

    def __init__(self, database: Database, contexts: Contexts) -> None:
        self._database = database
        self._contexts = contexts

    def service(self) -> Service:
        """The operations that are answered."""
        return Service(
            errors=error_table(),
            contexts=self._contexts,
            handlers={
                "DeleteRule": self._delete_rule,
                "DescribeRule": self._describe_rule,
                "DisableRule": self._disable_rule,
                "EnableRule": self._enable_rule,
                "ListRuleNamesByTarget": self._list_rule_names_by_target,
                "ListRules": self._list_rules,
                "ListTargetsByRule": self._list_targets_by_rule,
                "PutRule": self._put_rule,
                "PutTargets": self._put_targets,
                "RemoveTargets": self._remove_targets,
                **tag_handlers(rules.TAGGING, self._database, arn_member="ResourceARN"),
            },
        )

    # -- rules

    async def _put_rule(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        request = _request_of(params)
        await self._database.run(rules.put_rule, context, request)
        return {"RuleArn": rule_arn(context.scope, request.name)}

    async def _describe_rule(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        rule = await self._database.read(rules.require_rule, params["Name"])
        scope = context.scope
        return {**rule_members(rule, scope), "CreatedBy": scope.account_id}

    async def _list_rules(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        page = await self._database.read(
            list_rules, prefix=params.get("NamePrefix"), **_page_of(params)
        )
        scope = context.scope
        found = [rule_members(rule, scope) for rule in page.items]
        return {"Rules": found, "NextToken": page.next_marker}

    async def _list_rule_names_by_target(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        page = await self._database.read(
            list_rules, target_arn=params["TargetArn"], **_page_of(params)
        )
        return {"RuleNames": [rule.name for rule in page.items], "NextToken": page.next_marker}

    async def _enable_rule(self, context: ControlContext, params: _Params) -> Members:
        return await self._set_state(context, params, is_enabled=True)

    async def _disable_rule(self, context: ControlContext, params: _Params) -> Members:
        return await self._set_state(context, params, is_enabled=False)

    async def _set_state(
        self, context: ControlContext, params: _Params, *, is_enabled: bool
    ) -> Members:
        _check_bus(context, params)
        await self._database.run(rules.enable_rule, context, params["Name"], is_enabled=is_enabled)
        return {}

    async def _delete_rule(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        await self._database.run(rules.delete_rule, params["Name"])
        return {}

    # -- targets

    async def _put_targets(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        targets = [_target_of(target) for target in params["Targets"]]
        await self._database.run(rule_targets.put_targets, context, params["Rule"], targets)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    async def _remove_targets(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        rule_name = params["Rule"]
        missing = await self._database.run(rule_targets.remove_targets, rule_name, params["Ids"])
        entries = [
            {
                "TargetId": name,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": (
                    f"Rule '{rule_name}' does not have a target with the Id '{name}'."
                ),
            }
            for name in missing
        ]
        return {"FailedEntryCount": len(entries), "FailedEntries": entries}

    async def _list_targets_by_rule(self, context: ControlContext, params: _Params) -> Members:
        _check_bus(context, params)
        page = await self._database.read(_read_targets, params["Rule"], **_page_of(params))
        found = [target_members(target) for target in page.items]
        return {"Targets": found, "NextToken": page.next_marker}


def _read_targets(
    connection: Connection, rule_name: str, *, marker: str | None, limit: int
) -> Page[RuleTarget]:
    rule = rules.require_rule(connection, rule_name)
    return list_targets(connection, rule, marker=marker, limit=limit)


# --- requests ---------------------------------------------------------------------------------


def _check_bus(context: ControlContext, params: _Params) -> None:
    """Raise NotFoundError unless a request is for the only bus there is."""
    scope = context.scope
    bus = params.get("EventBusName", DEFAULT_BUS)
    arn = f"arn:{scope.partition}:events:{scope.region}:{scope.account_id}:event-bus/"
    if bus not in (DEFAULT_BUS, f"{arn}{DEFAULT_BUS}"):
        raise NotFoundError(f"Event bus {bus} does not exist.")


def _page_of(params: _Params) -> dict[str, Any]:
    return {"marker": params.get("NextToken"), "limit": params.get("Limit", _PAGE)}


def _request_of(params: _Params) -> RuleRequest:
    """What a request says that a rule is to be.

    Raises:
        InvalidParameterError: it says what is not served, or not when the rule is due.
    """
    if params.get("EventPattern"):
        raise InvalidParameterError(
            "EventPattern is not supported by lambd yet: rules are run by a ScheduleExpression."
        )
    if "RoleArn" in params:
        raise InvalidParameterError("RoleArn of a rule is not supported by lambd.")
    expression = params.get("ScheduleExpression")
    if not expression:
        raise InvalidParameterError(
            "Parameter(s) EventPattern or ScheduleExpression must be specified."
        )
    state = params.get("State", "ENABLED")
    if state not in ("ENABLED", "DISABLED"):
        raise InvalidParameterError(f"State {state} is not supported for scheduled rules.")
    return RuleRequest(
        name=params["Name"],
        description=params.get("Description"),
        expression=expression,
        is_enabled=state == "ENABLED",
        tags=tags_of(params.get("Tags", [])),
    )


def _target_of(target: _Params) -> RuleTarget:
    name = target["Id"]
    for member in _FOREIGN:
        if member in target:
            raise InvalidParameterError(f"Parameter(s) {member} not supported for target: {name}.")
    if "RoleArn" in target:
        raise InvalidParameterError(f"RoleArn is not supported for target {target['Arn']}.")
    made, retry = target.get("InputTransformer"), target.get("RetryPolicy", {})
    return RuleTarget(
        rule_id=0,
        name=name,
        arn=target["Arn"],
        input=target.get("Input"),
        input_path=target.get("InputPath"),
        transformer=None
        if made is None
        else InputTransformer(paths=made.get("InputPathsMap", {}), template=made["InputTemplate"]),
        max_retries=retry.get("MaximumRetryAttempts"),
        max_age_s=retry.get("MaximumEventAgeInSeconds"),
        dead_letter_arn=target.get("DeadLetterConfig", {}).get("Arn"),
    )


# --- replies ----------------------------------------------------------------------------------


def rule_members(rule: Rule, scope: Scope) -> Members:
    """`Rule`."""
    return {
        "Name": rule.name,
        "Arn": rule_arn(scope, rule.name),
        "State": "ENABLED" if rule.is_enabled else "DISABLED",
        "Description": rule.description,
        "ScheduleExpression": rule.expression,
        "EventBusName": DEFAULT_BUS,
    }


def target_members(target: RuleTarget) -> Members:
    """`Target`, with what was said of it."""
    made = target.transformer
    retry = {
        "MaximumRetryAttempts": target.max_retries,
        "MaximumEventAgeInSeconds": target.max_age_s,
    }
    has_retry = any(value is not None for value in retry.values())
    return {
        "Id": target.name,
        "Arn": target.arn,
        "Input": target.input,
        "InputPath": target.input_path,
        "InputTransformer": made
        and {"InputPathsMap": dict(made.paths) or None, "InputTemplate": made.template},
        "RetryPolicy": retry if has_retry else None,
        "DeadLetterConfig": target.dead_letter_arn and {"Arn": target.dead_letter_arn},
    }
