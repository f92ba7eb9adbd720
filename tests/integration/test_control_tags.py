"""Tags of functions on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.control_world import ARN, ROLE, World, code

from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    create_function,
    update_code,
)
from lambd.control.tags import list_tags, tag_resource, untag_resource
from lambd.model.errors import (
    AccessDeniedError,
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PlatformError,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform with one active function, `f`."""
    world = World(tmp_path)
    world.create("f")
    yield world
    world.close()


def test_tags_merge_and_go(world: World) -> None:
    """Tagging adds and replaces; untagging removes what is there."""
    world.call(tag_resource, f"{ARN}f", {"a": "1", "b": "2"})
    world.call(tag_resource, f"{ARN}f", {"b": "3", "c": ""})
    assert world.call(list_tags, f"{ARN}f") == {"a": "1", "b": "3", "c": ""}
    world.call(untag_resource, f"{ARN}f", ["a", "b", "never there"])
    assert world.call(list_tags, f"{ARN}f") == {"c": ""}


def test_tags_change_the_revision(world: World) -> None:
    """As on AWS; the deployment, and so every environment, stays."""
    before = world.latest("f")
    world.call(tag_resource, f"{ARN}f", {"a": "1"})
    tagged = world.latest("f")
    assert tagged.revision_id != before.revision_id
    assert tagged.deployment == before.deployment
    world.call(untag_resource, f"{ARN}f", ["a"])
    assert world.latest("f").revision_id != tagged.revision_id


def test_the_number_of_tags_is_limited(world: World) -> None:
    """Replacing does not count; one more than the limit is refused and none is added."""
    tags = {f"k{index}": "v" for index in range(50)}
    world.call(tag_resource, f"{ARN}f", tags)
    world.call(tag_resource, f"{ARN}f", {"k0": "other"})
    with pytest.raises(InvalidParameterError) as caught:
        world.call(tag_resource, f"{ARN}f", {"k0": "x", "one more": "v"})
    assert caught.value.message == "Number of tags exceeds resource tag limit."
    assert world.call(list_tags, f"{ARN}f") == tags | {"k0": "other"}


def test_tags_of_creation_are_checked(world: World) -> None:
    """The limit and the reserved prefix hold from the start."""
    request = CreateFunctionRequest(name="g", role=ROLE, code=code(1))
    for tags in ({f"k{index}": "v" for index in range(51)}, {"AWS:x": "v"}):
        with pytest.raises(InvalidParameterError):
            world.call(create_function, replace(request, tags=tags))


@pytest.mark.parametrize(
    ("resource", "error", "message"),
    [
        pytest.param(f"{ARN}g", NotFoundError, f"Function not found: {ARN}g", id="missing"),
        pytest.param(
            f"{ARN}f:1",
            InvalidParameterError,
            "Tags on function aliases and versions are not supported. Please specify a function "
            "ARN.",
            id="version",
        ),
        pytest.param(
            f"{ARN}f".replace("us-east-1", "eu-west-1"),
            NotFoundError,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
            id="region",
        ),
        pytest.param(
            f"{ARN}f".replace("000000000000", "111111111111"),
            AccessDeniedError,
            None,
            id="account",
        ),
        pytest.param(
            "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:1",
            NotFoundError,
            "Event source mapping not found: "
            "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:1",
            id="mapping",
        ),
        pytest.param(
            "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p",
            NotFoundError,
            "Capacity provider not found: "
            "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p",
            id="capacity provider",
        ),
    ],
)
def test_only_functions_that_are_there_have_tags(
    world: World, resource: str, error: type[PlatformError], message: str | None
) -> None:
    """All three operations refuse other resources alike."""
    for operation in (
        lambda: world.call(tag_resource, resource, {"a": "b"}),
        lambda: world.call(untag_resource, resource, ["a"]),
        lambda: world.call(list_tags, resource),
    ):
        with pytest.raises(error) as caught:
            operation()
        assert message is None or caught.value.message == message


def test_no_tags_are_refused(world: World) -> None:
    """AWS's odd answer to an empty map."""
    with pytest.raises(InvalidParameterError) as caught:
        world.call(tag_resource, f"{ARN}f", {})
    assert caught.value.message == "An error occurred and the request cannot be processed."


def test_tagging_waits_for_an_update(world: World) -> None:
    """409 while an update is in progress."""
    world.call(update_code, UpdateCodeRequest(name="f", code=code(2)))
    with pytest.raises(ConflictError, match="An update is in progress"):
        world.call(tag_resource, f"{ARN}f", {"a": "b"})
