"""Bring a database's schema up to the one that `tables.py` declares.

Alembic runs the scripts in `migrations/`, all of them in the caller's transaction, so an
interrupted upgrade leaves the old schema.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from lambd.model.errors import UnavailableError


def migrate(connection: sqlalchemy.Connection) -> None:
    """Run every migration that this database has not seen.

    Raises:
        UnavailableError: a newer lambd has written the database.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {item.revision for item in scripts.walk_revisions()}:
        raise UnavailableError(
            f"the data directory was written by a newer lambd (schema {current}); "
            "run that version, or choose another data directory"
        )
    command.upgrade(config, "head")
