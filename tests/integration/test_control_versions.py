"""Publishing and listing versions on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.control_world import ARN, FAILURE, World, code

from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    delete_function,
    update_code,
    update_configuration,
)
from lambd.control.guards import code_sha256_text
from lambd.control.versions import PublishVersionRequest, list_versions, publish_version
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    InvalidParameterError,
    NotFoundError,
    PreconditionFailedError,
)
from lambd.model.functions import FunctionVersion, State, UpdateStatus


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform with one active function, `f`."""
    world = World(tmp_path)
    world.create("f")
    yield world
    world.close()


def publish(world: World, **members: str) -> FunctionVersion:
    """Publish a version of `f`."""
    request = PublishVersionRequest(
        name="f",
        code_sha256=members.get("code_sha256"),
        description=members.get("description"),
        revision_id=members.get("revision_id"),
    )
    return world.call(publish_version, request)


def describe(world: World, description: str) -> None:
    """Change the description of `f`, to the end."""
    changes = ConfigurationChanges(description=description)
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle()


def test_a_version_is_an_active_copy(world: World) -> None:
    """Code and configuration of `$LATEST`, a deployment and RevisionId of its own."""
    latest = world.latest("f")
    version = publish(world)
    assert (version.version, version.state) == ("1", State.ACTIVE)
    assert version.update_status is UpdateStatus.SUCCESSFUL
    assert (version.config, version.code) == (latest.config, latest.code)
    assert version.serving == version.deployment
    assert version.deployment.id != latest.deployment.id
    assert version.revision_id != latest.revision_id
    assert world.version("f", "1") == version
    assert world.settle() == 0


def test_publishing_gives_latest_another_revision(world: World) -> None:
    """As recorded from AWS; nothing else of `$LATEST` changes."""
    before = world.latest("f")
    publish(world)
    after = world.latest("f")
    assert after.revision_id != before.revision_id
    assert (after.deployment, after.last_modified) == (before.deployment, before.last_modified)


def test_publishing_again_returns_the_same_version(world: World) -> None:
    """Nothing changed: same number, same RevisionId, no new row, no new revision of `$LATEST`."""
    first = publish(world)
    latest = world.latest("f")
    assert publish(world) == first
    assert publish(world, description="other") == first
    assert world.latest("f") == latest
    assert len(world.call(list_versions, "f").items) == 2


def test_a_description_of_the_version_is_no_change(world: World) -> None:
    """It stands in the version, and the next publication is still the same version."""
    first = publish(world, description="the first")
    assert first.config.description == "the first"
    assert world.latest("f").config.description == ""
    assert publish(world) == first


def test_a_change_publishes_the_next_number(world: World) -> None:
    """Configuration and code count, a description of `$LATEST` too; identical bytes do not."""
    publish(world)
    describe(world, "changed")
    assert publish(world).version == "2"
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2)))
    world.settle()
    assert publish(world).version == "3"
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2)))
    world.settle()
    assert publish(world).version == "3"


def test_versions_do_not_change_with_latest(world: World) -> None:
    """A published version is immutable."""
    version = publish(world)
    describe(world, "changed")
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2)))
    world.settle()
    assert world.version("f", "1") == version


def test_numbers_are_never_used_again(world: World) -> None:
    """Neither after deleting the version nor after deleting the function."""
    publish(world)
    world.call(delete_function, FunctionReference(name="f", qualifier="1"))
    assert publish(world).version == "2"
    world.call(delete_function, FunctionReference(name="f"))
    world.create("f")
    assert publish(world).version == "3"


def test_expects_the_code_that_the_caller_saw(world: World) -> None:
    """A CodeSha256 that is not `$LATEST`'s is refused; its own passes."""
    current = code_sha256_text(code(1))
    with pytest.raises(InvalidParameterError) as caught:
        publish(world, code_sha256="other")
    assert caught.value.message == (
        f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({current}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    assert publish(world, code_sha256=current).version == "1"


def test_expects_the_revision_that_the_caller_saw(world: World) -> None:
    """An outdated RevisionId is refused."""
    seen = world.latest("f").revision_id
    assert publish(world, revision_id=seen).version == "1"
    with pytest.raises(PreconditionFailedError):
        publish(world, revision_id=seen)


def test_a_copy_of_what_does_not_serve_is_pending(world: World) -> None:
    """After a failed update `$LATEST` shows a deployment that nothing has brought up."""
    changes = ConfigurationChanges(description="broken")
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle(FAILURE)
    version = publish(world)
    assert (version.state, version.serving) == (State.PENDING, None)
    world.settle(FAILURE)
    failed = world.version("f", "1")
    assert failed is not None
    assert (failed.state, failed.state_reason) == (State.FAILED, FAILURE)
    assert world.latest("f").state is State.ACTIVE


def test_lists_latest_first_then_ascending(world: World) -> None:
    """In pages."""
    for number in range(2, 13):
        world.call(update_code, UpdateCodeRequest(name="f", code=code(number), publish=True))
        world.settle()
    world.create("g", publish=True)
    page = world.call(list_versions, "f", max_items=10)
    assert [item.version for item in page.items] == [LATEST, *(str(n) for n in range(1, 10))]
    rest = world.call(list_versions, "f", marker=page.next_marker)
    assert [item.version for item in rest.items] == ["10", "11"]
    assert rest.next_marker is None


def test_lists_versions_of_functions_only(world: World) -> None:
    """404 for a function that is not there."""
    with pytest.raises(NotFoundError) as caught:
        world.call(list_versions, "g")
    assert caught.value.message == f"Function not found: {ARN}g"
