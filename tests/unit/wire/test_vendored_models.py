"""The vendored service models are what botocore has, and nothing in them is beyond us."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambd.wire.definitions import Shapes, copies
from lambd.wire.patterns import compile_pattern
from lambd.wire.service_model import Operation, load_model
from lambd.wire.vendor import DATA, DIRECTORY, directory, newest_copy, source_of, vendored

SERVICES = sorted(copies())


@pytest.mark.parametrize("name", sorted(copies().values()))
def test_copies_are_those_of_the_installed_botocore(name: str) -> None:
    """Whoever moves to another botocore also runs the vendoring tool."""
    assert json.loads((DATA / name).read_text(encoding="utf-8")) == vendored(source_of(name))


def test_the_directory_is_that_of_the_installed_botocore() -> None:
    """Likewise."""
    assert json.loads(DIRECTORY.read_text(encoding="utf-8")) == directory()


def test_the_lambda_model_has_every_operation() -> None:
    """Botocore 1.44.5 has 91 operations and 58 error shapes."""
    model = load_model("lambda")
    assert len(model.operations) == 91
    assert len(model.error_shapes) == 58


@pytest.mark.parametrize("service", SERVICES)
def test_a_copy_is_of_the_newest_model(service: str) -> None:
    """By the version that its name tells."""
    assert copies()[service] == newest_copy(service)


def test_a_service_without_a_copy_has_no_model() -> None:
    """The message names it."""
    with pytest.raises(FileNotFoundError, match="no model of teleport"):
        load_model("teleport")


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_has_a_translation(service: str) -> None:
    """No constraint is lost because Python reads its pattern differently."""
    for shape in load_model(service).shapes.values():
        if "pattern" in shape:
            compile_pattern(shape["pattern"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_compiles(service: str) -> None:
    """Locations, payloads and types of every operation are supported."""
    for operation in load_model(service).operations.values():
        assert operation._decoder is not None
        assert operation._encoder is not None


@pytest.mark.parametrize("service", SERVICES)
def test_input_shapes_are_not_recursive(service: str) -> None:
    """Parsers and checks are compiled from the leaves up."""
    model = load_model(service)
    for operation in model.operations.values():
        assert not _recursions(model.shapes, operation)


def _recursions(shapes: Shapes, operation: Operation) -> list[str]:
    def below(name: str, above: tuple[str, ...]) -> Iterator[str]:
        if name in above:
            yield name
            return
        shape = shapes[name]
        parts = [*shape.get("members", {}).values()]
        parts += [shape[key] for key in ("member", "key", "value") if key in shape]
        for part in parts:
            yield from below(part["shape"], (*above, name))

    return list(below(operation._input, ()))
