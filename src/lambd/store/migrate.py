"""Bring a database's schema up to the one that `tables.py` declares.

Alembic runs the scripts in `migrations/`, all of them in the caller's transaction, so an
interrupted upgrade leaves the old schema. A database that has the newest schema, as nearly every
one that is opened has, is told by one row: Alembic, which takes a while to import, is then not.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy

from lambd.model.errors import UnavailableError

_MIGRATIONS = Path(__file__).parent / "migrations"
# Where Alembic keeps which migration was the last.
_VERSION_TABLE = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))


def migrate(connection: sqlalchemy.Connection) -> None:
    """Run every migration that this database has not seen.

    Raises:
        UnavailableError: a newer lambd has written the database.
    """
    current, known = _current_revision(connection), _known_revisions()
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise UnavailableError(
            f"the data directory was written by a newer lambd (schema {current}); "
            "run that version, or choose another data directory"
        )
    from alembic import command  # noqa: PLC0415 - start-up time
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _current_revision(connection: sqlalchemy.Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table(_VERSION_TABLE.name):
        return None
    found = connection.execute(sqlalchemy.select(_VERSION_TABLE.c.version_num)).scalar()
    return None if found is None else str(found)


def _known_revisions() -> list[str]:
    """All there are, oldest first: `v0001_functions.py` is revision 0001."""
    names = (path.name for path in (_MIGRATIONS / "versions").glob("v*_*.py"))
    return sorted(name[1:].partition("_")[0] for name in names)
