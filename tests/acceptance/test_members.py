"""Every member of every request that is served: acted on, or refused by name; never ignored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.member_cases import EVERYWHERE, OPERATIONS, REFUSED_VALUES
from tests.acceptance.member_checks import accepted, named_in_refusal, with_member
from tests.acceptance.member_world import World, served_world

from lambd.api.coverage import OperationStatus, request_members
from lambd.api.operations import HANDLERS
from lambd.api.unsupported import REFUSED
from lambd.wire.service_model import load_model

MODEL = load_model("lambda").operations
SERVED = sorted(HANDLERS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A platform with one of everything."""
    with served_world(tmp_path_factory.mktemp("members")) as made:
        yield made


def members(operation: str, status: OperationStatus) -> list[str]:
    """Paths of the members with a status, as docs/coverage.md has them."""
    found = request_members(MODEL[operation], is_handled=True)
    return [member.path for member in found if member.status is status]


def test_every_operation_has_an_entry() -> None:
    """Those that are served, and no others; no entry is for a member that there is not."""
    assert OPERATIONS.keys() == HANDLERS.keys()
    for name, operation in OPERATIONS.items():
        assert operation.checks.keys() <= set(members(name, OperationStatus.REAL)), name


@pytest.mark.parametrize("operation", SERVED)
def test_a_least_request_succeeds(world: World, operation: str) -> None:
    """Otherwise the others would show nothing."""
    accepted(world.call(operation, OPERATIONS[operation].minimal(world)))


@pytest.mark.parametrize("operation", SERVED)
def test_real_members_act(world: World, operation: str) -> None:
    """Each is sent once with a value of its own, and its effect is seen."""
    entry = OPERATIONS[operation]
    for path in members(operation, OperationStatus.REAL):
        check = entry.checks.get(path) or EVERYWHERE.get(path)
        assert check is not None, f"{operation}.{path} has no entry in member_cases"
        check(world, operation, entry.minimal, path)


@pytest.mark.parametrize("operation", SERVED)
def test_refused_members_are_named(world: World, operation: str) -> None:
    """Each is sent once with a value that asks for something; nothing is stored."""
    minimal = OPERATIONS[operation].minimal
    limited = [
        member.path
        for member in request_members(MODEL[operation], is_handled=True)
        if member.status is OperationStatus.REAL and member.exception is not None
    ]
    for path in [*members(operation, OperationStatus.REFUSED), *limited]:
        value = REFUSED_VALUES[path.rpartition(".")[2]]
        named_in_refusal(value)(world, operation, minimal, path)


@pytest.mark.parametrize("operation", sorted(REFUSED))
def test_values_that_ask_for_nothing_pass(world: World, operation: str) -> None:
    """Tools spell out AWS's defaults."""
    request = OPERATIONS[operation].minimal(world)
    for path, value in NEUTRAL.items():
        if path in REFUSED[operation]:
            request = with_member(request, path, value)
    accepted(world.call(operation, request))


NEUTRAL = {
    "Architectures": ["x86_64"],
    "Code.S3ObjectStorageMode": "COPY",
    "Content.S3ObjectStorageMode": "COPY",
    "FileSystemConfigs": [],
    "ImageConfig": {},
    "KMSKeyArn": "",
    "PackageType": "Zip",
    "S3ObjectStorageMode": "COPY",
    "SnapStart": {"ApplyOn": "None"},
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}
