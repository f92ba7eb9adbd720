"""Aliases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_VERSIONS = ["function_versions.function_name", "function_versions.number"]


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "aliases",
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("version_number", sa.Integer, nullable=False),
        sa.Column("description", sa.String(256), nullable=False),
        sa.Column("additional_number", sa.Integer, nullable=True),
        sa.Column("additional_weight", sa.Float, nullable=True),
        sa.Column("revision_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("function_name", "name", name="pk_aliases"),
        sa.ForeignKeyConstraint(
            ["function_name"],
            ["functions.name"],
            name="fk_aliases_function_name",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["function_name", "version_number"], _VERSIONS, name="fk_aliases_version_number"
        ),
        sa.ForeignKeyConstraint(
            ["function_name", "additional_number"], _VERSIONS, name="fk_aliases_additional_number"
        ),
    )
    for column in ("version_number", "additional_number"):
        op.create_index(f"ix_aliases_{column}", "aliases", ["function_name", column])
