"""Provisioned concurrency of versions and aliases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of provisioned concurrency configs."""
    op.create_table(
        "provisioned_concurrency",
        sa.Column("function_name", sa.String(64), nullable=False),
        sa.Column("qualifier", sa.String(128), nullable=False),
        sa.Column("requested", sa.Integer, nullable=False),
        sa.Column("allocation_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("status_reason", sa.Text, nullable=True),
        sa.Column("last_modified", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("function_name", "qualifier", name="pk_provisioned_concurrency"),
        sa.ForeignKeyConstraint(
            ["function_name"],
            ["functions.name"],
            name="fk_provisioned_concurrency_function_name",
            ondelete="CASCADE",
        ),
    )
