"""Targets of scheduled rules: put, remove, and what each of them is sent.

Source: EventBridge's API reference and User Guide; texts as measured on AWS by others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError, QuotaExceededError
from lambd.model.limits import TARGETS_PER_RULE
from lambd.services.dispatch.function_targets import check_function_arn, is_json
from lambd.services.dispatch.model import written_time
from lambd.services.eventbridge import rows
from lambd.services.eventbridge.input_transformer import (
    EVENT,
    EVENT_JSON,
    INGESTION_TIME,
    PREDEFINED,
    RULE_ARN,
    RULE_NAME,
    PathError,
    TemplateError,
    check_template,
    extract,
    parse_path,
    transform,
)
from lambd.services.eventbridge.model import Rule, RuleTarget, rule_arn
from lambd.services.eventbridge.rules import TOO_MANY, require_rule
from lambd.store.database import Connection


def put_targets(
    connection: Connection, context: ControlContext, rule_name: str, targets: Sequence[RuleTarget]
) -> None:
    """Add targets to a rule, or replace those with the same names.

    Args:
        connection: an open transaction.
        context: its surroundings.
        rule_name: whose.
        targets: without numbers of their own and their rule's.

    Raises:
        NotFoundError: no such rule.
        InvalidParameterError: one of them cannot be.
        QuotaExceededError: the rule would have more than it may.
    """
    rule = require_rule(connection, rule_name)
    seen: set[str] = set()
    for target in targets:
        if target.name in seen:
            raise InvalidParameterError(
                f"Parameter targets is not valid. Reason: More than one target with Id "
                f"'{target.name}' is provided."
            )
        seen.add(target.name)
        _check(target, context.scope)
    existing = {target.name: target for target in rows.targets_of(connection, rule)}
    if len(existing.keys() | seen) > TARGETS_PER_RULE:
        raise QuotaExceededError(TOO_MANY)
    for target in targets:
        old = existing.get(target.name)
        stored = replace(target, rule_id=rule.id, id=0 if old is None else old.id)
        rows.put_target(connection, stored)


def remove_targets(connection: Connection, rule_name: str, names: Collection[str]) -> list[str]:
    """Remove targets of a rule; the names of those that it has not.

    Raises:
        NotFoundError: no such rule.
    """
    rule = require_rule(connection, rule_name)
    existing = {target.name: target for target in rows.targets_of(connection, rule)}
    for name in set(names) & existing.keys():
        rows.delete_target(connection, existing[name])
    return [name for name in names if name not in existing]


# --- checks -----------------------------------------------------------------------------------


def _check(target: RuleTarget, scope: Scope) -> None:
    check_function_arn(target.arn, scope)
    inputs = (target.input, target.input_path, target.transformer)
    if sum(each is not None for each in inputs) > 1:
        raise InvalidParameterError(
            "Only one of Input, InputPath, or InputTransformer must be provided for target "
            f"{target.name}."
        )
    if target.input is not None and not is_json(target.input):
        raise InvalidParameterError(f"JSON syntax error in input for target {target.name}.")
    if target.input_path is not None:
        _check_path(target, target.input_path)
    _check_transformer(target)
    _check_dead_letters(target)


def _check_path(target: RuleTarget, path: str) -> None:
    try:
        parse_path(path)
    except PathError as error:
        raise InvalidParameterError(f"InputPath for target {target.name} is invalid.") from error


def _check_transformer(target: RuleTarget) -> None:
    made = target.transformer
    if made is None:
        return
    for name, path in made.paths.items():
        if name in PREDEFINED:
            raise InvalidParameterError(
                f"InputPathsMap for target {target.name} contains reserved variable {name}."
            )
        _check_path(target, path)
    try:
        check_template(made.template, made.paths)
    except TemplateError as error:
        raise InvalidParameterError(f"InputTemplate for target {target.name} {error}") from error


def _check_dead_letters(target: RuleTarget) -> None:
    arn = target.dead_letter_arn
    if arn is None:
        return
    parts = arn.split(":")
    if len(parts) != 6 or parts[0] != "arn":
        raise InvalidParameterError(
            f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )
    if parts[2] != "sqs":
        raise InvalidParameterError(f"{parts[2]} is not supported as a dead letter resource.")
    if arn.endswith(".fifo"):
        raise InvalidParameterError("SQS FIFO is not supported by Dead Letter Queues.")


# --- events -----------------------------------------------------------------------------------


def target_input(rule: Rule, target: RuleTarget, event: str, scope: Scope, now: datetime) -> str:
    """What a target is sent for an event of its rule, JSON text."""
    if target.input is not None:
        return target.input
    if target.input_path is None and target.transformer is None:
        return event
    parsed = json.loads(event)
    if target.input_path is not None:
        part = extract(parse_path(target.input_path), parsed)
        return json.dumps(part, separators=(",", ":"))
    made = target.transformer
    assert made is not None  # noqa: S101 - the one that is left
    return transform(
        made.template,
        {name: parse_path(path) for name, path in made.paths.items()},
        parsed,
        {
            RULE_ARN: rule_arn(scope, rule.name),
            RULE_NAME: rule.name,
            INGESTION_TIME: written_time(now),
            EVENT: {name: value for name, value in parsed.items() if name != "detail"},
            EVENT_JSON: parsed,
        },
    )
