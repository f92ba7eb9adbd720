"""How Alembic reaches the database: always through the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from lambd.store import tables_autoscaling, tables_events, tables_layers, tables_schedules
from lambd.store import tables_controls as tables_settings
from lambd.store.tables import metadata

# `metadata` is complete once every module that declares tables has been imported.
__all__ = [
    "tables_autoscaling",
    "tables_events",
    "tables_layers",
    "tables_schedules",
    "tables_settings",
]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
