"""Transactions, change notices, the data directory's lock and the schema, on real SQLite."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from lambd.model.errors import UnavailableError
from lambd.store.database import (
    Change,
    Connection,
    Database,
    FunctionChanged,
    create_sqlite_engine,
    notify,
)
from lambd.store.migrate import migrate
from lambd.store.tables import metadata, version_counters


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An open, empty database."""
    database = Database.open(tmp_path)
    yield database
    database.close()


def put(connection: Connection, name: str, number: int) -> None:
    """Insert a row."""
    connection.execute(
        sqlalchemy.insert(version_counters).values(function_name=name, last_version=number)
    )


def get(connection: Connection, name: str) -> int | None:
    """Read the row back."""
    query = sqlalchemy.select(version_counters.c.last_version).where(
        version_counters.c.function_name == name
    )
    return connection.execute(query).scalar_one_or_none()


def increment(connection: Connection, name: str) -> None:
    """Read, then write what depends on it."""
    number = get(connection, name)
    assert number is not None
    connection.execute(
        sqlalchemy.update(version_counters)
        .where(version_counters.c.function_name == name)
        .values(last_version=number + 1)
    )


async def test_what_was_run_is_read(database: Database) -> None:
    """A transaction's result comes back, its rows are there for the next reader."""
    await database.run(put, "f", number=1)
    assert await database.read(get, "f") == 1
    assert await database.run(get, "f") == 1


async def test_read_check_write_is_atomic(database: Database) -> None:
    """No update is lost among concurrent transactions."""
    await database.run(put, "f", 0)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(database.run(increment, "f"))
    assert await database.read(get, "f") == 50


async def test_an_exception_rolls_back(database: Database) -> None:
    """Nothing of the transaction stays, the exception comes through, no notice is given."""
    noticed: list[Change] = []
    database.subscribe(noticed.append)

    def fail(connection: Connection) -> None:
        put(connection, "f", 1)
        notify(connection, FunctionChanged(name="f"))
        raise LookupError

    with pytest.raises(LookupError):
        await database.run(fail)
    assert await database.read(get, "f") is None
    await asyncio.sleep(0)
    assert noticed == []


async def test_readers_cannot_write(database: Database) -> None:
    """`read` is for reading; a write in it is our mistake and found at once."""
    with pytest.raises(OperationalError, match="readonly"):
        await database.read(put, "f", 1)
    await database.run(put, "f", 1)


async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    """While a transaction is open, others read what was committed before it."""
    await database.run(put, "f", 1)
    written, go_on = threading.Event(), threading.Event()

    def write_slowly(connection: Connection) -> None:
        increment(connection, "f")
        written.set()
        assert go_on.wait(30)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.run(write_slowly))
        await asyncio.to_thread(written.wait, 30)
        assert await database.read(get, "f") == 1
        go_on.set()
    assert await database.read(get, "f") == 2


async def test_notices_come_once_after_the_commit_on_the_loop(database: Database) -> None:
    """Subscribers hear of a change before its author goes on, on the loop's own thread."""
    heard: list[tuple[str, int]] = []

    def hear(change: Change) -> None:
        assert isinstance(change, FunctionChanged)
        heard.append((change.name, threading.get_ident()))

    database.subscribe(hear)

    def change(connection: Connection) -> None:
        put(connection, "f", 1)
        for name in ("f", "g", "f"):
            notify(connection, FunctionChanged(name=name))

    await database.run(change)
    assert heard == [("f", threading.get_ident()), ("g", threading.get_ident())]


async def test_cancelling_the_caller_leaves_a_begun_transaction(database: Database) -> None:
    """It commits, and its notices are delivered."""
    begun, go_on, noticed = threading.Event(), threading.Event(), asyncio.Event()
    database.subscribe(lambda _change: noticed.set())

    def change(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(30)
        put(connection, "f", 1)
        notify(connection, FunctionChanged(name="f"))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(database.run(change))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
    go_on.set()
    await noticed.wait()
    assert await database.read(get, "f") == 1


async def test_commits_are_synced(database: Database) -> None:
    """The settings that durability rests on, on both kinds of connection."""

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.run(pragmas) == ["wal", 2, 1]
    assert await database.read(pragmas) == ["wal", 2, 1]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """The message names the directory and the process that holds it."""
    database = Database.open(tmp_path)
    script = (
        "import sys, pathlib; from lambd.store.database import Database; "
        "Database.open(pathlib.Path(sys.argv[1]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert f"{tmp_path} is in use by another lambd (process {os.getpid()})" in result.stderr
    database.close()


def test_a_closed_directory_can_be_opened_again(tmp_path: Path) -> None:
    """By the same process, too; closing twice is closing once."""
    for _ in range(2):
        database = Database.open(tmp_path)
        with pytest.raises(UnavailableError):
            Database.open(tmp_path)
        database.close()
        database.close()


def test_migrations_add_up_to_the_schema(tmp_path: Path) -> None:
    """What Alembic builds is what tables.py declares."""
    engine = create_sqlite_engine(tmp_path / "db")
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection)
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    """An up-to-date database is left alone."""
    engine = create_sqlite_engine(tmp_path / "db")
    for _ in range(2):
        with engine.execution_options(writes=True).begin() as connection:
            migrate(connection)
    engine.dispose()


def test_an_interrupted_migration_leaves_the_old_schema(tmp_path: Path) -> None:
    """All migrations happen in one transaction."""
    engine = create_sqlite_engine(tmp_path / "db")

    def interrupted() -> None:
        with engine.execution_options(writes=True).begin() as connection:
            migrate(connection)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with engine.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
    engine.dispose()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older lambd does not touch what it does not understand, and lets go of the directory."""
    Database.open(tmp_path).close()
    engine = create_sqlite_engine(tmp_path / "lambd.sqlite3")
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="written by a newer lambd"):
            Database.open(tmp_path)
    engine.dispose()
