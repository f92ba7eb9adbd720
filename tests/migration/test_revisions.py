"""Which migrations there are is read from the names of their files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from lambd.store import migrate
from lambd.store.database import Database


def test_names_of_files_tell_the_revisions_in_order() -> None:
    """As Alembic knows them."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()][::-1]
    assert migrate._known_revisions() == known
    assert scripts.get_current_head() == known[-1]


def test_a_database_of_today_is_opened_without_alembic(tmp_path: Path) -> None:
    """Its import takes a good part of a start."""
    Database.open(tmp_path).close()
    program = (
        "import sys; from pathlib import Path; from lambd.store.database import Database;"
        "Database.open(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
