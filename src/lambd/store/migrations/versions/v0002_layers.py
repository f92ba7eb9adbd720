"""Layers, and the unpacked size of code, which counts together with theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the column."""
    op.add_column(
        "deployments",
        sa.Column("code_unpacked_bytes", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "layer_counters",
        sa.Column("layer_name", sa.String(140), nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("layer_name", name="pk_layer_counters"),
    )
    op.create_table(
        "layer_versions",
        sa.Column("layer_name", sa.String(140), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("description", sa.String(256), nullable=False),
        sa.Column("compatible_runtimes", sa.Text, nullable=True),
        sa.Column("compatible_architectures", sa.Text, nullable=True),
        sa.Column("license_info", sa.String(512), nullable=True),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("code_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("code_unpacked_bytes", sa.BigInteger, nullable=False),
        sa.Column("permissions", sa.Text, nullable=True),
        sa.Column("policy_revision_id", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("layer_name", "number", name="pk_layer_versions"),
    )
