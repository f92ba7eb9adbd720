"""Create, read, list, update and delete functions on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.control_world import ARN, FAILURE, ROLE, World, code

from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    create_function,
    delete_function,
    get_configuration,
    get_function,
    list_functions,
    update_code,
    update_configuration,
)
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    CodeStorageExceededError,
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PreconditionFailedError,
)
from lambd.model.functions import FunctionVersion, State, UpdateStatus
from lambd.model.limits import Limits
from lambd.store import contents
from lambd.store import functions as rows
from lambd.store.database import FunctionChanged

CONFIGURATION = ConfigurationChanges(runtime="python3.12", handler="h.handler")
IN_PROGRESS = (
    f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}f"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty platform."""
    world = World(tmp_path)
    yield world
    world.close()


def change(world: World, name: str = "f", **members: str) -> FunctionVersion:
    """Update a function's configuration."""
    changes = ConfigurationChanges(description=members.get("description", "changed"))
    request = UpdateConfigurationRequest(
        name=name, changes=changes, revision_id=members.get("revision_id")
    )
    return world.call(update_configuration, request)


def test_create_replies_pending_without_an_update_status(world: World) -> None:
    """State Pending and its reason; LastUpdateStatus absent; nothing serves yet."""
    created = world.create("f", settled=False)
    assert (created.version, created.state, created.update_status) == (LATEST, State.PENDING, None)
    assert created.state_reason is not None
    assert created.state_reason.text == "The function is being created."
    assert created.state_reason.code == "Creating"
    assert created.serving is None
    assert world.latest("f") == created
    assert world.notices == []


def test_creation_ends_active_under_another_revision(world: World) -> None:
    """Active and Successful, without reasons, serving what it shows."""
    created = world.create("f", settled=False)
    assert world.settle() == 1
    assert world.notices == [FunctionChanged(name="f")]
    active = world.latest("f")
    assert active == replace(
        created,
        serving=created.deployment,
        revision_id=active.revision_id,
        state=State.ACTIVE,
        state_reason=None,
        update_status=UpdateStatus.SUCCESSFUL,
    )
    assert active.revision_id != created.revision_id
    assert world.settle() == 0


def test_failed_creation_is_final(world: World) -> None:
    """State Failed; an update is refused; delete and create help."""
    world.create("f", settled=False)
    world.settle(FAILURE)
    failed = world.latest("f")
    assert (failed.state, failed.update_status) == (State.FAILED, UpdateStatus.FAILED)
    assert (failed.state_reason, failed.update_reason) == (FAILURE, FAILURE)
    with pytest.raises(ConflictError, match="following state: Failed"):
        change(world)
    world.call(delete_function, FunctionReference(name="f"))
    assert world.create("f").state is State.ACTIVE


def test_a_name_is_taken_once(world: World) -> None:
    """AWS's own spelling of the message."""
    world.create("f")
    with pytest.raises(ConflictError) as caught:
        world.create("f")
    assert caught.value.message == "Function already exist: f"


def test_refused_creation_leaves_nothing(world: World) -> None:
    """A transaction that fails is rolled back as a whole, version numbers included."""
    world.limits = replace(world.limits, code_storage_bytes=15)
    with pytest.raises(CodeStorageExceededError) as caught:
        world.create("f", publish=True)
    assert caught.value.message == "Code storage limit exceeded."
    assert world.version("f", LATEST) is None
    world.limits = Limits()
    assert world.create("f", publish=True).version == LATEST
    assert world.version("f", "1") is not None


def test_create_with_tags_gives_them_with_the_function(world: World) -> None:
    """GetFunction tells tags and version."""
    request = CreateFunctionRequest(
        name="f", role=ROLE, code=code(1), configuration=CONFIGURATION, tags={"b": "2", "a": "1"}
    )
    created = world.call(create_function, request)
    described = world.call(get_function, FunctionReference(name="f"))
    assert (described.version, described.tags) == (created, {"a": "1", "b": "2"})


def test_create_and_publish_replies_with_the_version(world: World) -> None:
    """Version 1, Pending; both become Active."""
    request = CreateFunctionRequest(
        name="f", role=ROLE, code=code(1), configuration=CONFIGURATION, publish=True
    )
    created = world.call(create_function, request)
    assert (created.version, created.state) == ("1", State.PENDING)
    assert world.settle() == 2
    published = world.version("f", "1")
    assert published is not None
    assert (published.state, published.serving) == (State.ACTIVE, created.deployment)
    assert published.deployment.id != world.latest("f").deployment.id


@pytest.mark.parametrize(
    ("qualifier", "suffix"),
    [
        pytest.param(None, "", id="unqualified"),
        pytest.param(LATEST, ":$LATEST", id="latest"),
        pytest.param("7", ":7", id="version"),
        pytest.param("0", ":0", id="version zero"),
        pytest.param("01", ":01", id="leading zero"),
        pytest.param("9" * 30, ":" + "9" * 30, id="huge version"),
        pytest.param("live", ":live", id="alias"),
    ],
)
@pytest.mark.parametrize("exists", [pytest.param(True, id="other"), pytest.param(False, id="none")])
def test_what_is_not_there_is_not_found(
    world: World, qualifier: str | None, suffix: str, *, exists: bool
) -> None:
    """404 with the ARN as the caller qualified it."""
    name = "g" if exists and qualifier not in (None, LATEST) else "f"
    world.create("g")
    with pytest.raises(NotFoundError) as caught:
        world.call(get_configuration, FunctionReference(name=name, qualifier=qualifier))
    assert caught.value.message == f"Function not found: {ARN}{name}{suffix}"


def test_update_shows_the_new_and_serves_the_old(world: World) -> None:
    """InProgress until the reconciler has brought the new deployment up."""
    before = world.create("f")
    updated = change(world)
    assert (updated.state, updated.update_status) == (State.ACTIVE, UpdateStatus.IN_PROGRESS)
    assert updated.update_reason is not None
    assert updated.update_reason.code == "Creating"
    assert updated.config.description == "changed"
    assert updated.serving == before.deployment
    assert updated.revision_id != before.revision_id
    assert updated.last_modified > before.last_modified
    assert world.latest("f") == updated
    world.settle()
    after = world.latest("f")
    assert (after.serving, after.update_status) == (updated.deployment, UpdateStatus.SUCCESSFUL)
    assert after.update_reason is None
    assert after.revision_id != updated.revision_id
    assert after.last_modified == updated.last_modified


def test_failed_update_goes_on_serving_the_old(world: World) -> None:
    """State Active, LastUpdateStatus Failed; the next update may succeed."""
    before = world.create("f")
    change(world)
    world.settle(FAILURE)
    failed = world.latest("f")
    assert (failed.state, failed.update_status) == (State.ACTIVE, UpdateStatus.FAILED)
    assert (failed.state_reason, failed.update_reason) == (None, FAILURE)
    assert failed.serving == before.deployment
    retried = change(world, description="again")
    assert retried.serving == before.deployment
    world.settle()
    assert world.latest("f").serving == retried.deployment


def test_outdated_results_of_the_reconciler_change_nothing(world: World) -> None:
    """A result counts only for the deployment that the version has now."""
    created = world.create("f", settled=False)
    world.call(delete_function, FunctionReference(name="f"))
    again = world.create("f", settled=False)
    with world.transaction() as connection:
        key = ("f", LATEST, created.deployment.id)
        assert not rows.mark_ready(connection, *key, world.now)
        assert not rows.mark_failed(connection, *key, FAILURE, world.now)
    assert world.latest("f") == again
    world.settle()
    active = world.latest("f")
    with world.transaction() as connection:
        assert not rows.mark_failed(
            connection, "f", LATEST, active.deployment.id, FAILURE, world.now
        )
    assert world.latest("f") == active


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(change, id="configuration"),
        pytest.param(
            lambda world: world.call(update_code, UpdateCodeRequest(name="f", code=code(2))),
            id="code",
        ),
        pytest.param(
            lambda world: world.call(
                update_code, UpdateCodeRequest(name="f", code=code(2), dry_run=True)
            ),
            id="dry run",
        ),
        pytest.param(
            lambda world: world.call(publish_version, PublishVersionRequest(name="f")),
            id="publish",
        ),
    ],
)
def test_changes_wait_for_their_turn(world: World, operation: Callable[[World], object]) -> None:
    """409 while Pending and while an update is in progress."""
    world.create("f", settled=False)
    with pytest.raises(ConflictError) as caught:
        operation(world)
    assert caught.value.message == (
        "The operation cannot be performed at this time. The function is currently in the "
        "following state: Pending"
    )
    world.settle()
    change(world)
    with pytest.raises(ConflictError) as caught:
        operation(world)
    assert caught.value.message == IN_PROGRESS
    world.settle()
    operation(world)


def test_updates_check_the_revision(world: World) -> None:
    """412 for an outdated RevisionId; the present one passes."""
    created = world.create("f", settled=False)
    world.settle()
    message = (
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetFunction/GetAlias API to retrieve the latest Revision Id"
    )
    with pytest.raises(PreconditionFailedError) as caught:
        change(world, revision_id=created.revision_id)
    assert caught.value.message == message
    with pytest.raises(PreconditionFailedError) as caught:
        world.call(update_code, UpdateCodeRequest(name="f", code=code(2), revision_id="other"))
    assert caught.value.message == message
    change(world, revision_id=world.latest("f").revision_id)


def test_update_code_keeps_the_configuration(world: World) -> None:
    """Only the code is another; the deployment's id is another too."""
    before = world.create("f")
    updated = world.call(update_code, UpdateCodeRequest(name="f", code=code(2)))
    assert (updated.code, updated.config) == (code(2), before.config)
    assert updated.deployment.id != before.deployment.id


def test_dry_run_changes_nothing(world: World) -> None:
    """The reply shows the new code, the store has the old."""
    before = world.create("f")
    shown = world.call(update_code, UpdateCodeRequest(name="f", code=code(2), dry_run=True))
    assert (shown.code, shown.revision_id) == (code(2), before.revision_id)
    assert world.latest("f") == before
    assert world.notices == []


def test_update_code_and_publish_replies_with_the_version(world: World) -> None:
    """The new version is Pending, then Active."""
    world.create("f")
    published = world.call(update_code, UpdateCodeRequest(name="f", code=code(2), publish=True))
    assert (published.version, published.state) == ("1", State.PENDING)
    assert published.code == code(2)
    assert world.latest("f").update_status is UpdateStatus.IN_PROGRESS
    assert world.settle() == 2


def test_code_of_every_version_counts_for_the_quota(world: World) -> None:
    """Replacing code counts the difference, publishing counts a copy."""
    world.create("f")
    world.limits = replace(world.limits, code_storage_bytes=20)
    with pytest.raises(CodeStorageExceededError):
        world.call(update_code, UpdateCodeRequest(name="f", code=code(2, 21)))
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2, 11)))
    world.settle()
    with pytest.raises(CodeStorageExceededError):
        world.call(publish_version, PublishVersionRequest(name="f"))
    world.call(update_code, UpdateCodeRequest(name="f", code=code(3, 10)))
    world.settle()
    world.call(publish_version, PublishVersionRequest(name="f"))
    with world.transaction() as connection:
        assert contents.code_storage_bytes(connection) == 20


def test_an_update_over_the_quota_by_old_code_is_still_possible(world: World) -> None:
    """Less code than before is always welcome, even when the quota was lowered since."""
    world.create("f")
    world.limits = replace(world.limits, code_storage_bytes=1)
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2, 9)))


def test_delete_takes_everything_but_the_numbers(world: World) -> None:
    """Versions, tags and deployments go; the next function of that name goes on counting."""
    world.create("f", publish=True)
    world.call(delete_function, FunctionReference(name="f"))
    assert world.version("f", "1") is None
    with world.transaction() as connection:
        assert contents.references(connection).archives == set()
        assert rows.count_functions(connection) == 0
    world.create("f", publish=True)
    assert world.version("f", "1") is None
    assert world.version("f", "2") is not None


def test_delete_one_version(world: World) -> None:
    """The others stay; deleting it once more is no error."""
    world.create("f", publish=True)
    world.call(delete_function, FunctionReference(name="f", qualifier="1"))
    assert world.version("f", "1") is None
    world.call(delete_function, FunctionReference(name="f", qualifier="1"))
    assert world.notices == []
    assert world.latest("f").state is State.ACTIVE


@pytest.mark.parametrize(
    ("qualifier", "message"),
    [
        pytest.param(
            LATEST, "$LATEST version cannot be deleted without deleting the function.", id="latest"
        ),
        pytest.param("live", "Deletion of aliases is not currently supported.", id="alias"),
    ],
)
def test_delete_wants_a_version_number(world: World, qualifier: str, message: str) -> None:
    """Neither `$LATEST` nor an alias can be deleted this way."""
    world.create("f")
    with pytest.raises(InvalidParameterError) as caught:
        world.call(delete_function, FunctionReference(name="f", qualifier=qualifier))
    assert caught.value.message == message


def test_delete_of_nothing_is_not_found(world: World) -> None:
    """404 for a function that is not there, whichever version is meant."""
    for qualifier in (None, "1"):
        with pytest.raises(NotFoundError) as caught:
            world.call(delete_function, FunctionReference(name="f", qualifier=qualifier))
        assert caught.value.message == f"Function not found: {ARN}f"


def test_lists_latest_of_each_function_by_name(world: World) -> None:
    """In order, in pages no larger than asked for or than the cap."""
    for name in ("c", "a", "b"):
        world.create(name, publish=True)
    page = world.call(list_functions, max_items=2)
    assert [(item.name, item.version) for item in page.items] == [("a", LATEST), ("b", LATEST)]
    assert page.next_marker is not None
    rest = world.call(list_functions, marker=page.next_marker, max_items=1)
    assert [item.name for item in rest.items] == ["c"]
    assert rest.next_marker is None
    world.limits = replace(world.limits, list_page_items=1)
    assert len(world.call(list_functions, max_items=10_000).items) == 1


def test_markers_survive_changes(world: World) -> None:
    """What comes or goes before the marker neither repeats nor hides what follows."""
    for name in ("b", "d", "f"):
        world.create(name)
    page = world.call(list_functions, max_items=1)
    world.create("a")
    world.call(delete_function, FunctionReference(name="b"))
    world.create("c")
    rest = world.call(list_functions, marker=page.next_marker)
    assert [item.name for item in rest.items] == ["c", "d", "f"]


def test_lists_all_versions(world: World) -> None:
    """By name, `$LATEST` first; numbers in order of numbers; pages end anywhere."""
    world.create("a")
    for number in range(11):
        world.call(update_code, UpdateCodeRequest(name="a", code=code(number), publish=True))
        world.settle()
    world.create("b", publish=True)
    found: list[tuple[str, str]] = []
    marker: str | None = None
    while True:
        page = world.call(list_functions, all_versions=True, marker=marker, max_items=5)
        found += [(item.name, item.version) for item in page.items]
        marker = page.next_marker
        if marker is None:
            break
    expected = [("a", LATEST), *(("a", str(n)) for n in range(1, 12)), ("b", LATEST), ("b", "1")]
    assert found == expected


def test_lists_what_invocations_may_use(world: World) -> None:
    """The serving deployment of each version, the old one during an update."""
    world.create("f", publish=True)
    before = world.latest("f")
    published = world.version("f", "1")
    assert published is not None
    change(world)
    with world.transaction() as connection:
        assert set(rows.list_serving(connection, "f")) == {
            ("f", LATEST, before.deployment.id),
            ("f", "1", published.deployment.id),
        }
        assert len(contents.references(connection).archives) == 1
