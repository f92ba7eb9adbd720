"""Functions, their versions, deployments and tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "version_counters",
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("function_name", name="pk_version_counters"),
    )
    op.create_table(
        "functions",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_functions"),
    )
    op.create_table(
        "function_tags",
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("function_name", "key", name="pk_function_tags"),
        sa.ForeignKeyConstraint(
            ["function_name"],
            ["functions.name"],
            name="fk_function_tags_function_name",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("code_size_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
    )
    op.create_index("ix_deployments_function_name", "deployments", ["function_name"])
    _create_function_versions()


def _create_function_versions() -> None:
    op.create_table(
        "function_versions",
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("deployment_id", sa.String(36), nullable=False),
        sa.Column("serving_id", sa.String(36), nullable=True),
        sa.Column("revision_id", sa.String(36), nullable=False),
        sa.Column("last_modified", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("state_reason", sa.Text, nullable=True),
        sa.Column("state_reason_code", sa.String(64), nullable=True),
        sa.Column("update_status", sa.String(32), nullable=True),
        sa.Column("update_reason", sa.Text, nullable=True),
        sa.Column("update_reason_code", sa.String(64), nullable=True),
        sa.Column("source_fingerprint", sa.String(64), nullable=True),
        sa.Column("settled_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("function_name", "number", name="pk_function_versions"),
        sa.ForeignKeyConstraint(
            ["function_name"],
            ["functions.name"],
            name="fk_function_versions_function_name",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_function_versions_deployment_id"
        ),
        sa.ForeignKeyConstraint(
            ["serving_id"], ["deployments.id"], name="fk_function_versions_serving_id"
        ),
    )
    for column in ("deployment_id", "serving_id", "state", "update_status"):
        op.create_index(f"ix_function_versions_{column}", "function_versions", [column])
