"""Tables of EventBridge Scheduler and of scheduled rules; see `tables.py` for the rest.

Targets name functions and do not refer to them: as on AWS they outlive them. Dispatches, which are
occurrences on their way, outlive what they are of: a schedule may delete itself with its last one.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from lambd.store.tables import UtcTime, metadata

schedule_groups = Table(
    "schedule_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    # JSON object.
    Column("tags", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("modified_at", UtcTime, nullable=False),
    Index("ix_schedule_groups_name", "name", unique=True),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "group_id",
        Integer,
        ForeignKey("schedule_groups.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", String(64), nullable=False),
    Column("description", String(512), nullable=True),
    Column("expression", String(256), nullable=False),
    Column("timezone", String(50), nullable=False),
    Column("start_at", UtcTime, nullable=True),
    Column("end_at", UtcTime, nullable=True),
    # 0: no flexible window.
    Column("window_minutes", Integer, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("target_arn", Text, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("input", Text, nullable=True),
    Column("max_retries", Integer, nullable=False),
    Column("max_age_s", Integer, nullable=False),
    Column("dead_letter_arn", Text, nullable=True),
    Column("deletes_itself", Boolean, nullable=False),
    Column("anchor_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("modified_at", UtcTime, nullable=False),
    # The next occurrence, and the moment of its window that was drawn.
    Column("next_at", UtcTime, nullable=True),
    Column("due_at", UtcTime, nullable=True),
    Index("ix_schedules_group_id", "group_id", "name", unique=True),
    Index("ix_schedules_due_at", "due_at"),
)

# Client tokens of requests that were served.
schedule_tokens = Table(
    "schedule_tokens",
    metadata,
    Column("token", String(64), primary_key=True),
    # Of the operation and its parameters.
    Column("fingerprint", String(64), nullable=False),
    Column("served_at", UtcTime, nullable=False),
    Index("ix_schedule_tokens_served_at", "served_at"),
)

rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("description", String(512), nullable=True),
    Column("expression", String(256), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    # JSON object.
    Column("tags", Text, nullable=False),
    Column("anchor_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=True),
    Index("ix_rules_name", "name", unique=True),
    Index("ix_rules_next_at", "next_at"),
)

rule_targets = Table(
    "rule_targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule_id", Integer, ForeignKey("rules.id", ondelete="CASCADE"), nullable=False),
    # `Id`, unique within its rule.
    Column("name", String(64), nullable=False),
    Column("arn", Text, nullable=False),
    Column("input", Text, nullable=True),
    Column("input_path", Text, nullable=True),
    # JSON object of paths and template.
    Column("transformer", Text, nullable=True),
    Column("max_retries", Integer, nullable=True),
    Column("max_age_s", Integer, nullable=True),
    Column("dead_letter_arn", Text, nullable=True),
    Index("ix_rule_targets_rule_id", "rule_id", "name", unique=True),
    Index("ix_rule_targets_arn", "arn"),
)

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String(16), nullable=False),
    Column("source_arn", Text, nullable=False),
    Column("target_arn", Text, nullable=False),
    Column("function_name", String(64), nullable=False),
    Column("qualifier", String(128), nullable=True),
    Column("role_arn", Text, nullable=True),
    Column("request_id", String(36), nullable=False),
    Column("execution_id", String(36), nullable=False),
    Column("input", Text, nullable=False),
    Column("scheduled_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("max_retries", Integer, nullable=False),
    Column("dead_letter_arn", Text, nullable=True),
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # JSON object of the last failure.
    Column("failure", Text, nullable=True),
    # It is given up, and its dead letter to be sent.
    Column("is_dead", Boolean, nullable=False),
    Column("failed_deliveries", Integer, nullable=False),
    Index("ix_dispatches_due_at", "due_at"),
    # A number is never used again: an event that takes a dispatch's place must take no other's.
    sqlite_autoincrement=True,
)
