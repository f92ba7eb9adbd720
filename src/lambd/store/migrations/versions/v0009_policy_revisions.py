"""Policies with revisions of their own.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the policies that are there have their scopes' revision until they change."""
    op.add_column("resource_policies", sa.Column("revision_id", sa.String(36), nullable=True))
