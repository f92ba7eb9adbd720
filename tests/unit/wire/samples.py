"""Strategies for values that a shape allows, made from the vendored model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st

from lambd.wire.definitions import ShapeDefinition
from lambd.wire.patterns import compile_pattern
from lambd.wire.service_model import (
    load_model,
)

# Whole seconds: what botocore writes into JSON bodies.
MOMENTS = st.integers(0, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC))
# What a header's value may hold and keep.
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
_EVENT_SOURCE_MAPPING_ARN = (
    "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:"
    "8d2a9e8c-3f55-4e7c-9d3c-8c7e6f5a4b3c"
)
# Where a pattern and a length together are hardly ever met by chance.
_BY_NAME = {"EventSourceMappingArn": st.just(_EVENT_SOURCE_MAPPING_ARN)}
# One class with nearly all characters in it, which `from_regex` takes minutes for.
_ANY_TEXT_PATTERN = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
_ANY_TEXT = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | (
    st.sampled_from("\r\n\t")
)
_INTEGER_BITS = {"integer": 32, "long": 64}


@cache
def values(service: str, shape_name: str) -> st.SearchStrategy[Any]:
    """Values that the shape's types and constraints allow, as our side has them."""
    model = load_model(service)
    if shape_name in _BY_NAME:
        return _BY_NAME[shape_name]
    shape = model.shapes[shape_name]
    match shape["type"]:
        case "structure":
            return st.deferred(lambda: structures(service, shape_name, shape["members"].keys()))
        case "list":
            return _lists(service, shape)
        case "map":
            return _maps(service, shape)
        case "string":
            return _strings(shape)
        case kind:
            return _scalars(kind, shape)


def structures(
    service: str, shape_name: str, names: Collection[str]
) -> st.SearchStrategy[dict[str, Any]]:
    """Structures with those members of a shape that have one of these names."""
    shape = load_model(service).shapes[shape_name]
    required = shape.get("required", [])
    members = {
        name: _member(service, member) for name, member in shape["members"].items() if name in names
    }
    return st.fixed_dictionaries(
        {name: value for name, value in members.items() if name in required},
        optional={name: value for name, value in members.items() if name not in required},
    )


def _member(service: str, member: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    shape = load_model(service).shapes[member["shape"]]
    plain = shape["type"] == "string" and not shape.keys() & {"pattern", "enum"}
    if member.get("location") in ("header", "uri") and plain:
        least = max(1, int(shape.get("min", 1)))
        return st.text(PRINTABLE, min_size=least, max_size=max(least, 20))
    if member.get("location") == "querystring" and shape["type"] == "list":
        # A query cannot hold an empty list.
        return _lists(service, shape, at_least=1)
    return values(service, member["shape"])


def _lists(service: str, shape: ShapeDefinition, *, at_least: int = 0) -> st.SearchStrategy[Any]:
    least = max(int(shape.get("min", 0)), at_least)
    most = min(int(shape.get("max", 2)), max(least, 2))
    elements = values(service, shape["member"]["shape"])
    return st.lists(elements, min_size=least, max_size=most)


def _maps(service: str, shape: ShapeDefinition) -> st.SearchStrategy[Any]:
    keys = values(service, shape["key"]["shape"])
    least = int(shape.get("min", 0))
    most = min(int(shape.get("max", 2)), max(least, 2))
    entries = values(service, shape["value"]["shape"])
    return st.dictionaries(keys, entries, min_size=least, max_size=most)


def _strings(shape: ShapeDefinition) -> st.SearchStrategy[str]:
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    least, most = int(shape.get("min", 0)), int(shape.get("max", 64))
    if "pattern" not in shape:
        return st.text(min_size=least, max_size=min(most, least + 20))
    if shape["pattern"] == _ANY_TEXT_PATTERN:
        return st.text(_ANY_TEXT, min_size=least, max_size=min(most, least + 20))
    matching = st.from_regex(compile_pattern(shape["pattern"]), fullmatch=True)
    return matching.filter(lambda text: least <= len(text) <= most)


def _scalars(kind: str, shape: ShapeDefinition) -> st.SearchStrategy[Any]:
    match kind:
        case "integer" | "long":
            limit = 1 << (_INTEGER_BITS[kind] - 1)
            least, most = int(shape.get("min", -limit)), int(shape.get("max", limit - 1))
            return st.integers(least, most)
        case "double" | "float":
            return st.floats(float(shape.get("min", -1e9)), float(shape.get("max", 1e9)))
        case "boolean":
            return st.booleans()
        case "blob":
            return st.binary(min_size=1, max_size=20)
        case _:
            return MOMENTS
