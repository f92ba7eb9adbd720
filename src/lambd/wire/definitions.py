"""The vendored service models as the JSON they are, typed; what they mean is told elsewhere.

The words are those of botocore's `service-2.json`. Nothing here interprets a shape: `constraints`
checks, `codec_request` reads, `codec_response` writes, `service_model` routes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import TypedDict

SCALARS = frozenset(
    {"string", "integer", "long", "float", "double", "boolean", "blob", "timestamp"}
)
NUMBERS = frozenset({"integer", "long", "float", "double"})


class MemberDefinition(TypedDict, total=False):
    """A structure's member, a list's element, a map's key or value: a reference to a shape."""

    shape: str
    # uri, querystring, header or statusCode; absent: in the body.
    location: str
    locationName: str
    # The member is the whole payload of its event-stream event.
    eventpayload: bool


class ErrorDefinition(TypedDict, total=False):
    """How an error shape appears over HTTP."""

    httpStatusCode: int
    senderFault: bool


class ShapeDefinition(TypedDict, total=False):
    """One shape; which keys are there depends on `type`."""

    type: str
    members: dict[str, MemberDefinition]
    required: list[str]
    member: MemberDefinition
    key: MemberDefinition
    value: MemberDefinition
    min: int | float
    max: int | float
    pattern: str
    enum: list[str]
    # Values must not be echoed.
    sensitive: bool
    # The member that is the whole body.
    payload: str
    exception: bool
    error: ErrorDefinition
    fault: bool
    eventstream: bool


class HttpDefinition(TypedDict, total=False):
    """An operation's method, URI template and success status."""

    method: str
    requestUri: str
    responseCode: int


class OperationDefinition(TypedDict, total=False):
    """One operation."""

    name: str
    http: HttpDefinition
    input: MemberDefinition
    output: MemberDefinition
    errors: list[MemberDefinition]


class Metadata(TypedDict, total=False):
    """What holds for the whole service."""

    endpointPrefix: str
    protocol: str
    jsonVersion: str
    targetPrefix: str


class ModelDefinition(TypedDict):
    """A vendored `service-2.json`."""

    metadata: Metadata
    operations: dict[str, OperationDefinition]
    shapes: dict[str, ShapeDefinition]


# Shape name -> shape.
Shapes = Mapping[str, ShapeDefinition]


_DATA = resources.files("lambd.wire").joinpath("data")
# Of a copy's name: the service's in botocore, and its API version.
_COPY = re.compile(r"(?P<service>[a-z0-9-]+)-\d{4}-\d{2}-\d{2}\.json")


def copies() -> dict[str, str]:
    """The services that have a copy of their model here, and its file's name."""
    found = (_COPY.fullmatch(each.name) for each in _DATA.iterdir())
    return {match["service"]: match[0] for match in found if match is not None}


def load_definition(service: str) -> ModelDefinition:
    """Read the copy of a service's model; the vendoring tool guarantees its form.

    Raises:
        FileNotFoundError: there is none.
    """
    name = copies().get(service)
    if name is None:
        raise FileNotFoundError(f"no model of {service} in {_DATA}")
    definition: ModelDefinition = json.loads(_DATA.joinpath(name).read_text(encoding="utf-8"))
    return definition
