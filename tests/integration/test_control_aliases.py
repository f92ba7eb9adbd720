"""Aliases on a real store: what AWS replies, refuses and keeps true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from tests.integration.control_world import ARN, World, code

from lambd.control.aliases import (
    CreateAliasRequest,
    UpdateAliasRequest,
    create_alias,
    delete_alias,
    get_alias,
    list_aliases,
    update_alias,
)
from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    UpdateCodeRequest,
    UpdateConfigurationRequest,
    delete_function,
    get_configuration,
    get_function,
    update_code,
    update_configuration,
)
from lambd.model.aliases import AdditionalVersion, Alias
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    AliasLimitExceededError,
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PlatformError,
    PreconditionFailedError,
)
from lambd.model.limits import Limits
from lambd.store import functions as rows
from lambd.store.aliases import find_route
from lambd.store.database import FunctionChanged


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform with one active function, `f`, that has versions 1, 2 and 3."""
    world = World(tmp_path, Limits(aliases_per_function=5))
    world.create("f", publish=True)
    for number in (2, 3):
        world.call(update_code, UpdateCodeRequest(name="f", code=code(number), publish=True))
        world.settle()
    yield world
    world.close()


def create(
    world: World,
    name: str = "live",
    version: str = "1",
    weights: Mapping[str, float] | None = None,
    function_name: str = "f",
) -> Alias:
    """Create an alias."""
    request = CreateAliasRequest(
        function_name=function_name, name=name, version=version, weights=weights or {}
    )
    return world.call(create_alias, request)


def test_an_alias_is_stored_as_it_is_answered(world: World) -> None:
    """With its weight, and a RevisionId of its own."""
    made = create(world, weights={"2": 0.25})
    assert made.additional == AdditionalVersion(version="2", weight=0.25)
    assert world.notices == [FunctionChanged(name="f")]
    assert world.call(get_alias, "f", "live") == made
    assert made.revision_id != world.latest("f").revision_id
    assert create(world, "test", LATEST).version == LATEST


def test_revisions_of_function_and_versions_stay(world: World) -> None:
    """Creating, changing and deleting an alias changes no RevisionId but its own."""
    before = [world.version("f", version) for version in (LATEST, "1")]
    create(world)
    world.call(update_alias, UpdateAliasRequest(function_name="f", name="live", version="2"))
    world.call(delete_alias, "f", "live")
    assert [world.version("f", version) for version in (LATEST, "1")] == before


@pytest.mark.parametrize(
    ("version", "weights", "error", "message"),
    [
        pytest.param(
            "1",
            {"1": 0.8, "2": 0.2},
            InvalidParameterError,
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
            id="three-versions",
        ),
        pytest.param(
            "1",
            {"1": 0.5},
            InvalidParameterError,
            "Invalid function version 1. Function version 1 is already included in routing "
            "configuration.",
            id="same-version",
        ),
        pytest.param(
            LATEST,
            {"1": 0.5},
            InvalidParameterError,
            "$LATEST is not supported for an alias pointing to more than 1 version",
            id="latest",
        ),
        pytest.param(
            "10", {"2": 0.5}, NotFoundError, f"Function not found: {ARN}f:10", id="no-such-version"
        ),
        pytest.param(
            "1",
            {"10": 0.5},
            NotFoundError,
            f"Function not found: {ARN}f:10",
            id="no-such-additional-version",
        ),
        pytest.param(
            "1",
            {"02": 0.5},
            NotFoundError,
            f"Function not found: {ARN}f:02",
            id="no-such-number",
        ),
    ],
)
def test_refuses_versions_that_do_not_go_together(
    world: World, version: str, weights: dict[str, float], error: type[PlatformError], message: str
) -> None:
    """On creation and on update alike, and nothing is stored."""
    with pytest.raises(error) as caught:
        create(world, version=version, weights=weights)
    assert caught.value.message == message
    made = create(world, "other", "3")
    request = UpdateAliasRequest(function_name="f", name="other", version=version, weights=weights)
    with pytest.raises(error) as caught:
        world.call(update_alias, request)
    assert caught.value.message == message
    assert world.call(list_aliases, "f").items == (made,)


def test_both_versions_have_one_role(world: World) -> None:
    """Otherwise a caller would run under a role by chance."""
    changes = ConfigurationChanges(role="arn:aws:iam::000000000000:role/other")
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle()
    world.call(update_code, UpdateCodeRequest(name="f", code=code(4), publish=True))
    world.settle()
    with pytest.raises(InvalidParameterError) as caught:
        create(world, version="1", weights={"4": 0.5})
    assert caught.value.message == (
        "Specified versions must be associated with the same execution role"
    )
    create(world, version="4")


def test_both_versions_have_one_dead_letter_queue(world: World) -> None:
    """Otherwise a failed event would end up in one of two places by chance."""
    changes = ConfigurationChanges(dead_letter_arn="arn:aws:sqs:us-east-1:000000000000:q")
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle()
    world.call(update_code, UpdateCodeRequest(name="f", code=code(4), publish=True))
    world.settle()
    with pytest.raises(InvalidParameterError) as caught:
        create(world, version="1", weights={"4": 0.5})
    assert caught.value.message == (
        "Specified versions must be associated with the same dead-letter queue"
    )
    create(world, version="4")


def test_names_are_unique_within_a_function(world: World) -> None:
    """409 with the alias's ARN."""
    create(world)
    with pytest.raises(ConflictError) as caught:
        create(world, version="2")
    assert caught.value.message == f"Alias already exists: {ARN}f:live"
    world.create("g", publish=True)
    create(world, function_name="g")


def test_a_function_has_so_many_aliases_and_no_more(world: World) -> None:
    """The limit is the operator's; deleting one makes room."""
    for number in range(5):
        create(world, f"a{number}")
    with pytest.raises(AliasLimitExceededError):
        create(world, "a5")
    world.call(delete_alias, "f", "a0")
    create(world, "a5")


def test_what_is_missing_is_named(world: World) -> None:
    """Each operation has its own text."""
    for call, message in (
        (lambda: create(world, function_name="g"), f"Function not found: {ARN}g:1"),
        (lambda: world.call(get_alias, "f", "a"), f"Cannot find alias arn: {ARN}f:a"),
        (lambda: world.call(get_alias, "g", "a"), f"Function not found: {ARN}g"),
        (lambda: world.call(list_aliases, "g"), f"Function not found: {ARN}g"),
        (lambda: world.call(delete_alias, "g", "a"), f"Function not found: {ARN}g"),
        (
            lambda: world.call(update_alias, UpdateAliasRequest(function_name="f", name="a")),
            f"Alias not found: {ARN}f:a",
        ),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.message == message


def test_an_update_changes_what_it_names(world: World) -> None:
    """And gives another RevisionId even if it names nothing."""
    made = create(world, weights={"2": 0.1})

    def update(**changes: object) -> Alias:
        request = UpdateAliasRequest(function_name="f", name="live", **changes)  # type: ignore[arg-type]  # of its members
        return world.call(update_alias, request)

    described = update(description="d")
    assert (described.description, described.additional) == ("d", made.additional)
    assert described.revision_id != made.revision_id
    assert update(version="3").additional == made.additional
    untouched = update()
    assert untouched.version == "3"
    assert untouched.revision_id != described.revision_id
    assert update(weights={}).additional is None
    assert world.notices == [FunctionChanged(name="f")]
    assert update(description="").description == ""


def test_an_update_keeps_the_routing_it_does_not_name(world: World) -> None:
    """So that pointing it at its additional version needs another routing as well."""
    create(world, weights={"2": 0.1})
    with pytest.raises(InvalidParameterError, match="already included"):
        world.call(update_alias, UpdateAliasRequest(function_name="f", name="live", version="2"))
    request = UpdateAliasRequest(function_name="f", name="live", version="2", weights={})
    assert world.call(update_alias, request).version == "2"


def test_expects_the_revision_that_the_caller_saw(world: World) -> None:
    """An outdated RevisionId is refused before anything else is looked at."""
    made = create(world)
    request = UpdateAliasRequest(
        function_name="f", name="live", version="2", revision_id=made.revision_id
    )
    world.call(update_alias, request)
    with pytest.raises(PreconditionFailedError) as caught:
        world.call(update_alias, request)
    assert caught.value.message == (
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetFunction/GetAlias API to retrieve the latest Revision Id"
    )


def test_deleting_is_idempotent(world: World) -> None:
    """A missing alias is no error, and no change."""
    create(world)
    world.call(delete_alias, "f", "live")
    assert world.notices == [FunctionChanged(name="f")]
    world.call(delete_alias, "f", "live")
    assert world.notices == []


def test_lists_by_name_in_pages_that_survive_changes(world: World) -> None:
    """A marker continues after a name, whether or not that alias is still there."""
    for name in ("b", "d", "a", "c"):
        create(world, name)
    first = world.call(list_aliases, "f", max_items=2)
    assert [alias.name for alias in first.items] == ["a", "b"]
    world.call(delete_alias, "f", "b")
    create(world, "aa")
    rest = world.call(list_aliases, "f", marker=first.next_marker, max_items=2)
    assert [alias.name for alias in rest.items] == ["c", "d"]
    assert rest.next_marker is None


def test_lists_those_that_may_invoke_a_version(world: World) -> None:
    """As main or as additional version; a version that is not there has none."""
    create(world, "a", "1", {"2": 0.5})
    create(world, "b", "2")
    create(world, "c", LATEST)
    for version, expected in (("1", "a"), ("2", "ab"), ("3", ""), (LATEST, "c"), ("99", "")):
        page = world.call(list_aliases, "f", version=version)
        assert "".join(alias.name for alias in page.items) == expected


def test_reads_go_through_aliases(world: World) -> None:
    """To the main version, whatever the weight."""
    create(world, weights={"2": 0.99})
    reference = FunctionReference(name="f", qualifier="live")
    assert world.call(get_configuration, reference) == world.version("f", "1")
    assert world.call(get_function, reference).version == world.version("f", "1")
    with pytest.raises(NotFoundError) as caught:
        world.call(get_function, FunctionReference(name="f", qualifier="dead"))
    assert caught.value.message == f"Function not found: {ARN}f:dead"


def test_a_route_has_both_versions_and_the_weight(world: World) -> None:
    """As invocations need it."""
    create(world, weights={"2": 0.25})
    create(world, "plain", LATEST)
    with world.transaction() as connection:
        route = find_route(connection, "f", "live")
        plain = find_route(connection, "f", "plain")
        assert find_route(connection, "f", "dead") is None
        assert find_route(connection, "f", "9") is None
    assert route is not None
    assert (route.version, route.additional) == (world.version("f", "1"), world.version("f", "2"))
    assert route.additional_weight == 0.25
    assert plain is not None
    assert (plain.version, plain.additional) == (world.latest("f"), None)


def test_a_version_that_an_alias_leads_to_stays(world: World) -> None:
    """409 naming the aliases, main or additional; afterwards it can go."""
    create(world, "b", "1", {"2": 0.5})
    create(world, "a", "2")
    for version, names in (("1", "[b]"), ("2", "[a, b]")):
        with pytest.raises(ConflictError) as caught:
            world.call(delete_function, FunctionReference(name="f", qualifier=version))
        assert caught.value.message == (
            f"Unable to delete version because the following aliases reference it: {names}"
        )
        assert world.version("f", version) is not None
    world.call(delete_function, FunctionReference(name="f", qualifier="3"))
    world.call(delete_alias, "f", "b")
    world.call(delete_function, FunctionReference(name="f", qualifier="1"))
    assert world.version("f", "1") is None


def test_the_store_itself_holds_versions_of_aliases(world: World) -> None:
    """Whatever a caller of the store forgets to check."""
    create(world, "b", "1", {"2": 0.5})
    version = world.version("f", "2")
    assert version is not None
    with pytest.raises(IntegrityError), world.transaction() as connection:
        rows.delete_version(connection, version)


def test_aliases_are_not_deleted_by_qualifier(world: World) -> None:
    """DeleteFunction takes versions only."""
    create(world)
    with pytest.raises(InvalidParameterError) as caught:
        world.call(delete_function, FunctionReference(name="f", qualifier="live"))
    assert caught.value.message == "Deletion of aliases is not currently supported."


def test_aliases_go_with_their_function(world: World) -> None:
    """A function of the same name starts without."""
    create(world, weights={"2": 0.5})
    world.call(delete_function, FunctionReference(name="f"))
    world.create("f")
    assert world.call(list_aliases, "f").items == ()
