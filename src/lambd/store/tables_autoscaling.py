"""Tables of Application Auto Scaling; see `tables.py` for the rest.

Targets name versions and aliases and do not refer to them: as on AWS they outlive them. Policies
and scheduled actions go with their target, activities stay for a while.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from lambd.store.tables import UtcTime, metadata

scaling_targets = Table(
    "scaling_targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("resource_id", String(220), nullable=False),
    Column("arn_id", String(36), nullable=False),
    Column("min_capacity", Integer, nullable=False),
    Column("max_capacity", Integer, nullable=False),
    Column("scale_in_suspended", Boolean, nullable=False),
    Column("scale_out_suspended", Boolean, nullable=False),
    Column("scheduled_suspended", Boolean, nullable=False),
    # JSON object.
    Column("tags", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_scaling_targets_resource_id", "resource_id", unique=True),
    Index("ix_scaling_targets_arn_id", "arn_id", unique=True),
)


def _target_id() -> Column[int]:
    return Column(
        "target_id",
        Integer,
        ForeignKey("scaling_targets.id", ondelete="CASCADE"),
        nullable=False,
    )


scaling_policies = Table(
    "scaling_policies",
    metadata,
    Column("id", Integer, primary_key=True),
    _target_id(),
    Column("uuid", String(36), nullable=False),
    Column("name", String(256), nullable=False),
    Column("target_value", Float, nullable=False),
    Column("scale_out_cooldown_s", Integer, nullable=True),
    Column("scale_in_cooldown_s", Integer, nullable=True),
    Column("disable_scale_in", Boolean, nullable=True),
    Column("high_alarm_id", String(36), nullable=False),
    Column("low_alarm_id", String(36), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("scaled_out_at", UtcTime, nullable=True),
    Column("scaled_out_from", Integer, nullable=True),
    Column("scaled_in_at", UtcTime, nullable=True),
    Index("ix_scaling_policies_target_id", "target_id", "name", unique=True),
)

scheduled_actions = Table(
    "scheduled_actions",
    metadata,
    Column("id", Integer, primary_key=True),
    _target_id(),
    Column("uuid", String(36), nullable=False),
    Column("name", String(256), nullable=False),
    Column("schedule", Text, nullable=False),
    Column("timezone", Text, nullable=True),
    Column("start_at", UtcTime, nullable=True),
    Column("end_at", UtcTime, nullable=True),
    Column("min_capacity", Integer, nullable=True),
    Column("max_capacity", Integer, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("anchor_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=True),
    Index("ix_scheduled_actions_target_id", "target_id", "name", unique=True),
    Index("ix_scheduled_actions_next_at", "next_at"),
)

scaling_activities = Table(
    "scaling_activities",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False),
    Column("resource_id", String(220), nullable=False),
    Column("description", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=True),
    Column("status", String(16), nullable=False),
    Column("status_message", Text, nullable=False),
    Column("not_scaled", String(64), nullable=True),
    Column("capacity", Integer, nullable=False),
    Column("allocation_id", String(36), nullable=True),
    Index("ix_scaling_activities_resource_id", "resource_id", "id"),
    Index("ix_scaling_activities_status", "status"),
)
