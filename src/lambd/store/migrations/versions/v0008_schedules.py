"""EventBridge Scheduler and scheduled rules: groups, schedules, rules, targets, dispatches."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `tables_schedules.py`, and the group that is always there."""
    _create_groups_and_schedules()
    _create_rules()
    _create_dispatches()


def _create_groups_and_schedules() -> None:
    groups = op.create_table(
        "schedule_groups",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_groups"),
    )
    op.create_index("ix_schedule_groups_name", "schedule_groups", ["name"], unique=True)
    now_us = time.time_ns() // 1000
    op.bulk_insert(
        groups,
        [{"name": "default", "tags": "{}", "created_at": now_us, "modified_at": now_us}],
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.String(512), nullable=True),
        sa.Column("expression", sa.String(256), nullable=False),
        sa.Column("timezone", sa.String(50), nullable=False),
        sa.Column("start_at", sa.BigInteger, nullable=True),
        sa.Column("end_at", sa.BigInteger, nullable=True),
        sa.Column("window_minutes", sa.Integer, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("target_arn", sa.Text, nullable=False),
        sa.Column("role_arn", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=True),
        sa.Column("max_retries", sa.Integer, nullable=False),
        sa.Column("max_age_s", sa.Integer, nullable=False),
        sa.Column("dead_letter_arn", sa.Text, nullable=True),
        sa.Column("deletes_itself", sa.Boolean, nullable=False),
        sa.Column("anchor_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=True),
        sa.Column("due_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["schedule_groups.id"], name="fk_schedules_group_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_schedules_group_id", "schedules", ["group_id", "name"], unique=True)
    op.create_index("ix_schedules_due_at", "schedules", ["due_at"])
    op.create_table(
        "schedule_tokens",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("served_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_schedule_tokens"),
    )
    op.create_index("ix_schedule_tokens_served_at", "schedule_tokens", ["served_at"])


def _create_rules() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.String(512), nullable=True),
        sa.Column("expression", sa.String(256), nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("anchor_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
    )
    op.create_index("ix_rules_name", "rules", ["name"], unique=True)
    op.create_index("ix_rules_next_at", "rules", ["next_at"])
    op.create_table(
        "rule_targets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("rule_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("arn", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=True),
        sa.Column("input_path", sa.Text, nullable=True),
        sa.Column("transformer", sa.Text, nullable=True),
        sa.Column("max_retries", sa.Integer, nullable=True),
        sa.Column("max_age_s", sa.Integer, nullable=True),
        sa.Column("dead_letter_arn", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rule_targets"),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["rules.id"], name="fk_rule_targets_rule_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_rule_targets_rule_id", "rule_targets", ["rule_id", "name"], unique=True)
    op.create_index("ix_rule_targets_arn", "rule_targets", ["arn"])


def _create_dispatches() -> None:
    op.create_table(
        "dispatches",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("source_arn", sa.Text, nullable=False),
        sa.Column("target_arn", sa.Text, nullable=False),
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("qualifier", sa.String(128), nullable=True),
        sa.Column("role_arn", sa.Text, nullable=True),
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("execution_id", sa.String(36), nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("scheduled_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("max_retries", sa.Integer, nullable=False),
        sa.Column("dead_letter_arn", sa.Text, nullable=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=True),
        sa.Column("is_dead", sa.Boolean, nullable=False),
        sa.Column("failed_deliveries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dispatches"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dispatches_due_at", "dispatches", ["due_at"])
