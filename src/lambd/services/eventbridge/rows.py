"""Rows <-> model for scheduled rules and their targets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, insert, select, update

from lambd.services.eventbridge.model import InputTransformer, Rule, RuleTarget
from lambd.store.database import Connection, SchedulesChanged, notify
from lambd.store.paging import Page, page_rows
from lambd.store.tables_schedules import rule_targets as targets
from lambd.store.tables_schedules import rules as table


def get_rule(connection: Connection, name: str) -> Rule | None:
    """The rule with this name."""
    row = connection.execute(select(table).where(table.c.name == name)).mappings().one_or_none()
    return None if row is None else _to_rule(row)


def count_rules(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def put_rule(connection: Connection, rule: Rule) -> None:
    """Store a rule, a new one (id 0) or another state of one."""
    values: Mapping[str, object] = {
        "name": rule.name,
        "description": rule.description,
        "expression": rule.expression,
        "is_enabled": rule.is_enabled,
        "tags": json.dumps(dict(rule.tags)),
        "anchor_at": rule.anchor_at,
        "next_at": rule.next_at,
    }
    if rule.id:
        connection.execute(update(table).where(table.c.id == rule.id).values(values))
    else:
        connection.execute(insert(table).values(values))
    notify(connection, SchedulesChanged())


def delete_rule(connection: Connection, rule: Rule) -> None:
    """Remove a rule."""
    connection.execute(delete(table).where(table.c.id == rule.id))
    notify(connection, SchedulesChanged())


def list_rules(
    connection: Connection,
    *,
    prefix: str | None = None,
    target_arn: str | None = None,
    marker: str | None,
    limit: int,
) -> Page[Rule]:
    """The rules: all, those whose names begin so, or those with this target."""
    query = select(table)
    if prefix is not None:
        query = query.where(func.substr(table.c.name, 1, len(prefix)) == prefix)
    if target_arn is not None:
        having = select(targets.c.rule_id).where(targets.c.arn == target_arn)
        query = query.where(table.c.id.in_(having))
    rows, marker = page_rows(connection, query, table.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_rule(row) for row in rows), next_marker=marker)


def due_rules(connection: Connection, now: datetime, limit: int) -> list[Rule]:
    """Rules whose time has come, the longest due first."""
    query = select(table).where(table.c.next_at <= now).order_by(table.c.next_at, table.c.id)
    return [_to_rule(row) for row in connection.execute(query.limit(limit)).mappings()]


def planned_after(connection: Connection, now: datetime) -> list[Rule]:
    """Rules with an occurrence that is yet to come."""
    query = select(table).where(table.c.next_at > now).order_by(table.c.id)
    return [_to_rule(row) for row in connection.execute(query).mappings()]


def next_due(connection: Connection) -> datetime | None:
    """When the first of them is due; None: none is."""
    query = select(table.c.next_at).where(table.c.next_at.is_not(None)).order_by(table.c.next_at)
    return connection.execute(query.limit(1)).scalar_one_or_none()


# --- targets ----------------------------------------------------------------------------------


def targets_of(connection: Connection, rule: Rule) -> list[RuleTarget]:
    """All targets of a rule."""
    query = select(targets).where(targets.c.rule_id == rule.id).order_by(targets.c.id)
    return [_to_target(row) for row in connection.execute(query).mappings()]


def list_targets(
    connection: Connection, rule: Rule, *, marker: str | None, limit: int
) -> Page[RuleTarget]:
    """The targets of a rule."""
    query = select(targets).where(targets.c.rule_id == rule.id)
    rows, marker = page_rows(connection, query, targets.c.id, marker=marker, limit=limit)
    return Page(items=tuple(_to_target(row) for row in rows), next_marker=marker)


def put_target(connection: Connection, target: RuleTarget) -> None:
    """Store a target, a new one (id 0) or another state of one."""
    made = target.transformer
    values: Mapping[str, object] = {
        "rule_id": target.rule_id,
        "name": target.name,
        "arn": target.arn,
        "input": target.input,
        "input_path": target.input_path,
        "transformer": made and json.dumps({"paths": dict(made.paths), "template": made.template}),
        "max_retries": target.max_retries,
        "max_age_s": target.max_age_s,
        "dead_letter_arn": target.dead_letter_arn,
    }
    if target.id:
        connection.execute(update(targets).where(targets.c.id == target.id).values(values))
    else:
        connection.execute(insert(targets).values(values))


def delete_target(connection: Connection, target: RuleTarget) -> None:
    """Remove a target."""
    connection.execute(delete(targets).where(targets.c.id == target.id))


# --- rows -------------------------------------------------------------------------------------


def _to_rule(row: RowMapping) -> Rule:
    return Rule(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        expression=row["expression"],
        is_enabled=row["is_enabled"],
        tags=json.loads(row["tags"]),
        anchor_at=row["anchor_at"],
        next_at=row["next_at"],
    )


def _to_target(row: RowMapping) -> RuleTarget:
    made = row["transformer"]
    return RuleTarget(
        id=row["id"],
        rule_id=row["rule_id"],
        name=row["name"],
        arn=row["arn"],
        input=row["input"],
        input_path=row["input_path"],
        transformer=None if made is None else InputTransformer(**json.loads(made)),
        max_retries=row["max_retries"],
        max_age_s=row["max_age_s"],
        dead_letter_arn=row["dead_letter_arn"],
    )
