"""What hangs on a function: policies, concurrency, runtime and event-invoke settings, URLs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `tables_controls.py`."""
    _create(
        "function_settings",
        sa.Column("reserved_concurrency", sa.Integer, nullable=True),
        sa.Column("recursive_loop", sa.String(16), nullable=True),
        scoped=False,
    )
    _create("resource_policies", sa.Column("document", sa.Text, nullable=False))
    _create(
        "runtime_management",
        sa.Column("update_on", sa.String(16), nullable=False),
        sa.Column("runtime_version_arn", sa.Text, nullable=True),
    )
    _create(
        "event_invoke_configs",
        sa.Column("maximum_retry_attempts", sa.Integer, nullable=True),
        sa.Column("maximum_event_age_s", sa.Integer, nullable=True),
        sa.Column("on_success", sa.Text, nullable=True),
        sa.Column("on_failure", sa.Text, nullable=True),
        sa.Column("last_modified", sa.BigInteger, nullable=False),
    )
    _create(
        "function_urls",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("auth_type", sa.String(16), nullable=False),
        sa.Column("invoke_mode", sa.String(16), nullable=True),
        sa.Column("cors", sa.Text, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_modified", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_function_urls_id", "function_urls", ["id"], unique=True)


def _create(table: str, *columns: sa.Column[object], scoped: bool = True) -> None:
    """A table whose rows go with their function, by default one row for each scope."""
    key = [sa.Column("function_name", sa.String(64), nullable=False)]
    if scoped:
        key.append(sa.Column("qualifier", sa.String(128), nullable=False))
    op.create_table(
        table,
        *key,
        *columns,
        sa.PrimaryKeyConstraint(*(column.name for column in key), name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["function_name"],
            ["functions.name"],
            name=f"fk_{table}_function_name",
            ondelete="CASCADE",
        ),
    )
