"""What was acknowledged survives `kill -9`: rows, blobs and version numbers."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambd.model.arns import LATEST
from lambd.model.functions import FunctionVersion, State
from lambd.store import contents
from lambd.store import functions as rows
from lambd.store.blobs import BlobStore
from lambd.store.database import Connection, Database

ROUNDS = 4
ACKNOWLEDGED_PER_ROUND = 40

# Creates and publishes one function after the other, and says so once the store has it.
WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path

from lambd.access.principals import root_of
from lambd.control.configuration import ConfigurationChanges
from lambd.control.context import ControlContext
from lambd.control.functions import CreateFunctionRequest, create_function
from lambd.model.arns import Scope
from lambd.model.limits import Limits
from lambd.runtimes import catalogue
from lambd.store.blobs import BlobStore
from lambd.store.database import Database


async def main(data_dir, prefix):
    database, blobs = Database.open(data_dir), BlobStore(data_dir)
    scope = Scope(account_id="000000000000", region="us-east-1")
    context = ControlContext(
        principal=root_of(scope),
        scope=scope,
        limits=Limits(),
        runtimes=catalogue,
        now=datetime.now(UTC),
    )
    number = 0
    while True:
        number += 1
        name = f"{prefix}-{number}"
        request = CreateFunctionRequest(
            name=name,
            role="arn:aws:iam::000000000000:role/r",
            code=blobs.put_bytes(name.encode() * 1000),
            configuration=ConfigurationChanges(runtime="python3.12", handler="h.handler"),
            tags={"name": name},
            publish=True,
        )
        await database.run(create_function, context, request)
        print(name, flush=True)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def write_until_killed(data_dir: Path, prefix: str) -> list[str]:
    """Run a writer, kill it in the middle of its work; returns what it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, data_dir, prefix], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(ACKNOWLEDGED_PER_ROUND)]
        process.kill()
        acknowledged += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    # The last line may be cut off: then it was not acknowledged.
    return [line.strip() for line in acknowledged if line.endswith("\n")]


def everything(connection: Connection) -> Iterator[FunctionVersion]:
    """All versions of all functions."""
    page = rows.list_all_versions(connection, marker=None, limit=100_000)
    assert page.next_marker is None
    return iter(page.items)


@pytest.mark.slow
async def test_acknowledged_functions_survive_kill_9(tmp_path: Path) -> None:
    """After each kill: every acknowledged function is there, whole, and so is its code."""
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        acknowledged |= set(write_until_killed(tmp_path, f"round{number}"))
        database, blobs = Database.open(tmp_path), BlobStore(tmp_path)
        versions = list(await database.read(everything))
        names = {version.name for version in versions}
        assert acknowledged <= names
        # At most the one function that was being created when each writer was killed.
        assert len(names) <= len(acknowledged) + number + 1
        assert {(name, v) for name in names for v in (LATEST, "1")} == {
            (version.name, version.version) for version in versions
        }
        for version in versions:
            assert version.state is State.PENDING
            content = blobs.path(version.code.sha256).read_bytes()
            assert content == version.name.encode() * 1000
            assert hashlib.sha256(content).hexdigest() == version.code.sha256
        # What is in the middle is found for carrying on.
        assert len(await database.read(rows.list_in_transition)) == len(versions)
        blobs.collect_garbage((await database.read(contents.references)).archives)
        database.close()
