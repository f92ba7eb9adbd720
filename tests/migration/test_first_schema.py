"""A data directory of the first schema, opened by today's code and served."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.integration.control_world import AllRuntimes
from tests.migration.first_schema import restore

from lambd.access.principals import root_of
from lambd.control.aliases import list_aliases
from lambd.control.concurrency import get_account_usage, get_recursion_config
from lambd.control.configuration import ConfigurationChanges
from lambd.control.context import ControlContext
from lambd.control.functions import (
    UpdateConfigurationRequest,
    get_function,
    list_functions,
    update_configuration,
)
from lambd.control.layers import PublishLayerVersionRequest, publish_layer_version
from lambd.control.versions import PublishVersionRequest, list_versions, publish_version
from lambd.model.arns import FunctionReference, Scope
from lambd.model.errors import InvalidParameterError
from lambd.model.function_controls import RecursiveLoop
from lambd.model.functions import Code, LoggingConfig, State, UpdateStatus
from lambd.model.limits import Limits
from lambd.store.archives import check_archive
from lambd.store.blobs import BlobStore
from lambd.store.contents import references
from lambd.store.database import Database
from lambd.store.functions import list_in_transition
from lambd.store.unpacked_sizes import fill_unpacked_sizes

SCOPE = Scope(account_id="000000000000", region="us-east-1")
CONTEXT = ControlContext(
    principal=root_of(SCOPE),
    scope=SCOPE,
    limits=Limits(),
    runtimes=AllRuntimes(),
    now=datetime(2026, 12, 24, tzinfo=UTC),
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """The directory, opened."""
    restore(tmp_path / "data")
    database = Database.open(tmp_path / "data")
    yield database
    database.close()


async def test_functions_versions_and_tags_read_as_they_were_written(database: Database) -> None:
    """Configuration, states, tags, and the settings that came later at their defaults."""
    orders = await database.read(get_function, CONTEXT, FunctionReference(name="orders"))
    assert orders.tags == {"team": "blue", "stage": "prod"}
    assert orders.reserved_concurrency is None
    config = orders.version.config
    assert (config.description, config.timeout_s, config.memory_mib) == ("Takes orders", 7, 256)
    assert config.environment == {"GREETING": "good evening"}
    assert config.ephemeral_storage_mib == 1024
    assert config.layers == ()
    assert config.logging == LoggingConfig(
        log_format="JSON", application_log_level="DEBUG", system_log_level="WARN"
    )
    assert orders.version.state is State.ACTIVE
    assert orders.version.update_status is UpdateStatus.SUCCESSFUL
    versions = await database.read(list_versions, CONTEXT, "orders")
    assert [
        (item.version, item.config.description, (item.config.environment or {})["GREETING"])
        for item in versions.items
    ] == [
        ("$LATEST", "Takes orders", "good evening"),
        ("1", "Takes orders", "hello"),
        ("2", "second", "good evening"),
    ]
    latest, first, second = (item.code.sha256 for item in versions.items)
    assert latest == second != first
    functions = await database.read(list_functions, CONTEXT)
    assert [item.name for item in functions.items] == ["orders", "plain", "unborn"]
    assert (await database.read(list_aliases, CONTEXT, "orders")).items == ()
    loop = await database.read(get_recursion_config, CONTEXT, "orders")
    assert loop is RecursiveLoop.TERMINATE
    usage = await database.read(get_account_usage, CONTEXT)
    assert (usage.functions, usage.code_bytes) == (3, 5 * 247)


async def test_what_was_under_way_is_found(database: Database) -> None:
    """A creation and an update that the kill interrupted; the update's old code goes on serving."""
    found = {item.name: item for item in await database.read(list_in_transition)}
    assert found.keys() == {"plain", "unborn"}
    assert found["unborn"].state is State.PENDING
    plain = found["plain"]
    assert plain.update_status is UpdateStatus.IN_PROGRESS
    assert plain.serving is not None
    assert plain.serving.code != plain.deployment.code


async def test_publishing_goes_on_where_it_was(database: Database) -> None:
    """What is unchanged is not published again, and can be changed."""
    request = PublishVersionRequest(name="orders")
    assert (await database.run(publish_version, CONTEXT, request)).version == "2"
    changes = UpdateConfigurationRequest(name="orders", changes=ConfigurationChanges(timeout_s=8))
    changed = await database.run(update_configuration, CONTEXT, changes)
    assert changed.config.layers == ()
    assert changed.code.size_bytes == 247


async def test_archives_are_all_referred_to(database: Database, tmp_path: Path) -> None:
    """Garbage collection would take that of the deleted function alone."""
    needed = (await database.read(references)).archives
    removed = BlobStore(tmp_path / "data").collect_garbage(needed)
    assert removed == 1
    assert all(BlobStore(tmp_path / "data").path(sha256).exists() for sha256 in needed)


async def test_old_code_counts_together_with_layers(database: Database, tmp_path: Path) -> None:
    """Its unpacked size is measured when the directory is opened, and stays in later changes."""
    blobs = BlobStore(tmp_path / "data")
    await fill_unpacked_sizes(database, blobs)
    orders = await database.read(get_function, CONTEXT, FunctionReference(name="orders"))
    with blobs.open(orders.version.code.sha256) as archive:
        size = check_archive(archive, 10_000)
    assert orders.version.code.unpacked_bytes == size > 0
    layer = PublishLayerVersionRequest(
        layer="l",
        code=Code(
            sha256="0" * 64,
            size_bytes=1,
            unpacked_bytes=CONTEXT.limits.unzipped_code_bytes - size + 1,
        ),
    )
    await database.run(publish_layer_version, CONTEXT, layer)
    request = UpdateConfigurationRequest(
        name="orders",
        changes=ConfigurationChanges(),
        layers=["arn:aws:lambda:us-east-1:000000000000:layer:l:1"],
    )
    with pytest.raises(InvalidParameterError, match="combined with layers exceeds"):
        await database.run(update_configuration, CONTEXT, request)


async def test_an_archive_that_is_gone_stops_nothing(database: Database, tmp_path: Path) -> None:
    """It counts as before; the others are measured."""
    blobs = BlobStore(tmp_path / "data")
    orders = await database.read(get_function, CONTEXT, FunctionReference(name="orders"))
    blobs.delete(orders.version.code.sha256)
    await fill_unpacked_sizes(database, blobs)
    versions = await database.read(list_versions, CONTEXT, "orders")
    assert [item.code.unpacked_bytes > 0 for item in versions.items] == [False, True, False]


def test_a_served_platform_runs_what_it_finds(tmp_path: Path) -> None:
    """Every version runs with its own code and variables; interrupted changes are finished."""
    restore(tmp_path / "data", runtime=RUNTIME)
    server = Server(tmp_path / "data")
    server.start()
    aws = server.lambda_client()

    def run(name: str, **arguments: str) -> tuple[str, str | None, int]:
        reply = aws.invoke(FunctionName=name, Payload=b'"now"', **arguments)  # type: ignore[arg-type]  # Qualifier
        answer = json.loads(reply["Payload"].read())
        return answer["version"], answer["greeting"], answer["edition"]

    for name in ("orders", "plain", "unborn"):
        found = wait_at_rest(aws, name)
        assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
    assert run("orders") == ("$LATEST", "good evening", 2)
    assert run("orders", Qualifier="1") == ("1", "hello", 1)
    assert run("orders", Qualifier="2") == ("2", "good evening", 2)
    assert run("plain") == ("$LATEST", None, 5)
    assert run("unborn") == ("$LATEST", None, 4)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:orders"
    assert aws.list_tags(Resource=arn)["Tags"] == {"team": "blue", "stage": "prod"}
    assert aws.publish_version(FunctionName="plain")["Version"] == "1"
    aws.update_function_configuration(FunctionName="orders", Timeout=9)
    wait_at_rest(aws, "orders")
    assert aws.publish_version(FunctionName="orders")["Version"] == "3"
    aws.create_function(
        FunctionName="gone",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped("def handler(event, context): pass")},
    )
    wait_at_rest(aws, "gone")
    # Version 1 was the deleted function's.
    assert aws.publish_version(FunctionName="gone")["Version"] == "2"
    events = server.logs_client().filter_log_events(logGroupName="/aws/lambda/orders")["events"]
    messages = [event["message"].strip() for event in events]
    assert "said x" in messages
    assert server.stop() == 0
