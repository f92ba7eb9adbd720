"""Many clients change one function and its aliases at once: one winner a revision, no half states.

Each client reads, then writes with the RevisionId that it read, while the reconciler brings updates
to rest. What the clients were answered must be a story that happened one step after the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import pytest
from tests.integration.control_world import ROLE, World, code

from lambd.access.principals import root_of
from lambd.control.aliases import (
    CreateAliasRequest,
    UpdateAliasRequest,
    create_alias,
    get_alias,
    update_alias,
)
from lambd.control.configuration import ConfigurationChanges
from lambd.control.context import ControlContext
from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    create_function,
    delete_function,
    update_code,
    update_configuration,
)
from lambd.control.versions import PublishVersionRequest, list_versions, publish_version
from lambd.model.aliases import Alias
from lambd.model.arns import LATEST, FunctionReference, Scope
from lambd.model.errors import ConflictError, NotFoundError, PreconditionFailedError
from lambd.model.functions import FunctionVersion, State, UpdateStatus
from lambd.model.limits import Limits
from lambd.store import functions as rows
from lambd.store.database import Connection, Database, FunctionChanged

CLIENTS = 8
ROUNDS = 25
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class AllRuntimes:
    """A catalogue that refuses nothing."""

    def refusal(self, identifier: str, today: date) -> None:
        """No objection."""


SCOPE = Scope(account_id="000000000000", region="us-east-1")
CONTEXT = ControlContext(
    principal=root_of(SCOPE),
    scope=SCOPE,
    limits=Limits(),
    runtimes=AllRuntimes(),
    now=NOW,
)


def settle(connection: Connection) -> None:
    """The reconciler's part, always well."""
    for each in rows.list_in_transition(connection):
        assert rows.mark_ready(connection, each.name, each.version, each.deployment.id, NOW)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A store with the active function `f`, that has version 1."""
    database = Database.open(tmp_path)
    request = CreateFunctionRequest(
        name="f",
        role=ROLE,
        code=code(1),
        configuration=ConfigurationChanges(runtime="python3.12", handler="h.handler"),
        publish=True,
    )
    await database.run(create_function, CONTEXT, request)
    await database.run(settle)
    yield database
    database.close()


async def reconcile(database: Database) -> None:
    """Settle after every change, until cancelled."""
    changed = asyncio.Event()
    database.subscribe(lambda _change: changed.set())
    while True:
        await changed.wait()
        changed.clear()
        await database.run(settle)


Attempt = Callable[[Database, Random], Awaitable[tuple[str, str]]]


async def hammer(
    database: Database, attempt: Attempt
) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Let clients attempt at once; the (revision before, after) of winners, counts of refusals."""
    won: list[tuple[str, str]] = []
    refused: Counter[str] = Counter()

    async def client(number: int) -> None:
        random = Random(number)
        for _ in range(ROUNDS):
            try:
                won.append(await attempt(database, random))
            except (ConflictError, PreconditionFailedError) as error:
                refused[type(error).__name__] += 1

    reconciler = asyncio.get_running_loop().create_task(reconcile(database))
    async with asyncio.TaskGroup() as tasks:
        for number in range(CLIENTS):
            tasks.create_task(client(number))
    reconciler.cancel()
    await asyncio.gather(reconciler, return_exceptions=True)
    await database.run(settle)
    return won, refused


async def read_latest(database: Database) -> FunctionVersion:
    """`$LATEST`, in a state that AWS can show."""
    latest = await database.read(rows.get_version, "f", LATEST)
    assert latest is not None
    assert latest.state is State.ACTIVE
    assert latest.serving is not None
    if latest.update_status is UpdateStatus.SUCCESSFUL:
        assert (latest.serving, latest.update_reason) == (latest.deployment, None)
    else:
        assert latest.update_status is UpdateStatus.IN_PROGRESS
        assert latest.update_reason is not None
    return latest


async def change_function(database: Database, random: Random) -> tuple[str, str]:
    """Update code or configuration with the revision that was read."""
    seen = (await read_latest(database)).revision_id
    number = random.randrange(2, 1_000_000)
    if random.random() < 0.5:
        request = UpdateCodeRequest(name="f", code=code(number), revision_id=seen)
        changed = await database.run(update_code, CONTEXT, request)
        assert changed.code == code(number)
    else:
        changes = ConfigurationChanges(description=str(number))
        configuration = UpdateConfigurationRequest(name="f", changes=changes, revision_id=seen)
        changed = await database.run(update_configuration, CONTEXT, configuration)
        assert changed.config.description == str(number)
    return seen, changed.revision_id


async def test_a_function_s_revision_has_one_winner(database: Database) -> None:
    """Every other client is told; the last winner's change is what is there."""
    won, refused = await hammer(database, change_function)
    before, after = zip(*won, strict=True)
    assert len(set(before)) == len(won)
    assert len(set(after)) == len(won)
    assert set(refused) <= {"ConflictError", "PreconditionFailedError"}
    assert len(won) + refused.total() == CLIENTS * ROUNDS
    assert (await read_latest(database)).update_status is UpdateStatus.SUCCESSFUL


async def change_or_publish(database: Database, random: Random) -> tuple[str, str]:
    """Change the function as above, or publish what was read."""
    if random.random() < 0.5:
        return await change_function(database, random)
    latest = await read_latest(database)
    request = PublishVersionRequest(name="f", revision_id=latest.revision_id)
    version = await database.run(publish_version, CONTEXT, request)
    # What it copied is what the client saw under that revision.
    assert (version.config, version.code) == (latest.config, latest.code)
    assert version.state is State.ACTIVE
    return latest.revision_id, version.version


async def test_versions_are_of_what_their_publisher_saw(database: Database) -> None:
    """Never of a mixture, and no number comes twice or is left out."""
    won, _ = await hammer(database, change_or_publish)
    page = await database.read(list_versions, CONTEXT, "f", max_items=50)
    numbers = [int(item.version) for item in page.items[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {after for _, after in won if after.isdigit()} - {"1"} <= {str(n) for n in numbers}


async def change_alias(database: Database, random: Random) -> tuple[str, str]:
    """Point the alias elsewhere with the revision that was read."""
    seen = await database.read(get_alias, CONTEXT, "f", "live")
    check_alias(seen)
    weight = random.random()
    version, other = random.choice([("1", "2"), ("2", "1")])
    request = UpdateAliasRequest(
        function_name="f",
        name="live",
        version=version,
        description=f"{version} {weight}",
        weights={other: weight},
        revision_id=seen.revision_id,
    )
    changed = await database.run(update_alias, CONTEXT, request)
    check_alias(changed)
    return seen.revision_id, changed.revision_id


def check_alias(alias: Alias) -> None:
    """Version, weight and description are of one update."""
    assert alias.additional is not None
    assert {alias.version, alias.additional.version} == {"1", "2"}
    assert alias.description == f"{alias.version} {alias.additional.weight}"


async def test_an_alias_s_revisions_are_a_chain(database: Database) -> None:
    """Each winner followed exactly one other: nothing was lost, nothing was mixed."""
    await database.run(
        update_code, CONTEXT, UpdateCodeRequest(name="f", code=code(2), publish=True)
    )
    await database.run(settle)
    made = await database.run(
        create_alias,
        CONTEXT,
        CreateAliasRequest(
            function_name="f", name="live", version="1", description="1 0.5", weights={"2": 0.5}
        ),
    )
    won, refused = await hammer(database, change_alias)
    assert set(refused) <= {"PreconditionFailedError"}
    assert len(won) + refused.total() == CLIENTS * ROUNDS
    steps = dict(won)
    assert len(steps) == len(won)
    revision, length = made.revision_id, 0
    while revision in steps:
        revision, length = steps[revision], length + 1
    assert length == len(won)
    assert (await database.read(get_alias, CONTEXT, "f", "live")).revision_id == revision


async def test_notices_of_a_change_come_before_its_answer(database: Database) -> None:
    """So that who was told of a shift never meets what was cached before it."""
    noticed: list[str] = []

    def note(change: object) -> None:
        assert isinstance(change, FunctionChanged)
        noticed.append(change.name)

    database.subscribe(note)
    request = CreateAliasRequest(function_name="f", name="live", version="1", weights={})
    await database.run(create_alias, CONTEXT, request)
    assert noticed == ["f"]


def test_threads_of_writers_leave_whole_states(tmp_path: Path) -> None:
    """Without the one writer thread too: the database's own lock keeps each change whole."""
    world = World(tmp_path)
    world.create("f", publish=True)
    start = threading.Barrier(4)
    outcomes: Counter[str] = Counter()

    def create_and_delete(number: int) -> None:
        start.wait()
        for _ in range(10):
            try:
                request = CreateAliasRequest(
                    function_name="f", name="live", version="1", weights={}
                )
                world.call(create_alias, request)
                outcomes["created"] += 1
            except ConflictError:
                outcomes["taken"] += 1
            except NotFoundError:
                outcomes["gone"] += 1
            try:
                world.call(delete_function, FunctionReference(name="f", qualifier="1"))
                outcomes["deleted"] += 1
            except ConflictError:
                outcomes["in use"] += 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create_and_delete, range(4)))
    # The first one's alias holds the version, whoever tries to delete it when.
    assert outcomes["created"] == 1
    assert outcomes["taken"] == 39
    assert outcomes["in use"] == 40
    assert world.version("f", "1") is not None
    world.close()
