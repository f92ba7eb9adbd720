"""What a served platform has stored, seen from outside: for tests that nothing changed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_IN_TRANSITION = """
SELECT 1 FROM function_versions WHERE state = 'Pending' OR update_status = 'InProgress'
UNION SELECT 1 FROM provisioned_concurrency WHERE status = 'IN_PROGRESS'
UNION SELECT 1 FROM events
"""
_QUIET_TIMEOUT_S = 30.0


class Stored:
    """A second connection to a platform's database."""

    def __init__(self, data_dir: Path) -> None:
        self._connection = sqlite3.connect(f"file:{data_dir}/lambd.sqlite3?mode=ro", uri=True)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def changes(self) -> int:
        """A number that is another one after every commit of the platform."""
        (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def rows(self) -> list[str]:
        """All that is stored, as SQL."""
        return list(self._connection.iterdump())

    def wait_at_rest(self) -> None:
        """Wait until nothing is being brought up: only then nothing changes by itself."""
        deadline = time.monotonic() + _QUIET_TIMEOUT_S
        while self._connection.execute(_IN_TRANSITION).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.002)
