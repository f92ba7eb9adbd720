"""The event queue killed hundreds of times under load: nothing acknowledged is lost."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

KILLS = 300
ROOT = Path(__file__).parents[2]
# Attempts of the driver's five functions that run together, at most.
SLOTS = 5 * 16


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_no_acknowledged_event_is_lost(tmp_path: Path) -> None:
    """Every one has succeeded or failed for good in the end, its destination was told, and few were so twice."""
    command = [sys.executable, "-m", "tests.integration.event_driver", str(tmp_path), str(KILLS)]
    done = subprocess.run([*command, "1"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    acknowledged = [line.split() for line in (tmp_path / "acknowledged").read_text().splitlines()]
    every_f3 = [number for name, number in acknowledged if name == "f3"]
    ran = Counter((tmp_path / "ran").read_text().split())
    told = Counter((tmp_path / "told").read_text().split())
    # Three attempts that failed are the end of an event, too.
    failures = Counter((tmp_path / "failed").read_text().split())
    failed = {number for number, count in failures.items() if count >= 3 and number not in ran}
    acknowledged = [item for item in acknowledged if item[1] not in failed]
    assert len(failed) < 20
    rounds = {number.split("-")[0] for _, number in acknowledged}
    assert len(rounds) > KILLS / 4
    assert [number for _, number in acknowledged if number not in ran] == []
    # Whatever its end was.
    assert every_f3
    assert [number for number in every_f3 if number not in told] == []
    again = ran.total() - len(ran) + told.total() - len(told)
    # At most what was under way at each kill.
    assert again <= KILLS * SLOTS
