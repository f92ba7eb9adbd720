"""Application Auto Scaling: targets, policies, scheduled actions, activities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `tables_autoscaling.py`."""
    op.create_table(
        "scaling_targets",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("resource_id", sa.String(220), nullable=False),
        sa.Column("arn_id", sa.String(36), nullable=False),
        sa.Column("min_capacity", sa.Integer, nullable=False),
        sa.Column("max_capacity", sa.Integer, nullable=False),
        sa.Column("scale_in_suspended", sa.Boolean, nullable=False),
        sa.Column("scale_out_suspended", sa.Boolean, nullable=False),
        sa.Column("scheduled_suspended", sa.Boolean, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scaling_targets"),
    )
    op.create_index(
        "ix_scaling_targets_resource_id", "scaling_targets", ["resource_id"], unique=True
    )
    op.create_index("ix_scaling_targets_arn_id", "scaling_targets", ["arn_id"], unique=True)
    op.create_table(
        "scaling_policies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("target_id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("target_value", sa.Float, nullable=False),
        sa.Column("scale_out_cooldown_s", sa.Integer, nullable=True),
        sa.Column("scale_in_cooldown_s", sa.Integer, nullable=True),
        sa.Column("disable_scale_in", sa.Boolean, nullable=True),
        sa.Column("high_alarm_id", sa.String(36), nullable=False),
        sa.Column("low_alarm_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("scaled_out_at", sa.BigInteger, nullable=True),
        sa.Column("scaled_out_from", sa.Integer, nullable=True),
        sa.Column("scaled_in_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scaling_policies"),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["scaling_targets.id"],
            name="fk_scaling_policies_target_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_scaling_policies_target_id", "scaling_policies", ["target_id", "name"], unique=True
    )
    op.create_table(
        "scheduled_actions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("target_id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("timezone", sa.Text, nullable=True),
        sa.Column("start_at", sa.BigInteger, nullable=True),
        sa.Column("end_at", sa.BigInteger, nullable=True),
        sa.Column("min_capacity", sa.Integer, nullable=True),
        sa.Column("max_capacity", sa.Integer, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("anchor_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_actions"),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["scaling_targets.id"],
            name="fk_scheduled_actions_target_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_scheduled_actions_target_id", "scheduled_actions", ["target_id", "name"], unique=True
    )
    op.create_index("ix_scheduled_actions_next_at", "scheduled_actions", ["next_at"])
    op.create_table(
        "scaling_activities",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("resource_id", sa.String(220), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("status_message", sa.Text, nullable=False),
        sa.Column("not_scaled", sa.String(64), nullable=True),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("allocation_id", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scaling_activities"),
    )
    op.create_index(
        "ix_scaling_activities_resource_id", "scaling_activities", ["resource_id", "id"]
    )
    op.create_index("ix_scaling_activities_status", "scaling_activities", ["status"])
