"""Layers, their policies and the layers of functions on a real store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.control_world import ROLE, World

from lambd.control import layers
from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    CreateFunctionRequest,
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    create_function,
    delete_function,
    update_code,
    update_configuration,
)
from lambd.control.layer_permissions import (
    AddLayerPermissionRequest,
    add_layer_permission,
    get_layer_policy,
    remove_layer_permission,
)
from lambd.control.layers import PublishLayerVersionRequest
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import FunctionReference
from lambd.model.errors import (
    AccessDeniedError,
    CodeStorageExceededError,
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PlatformError,
    PolicyLengthExceededError,
    PreconditionFailedError,
)
from lambd.model.functions import Code, FunctionVersion
from lambd.model.layers import LayerPermission, LayerPolicy, LayerVersion
from lambd.store import contents
from lambd.store.database import LayerChanged
from lambd.store.layers import LayerFilter

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:"
ALL = LayerFilter()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform without anything."""
    world = World(tmp_path)
    yield world
    world.close()


def content(number: int, unpacked_bytes: int = 100) -> Code:
    """A stored archive that no function has as its code."""
    return Code(sha256=f"{number:064x}", size_bytes=10, unpacked_bytes=unpacked_bytes)


def publish(
    world: World,
    layer: str,
    code: Code | None = None,
    *,
    runtimes: tuple[str, ...] | None = None,
    architectures: tuple[str, ...] | None = None,
) -> LayerVersion:
    """Publish a layer version."""
    request = PublishLayerVersionRequest(
        layer=layer,
        code=code or content(100),
        compatible_runtimes=runtimes,
        compatible_architectures=architectures,
    )
    return world.call(layers.publish_layer_version, request)


def use(world: World, arns: Sequence[str] | None, function: str = "f") -> FunctionVersion:
    """Change the layers of a function, to the end."""
    request = UpdateConfigurationRequest(name=function, changes=ConfigurationChanges(), layers=arns)
    updated = world.call(update_configuration, request)
    world.settle()
    return updated


def references(world: World) -> contents.References:
    """What rows refer to."""
    with world.transaction() as connection:
        return contents.references(connection)


# --- versions ----------------------------------------------------------------------------------


def test_versions_are_numbered_and_kept(world: World) -> None:
    """Each is stored as it was published, and notice is given."""
    first = publish(world, "a", runtimes=("python3.12",), architectures=("x86_64",))
    assert world.notices == [LayerChanged(name="a")]
    second = publish(world, LAYER + "a", content(101))
    assert (first.number, second.number, publish(world, "b").number) == (1, 2, 1)
    assert world.call(layers.get_layer_version, "a", 1) == first
    assert world.call(layers.get_layer_version_by_arn, f"{LAYER}a:2") == second
    assert second.compatible_runtimes is None


def test_numbers_are_never_used_again(world: World) -> None:
    """Not even those of a layer that has no version left."""
    publish(world, "a")
    publish(world, "a")
    for number in (1, 2, 2):
        world.call(layers.delete_layer_version, "a", number)
    assert world.notices == [LayerChanged(name="a")]
    assert world.call(layers.list_layers, ALL).items == ()
    assert publish(world, "a").number == 3


def test_lists_versions_from_the_newest_in_pages(world: World) -> None:
    """A marker goes on below the last number, whatever came in between."""
    for _ in range(5):
        publish(world, "a")
    publish(world, "b")
    first = world.call(layers.list_layer_versions, "a", ALL, max_items=2)
    assert [version.number for version in first.items] == [5, 4]
    publish(world, "a")
    world.call(layers.delete_layer_version, "a", 3)
    rest = world.call(layers.list_layer_versions, "a", ALL, marker=first.next_marker)
    assert [version.number for version in rest.items] == [2, 1]
    assert rest.next_marker is None
    assert world.call(layers.list_layer_versions, "none", ALL).items == ()


def test_lists_layers_by_name_in_pages(world: World) -> None:
    """Each with its latest version."""
    for name in ("c", "a", "b", "a"):
        publish(world, name)
    first = world.call(layers.list_layers, ALL, max_items=2)
    assert [(item.name, item.number) for item in first.items] == [("a", 2), ("b", 1)]
    rest = world.call(layers.list_layers, ALL, marker=first.next_marker, max_items=2)
    assert [item.name for item in rest.items] == ["c"]
    assert rest.next_marker is None


@pytest.mark.parametrize(
    ("matching", "versions", "layers_found"),
    [
        pytest.param(ALL, [4, 3, 2, 1], [("a", 4), ("b", 1)], id="all"),
        pytest.param(LayerFilter(runtime="python3.12"), [2, 1], [("a", 2)], id="runtime"),
        pytest.param(LayerFilter(architecture="arm64"), [3, 2], [("a", 3)], id="architecture"),
        pytest.param(
            LayerFilter(runtime="python3.12", architecture="arm64"), [2], [("a", 2)], id="both"
        ),
        pytest.param(LayerFilter(runtime="python3.1"), [], [], id="part-of-a-name"),
        pytest.param(LayerFilter(runtime="python3_12"), [], [], id="no-pattern"),
    ],
)
def test_filters_by_what_versions_declare(
    world: World,
    matching: LayerFilter,
    versions: list[int],
    layers_found: list[tuple[str, int]],
) -> None:
    """Versions that declare nothing match no filter; the latest that matches stands for a layer."""
    publish(world, "a", runtimes=("python3.12", "python3.13"), architectures=("x86_64",))
    publish(world, "a", runtimes=("python3.12",), architectures=("x86_64", "arm64"))
    publish(world, "a", runtimes=("python3.13",), architectures=("arm64",))
    publish(world, "a")
    publish(world, "b")
    page = world.call(layers.list_layer_versions, "a", matching)
    assert [version.number for version in page.items] == versions
    found = world.call(layers.list_layers, matching).items
    assert [(version.name, version.number) for version in found] == layers_found


@pytest.mark.parametrize(
    ("layer", "number", "error", "message"),
    [
        pytest.param(
            "a", 0, InvalidParameterError, "Layer Version Cannot be less than 1", id="zero"
        ),
        pytest.param(
            "a", 2, NotFoundError, "The resource you requested does not exist.", id="version"
        ),
        pytest.param(
            "b", 1, NotFoundError, "The resource you requested does not exist.", id="layer"
        ),
        pytest.param(
            "a", 2**40, NotFoundError, "The resource you requested does not exist.", id="large"
        ),
        pytest.param(
            "arn:aws:lambda:eu-west-1:000000000000:layer:a",
            1,
            NotFoundError,
            "The resource you requested does not exist.",
            id="region",
        ),
        pytest.param(
            "arn:aws:lambda:us-east-1:111111111111:layer:a",
            1,
            AccessDeniedError,
            "User: arn:aws:iam::000000000000:root is not authorized to perform: "
            "lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:111111111111:layer:a "
            "because no resource-based policy allows the lambda:GetLayerVersion action",
            id="account",
        ),
    ],
)
def test_refuses_what_is_not_there(
    world: World, layer: str, number: int, error: type[PlatformError], message: str
) -> None:
    """With AWS's texts."""
    publish(world, "a")
    with pytest.raises(error) as caught:
        world.call(layers.get_layer_version, layer, number)
    assert caught.value.message == message


def test_layers_count_for_code_storage(world: World) -> None:
    """Together with functions, for as long as they are listed."""
    world.create("f")
    publish(world, "a")
    with world.transaction() as connection:
        assert contents.code_storage_bytes(connection) == 20
    world.limits = replace(world.limits, code_storage_bytes=25)
    with pytest.raises(CodeStorageExceededError):
        publish(world, "a")
    world.call(layers.delete_layer_version, "a", 1)
    assert publish(world, "a").number == 2


# --- policies ----------------------------------------------------------------------------------


def permit(
    world: World, statement_id: str, *, number: int = 1, revision_id: str | None = None
) -> LayerPolicy:
    """Let everybody use version of `a`."""
    permission = LayerPermission(statement_id=statement_id, principal="*")
    request = AddLayerPermissionRequest(
        layer="a", number=number, permission=permission, revision_id=revision_id
    )
    return world.call(add_layer_permission, request)


def test_a_policy_grows_and_shrinks_under_new_revisions(world: World) -> None:
    """Every change gives another one; without statements there is no policy."""
    publish(world, "a")
    first = permit(world, "one")
    second = permit(world, "two", revision_id=first.revision_id)
    assert world.call(get_layer_policy, "a", 1) == second
    assert [each.statement_id for each in second.permissions] == ["one", "two"]
    world.call(remove_layer_permission, "a", 1, "one", revision_id=second.revision_id)
    third = world.call(get_layer_policy, "a", 1)
    assert third.permissions == second.permissions[1:]
    assert len({first.revision_id, second.revision_id, third.revision_id}) == 3
    world.call(remove_layer_permission, "a", 1, "two")
    with pytest.raises(NotFoundError) as caught:
        world.call(get_layer_policy, "a", 1)
    assert caught.value.message == "No policy is associated with the given resource."


def test_versions_have_policies_of_their_own(world: World) -> None:
    """A new version has none."""
    publish(world, "a")
    permit(world, "one")
    publish(world, "a")
    with pytest.raises(NotFoundError):
        world.call(get_layer_policy, "a", 2)


def test_refuses_a_second_statement_of_a_name(world: World) -> None:
    """And keeps the first."""
    publish(world, "a")
    policy = permit(world, "one")
    with pytest.raises(ConflictError) as caught:
        permit(world, "one")
    assert caught.value.message == (
        "The statement id (one) provided already exists. Please provide a new statement id, or "
        "remove the existing statement."
    )
    assert world.call(get_layer_policy, "a", 1) == policy


def test_refuses_other_revisions(world: World) -> None:
    """Of a policy that is there and of one that is not."""
    publish(world, "a")
    with pytest.raises(PreconditionFailedError):
        permit(world, "one", revision_id="x")
    permit(world, "one")
    with pytest.raises(PreconditionFailedError) as caught:
        world.call(remove_layer_permission, "a", 1, "one", revision_id="x")
    assert caught.value.message == (
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy "
        "API to retrieve the latest Revision Id"
    )


def test_refuses_policies_that_grow_too_large(world: World) -> None:
    """At the limit."""
    world.limits = replace(world.limits, resource_policy_bytes=300)
    publish(world, "a")
    permit(world, "one")
    with pytest.raises(PolicyLengthExceededError) as caught:
        permit(world, "two")
    assert caught.value.message.startswith("The final policy size (")


def test_refuses_policies_of_what_is_not_there(world: World) -> None:
    """A version, or a statement."""
    publish(world, "a")
    with pytest.raises(NotFoundError) as caught:
        permit(world, "one", number=2)
    assert caught.value.message == f"Layer version {LAYER}a:2 does not exist."
    with pytest.raises(NotFoundError) as caught:
        world.call(get_layer_policy, "b", 1)
    assert caught.value.message == f"Layer version {LAYER}b:1 does not exist."
    with pytest.raises(NotFoundError) as caught:
        world.call(remove_layer_permission, "a", 1, "one")
    assert caught.value.message == "Statement one is not found in resource policy."


# --- layers of functions -----------------------------------------------------------------------


@pytest.fixture
def attached(world: World) -> World:
    """Layers `a` (two versions) and `b`, and a function `f`."""
    publish(world, "a", content(100))
    publish(world, "a", content(101))
    publish(world, "b", content(102))
    world.create("f")
    return world


def test_a_function_holds_its_layers(attached: World) -> None:
    """In order, until it is told to have others; absent is unchanged, empty is none."""
    arns = [f"{LAYER}b:1", f"{LAYER}a:2"]
    updated = use(attached, arns)
    assert [(layer.arn, layer.code) for layer in updated.config.layers] == [
        (arns[0], content(102)),
        (arns[1], content(101)),
    ]
    assert use(attached, None).config.layers == updated.config.layers
    assert use(attached, []).config.layers == ()


@pytest.mark.parametrize(
    ("arns", "error", "message"),
    [
        pytest.param(
            [f"{LAYER}a:1"] * 6,
            InvalidParameterError,
            "Cannot reference more than 5 layers.",
            id="six",
        ),
        pytest.param(
            [f"{LAYER}a:1", f"{LAYER}b:1", f"{LAYER}a:2"],
            InvalidParameterError,
            "Two different versions of the same layer are not allowed to be referenced in the same "
            f"function. {LAYER}a:1 and {LAYER}a:2 are versions of the same layer.",
            id="two-versions",
        ),
        pytest.param(
            [f"{LAYER}a:3"],
            InvalidParameterError,
            f"Layer version {LAYER}a:3 does not exist.",
            id="version",
        ),
        pytest.param(
            [f"{LAYER}c:1"],
            InvalidParameterError,
            f"Layer version {LAYER}c:1 does not exist.",
            id="layer",
        ),
        pytest.param(
            ["arn:aws:lambda:::awslayer:AmazonLinux1803"],
            InvalidParameterError,
            "Layer version arn:aws:lambda:::awslayer:AmazonLinux1803 does not exist.",
            id="aws",
        ),
        pytest.param(
            ["arn:aws:lambda:eu-west-1:000000000000:layer:a:1"],
            InvalidParameterError,
            "Layers are not in the same region as the function. Layers are expected to be in "
            "region us-east-1.",
            id="region",
        ),
        pytest.param(
            ["arn:aws:lambda:us-east-1:111111111111:layer:a:1"],
            AccessDeniedError,
            "User: arn:aws:iam::000000000000:root is not authorized to perform: "
            "lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:111111111111:layer:a:1 "
            "because no resource-based policy allows the lambda:GetLayerVersion action",
            id="account",
        ),
    ],
)
def test_refuses_layers_of_functions(
    attached: World, arns: list[str], error: type[PlatformError], message: str
) -> None:
    """With AWS's texts, and changes nothing."""
    before = attached.latest("f")
    with pytest.raises(error) as caught:
        use(attached, arns)
    assert caught.value.message == message
    assert attached.latest("f") == before


def create_with(world: World, code: Code, arns: Sequence[str]) -> FunctionVersion:
    """Create `g`."""
    request = CreateFunctionRequest(
        name="g",
        role=ROLE,
        code=code,
        configuration=ConfigurationChanges(runtime="python3.12", handler="h.handler"),
        layers=arns,
    )
    created = world.call(create_function, request)
    world.settle()
    return created


def test_code_and_layers_have_one_limit_unpacked(attached: World) -> None:
    """On creation, and on every change of either."""
    attached.limits = replace(attached.limits, unzipped_code_bytes=250)
    message = (
        "Function code combined with layers exceeds the maximum allowed size of 250 bytes. The "
        "actual size is 251 bytes."
    )
    both = [f"{LAYER}a:1", f"{LAYER}b:1"]
    with pytest.raises(InvalidParameterError) as caught:
        create_with(attached, content(1, 51), both)
    assert caught.value.message == message
    create_with(attached, content(1, 50), both)
    update = UpdateCodeRequest(name="g", code=content(2, 51))
    with pytest.raises(InvalidParameterError) as caught:
        attached.call(update_code, update)
    assert caught.value.message == message
    use(attached, both[:1], "g")
    attached.call(update_code, update)
    attached.settle()
    with pytest.raises(InvalidParameterError) as caught:
        use(attached, both, "g")
    assert caught.value.message == message


def test_a_publication_has_its_layers(attached: World) -> None:
    """Other layers, or another order, are another version."""
    lists = ([f"{LAYER}a:1", f"{LAYER}b:1"], [f"{LAYER}b:1", f"{LAYER}a:1"])
    for arns, number in ((lists[0], "1"), (lists[1], "2"), (lists[1], "2")):
        use(attached, arns)
        version = attached.call(publish_version, PublishVersionRequest(name="f"))
        assert version.version == number
        assert [layer.arn for layer in version.config.layers] == arns


def test_archives_stay_while_anything_refers_to_them(attached: World) -> None:
    """A layer version, what serves, a published version; afterwards they go."""
    use(attached, [f"{LAYER}a:1", f"{LAYER}b:1"])
    attached.call(publish_version, PublishVersionRequest(name="f"))
    for layer, number in (("a", 1), ("a", 2), ("b", 1)):
        attached.call(layers.delete_layer_version, layer, number)
    shas = [content(number).sha256 for number in (1, 100, 102)]
    both = contents.References(
        archives=frozenset(shas), layer_lists=frozenset({(shas[1], shas[2])})
    )
    assert references(attached) == both
    # An update has begun: what it replaces still serves.
    request = UpdateConfigurationRequest(name="f", changes=ConfigurationChanges(), layers=[])
    attached.call(update_configuration, request)
    attached.call(delete_function, FunctionReference(name="f", qualifier="1"))
    assert references(attached) == both
    attached.settle()
    assert references(attached) == contents.References(
        archives=frozenset(shas[:1]), layer_lists=frozenset()
    )
