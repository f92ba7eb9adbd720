"""A vendored service model at work: method and path -> operation, and each operation's codecs.

Routes are a tree of path segments, built once; at every node the model has either fixed segments
or one label, never both (checked when built), so that matching is one look-up per segment. Shapes
become codecs when an operation is first used: most processes use a dozen of the 91.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, NamedTuple

from lambd.http.messages import Request, Response
from lambd.wire.codec_request import RequestDecoder
from lambd.wire.codec_response import JSON_CONTENT_TYPE, ResponseEncoder
from lambd.wire.definitions import (
    ModelDefinition,
    OperationDefinition,
    ShapeDefinition,
    load_definition,
)

# Matches that are remembered; those of longer targets are not.
_KNOWN_MATCHES = 4096
_KNOWN_MATCH_CHARACTERS = 1024


class ErrorShape(NamedTuple):
    """How one of the model's errors appears over HTTP."""

    name: str
    status: int
    # `Message` or `message`: the case is the shape's own.
    message_key: str
    # `User` or `Service`.
    fault: str


class Operation:
    """One operation: where it is reached, and how its requests are read and its answers written."""

    def __init__(self, model: ServiceModel, definition: OperationDefinition) -> None:
        http = definition["http"]
        self.name = definition["name"]
        self.http_method = http["method"]
        # With `{labels}`, and with the fixed query that tells it from others, if it has one.
        self.uri = http["requestUri"]
        # Of a success, if the result does not say.
        self.status = http.get("responseCode", 200)
        self.model = model
        # Names of the error shapes it declares.
        self.errors = tuple(error["shape"] for error in definition.get("errors", []))
        self._input = definition["input"]["shape"]
        self._output = definition["output"]["shape"] if "output" in definition else None

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"

    def decode(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        """The parameters in a request, without those that were not sent.

        Args:
            request: Blobs become bytes, timestamps aware datetimes in UTC.
            labels: The URI's labels, still percent-encoded, as `ServiceModel.match` gives them.

        Raises:
            MalformedRequestError: The body is not JSON, or a value is not of its type.
            ConstraintViolationError: The model's constraints are violated; the message is AWS's.
        """
        return self._decoder(request, labels)

    def encode(self, result: Mapping[str, Any]) -> Response:
        """The response to a result; members that are None are left out.

        Raises:
            ValueError: The result has members that the output shape has not.
        """
        return self._encoder(result)

    def encode_event(self, event: Mapping[str, Any]) -> bytes:
        """The message of one event of the operation's stream: of its type to its members.

        Raises:
            ValueError: The operation's result is no event stream.
        """
        encode = self._encoder.encode_event
        if encode is None:
            raise ValueError(f"{self.name} has no event stream")
        return encode(event)

    @property
    def input_members(self) -> Mapping[str, tuple[str, ...]]:
        """The members of its requests, each with the names of its own if it is a structure."""
        shapes = self.model.shapes
        return {
            name: tuple(shapes[member["shape"]].get("members", ()))
            for name, member in shapes[self._input]["members"].items()
        }

    @cached_property
    def _decoder(self) -> RequestDecoder:
        return RequestDecoder(self.model.shapes, self._input)

    @cached_property
    def _encoder(self) -> ResponseEncoder:
        return ResponseEncoder(
            self.model.shapes, self._output, self.status, self.model.content_type
        )


class _Node:
    """One path segment's place in the tree of routes."""

    __slots__ = ("children", "label", "label_child", "operations")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.label: str | None = None
        self.label_child: _Node | None = None
        # By method; those with a fixed query first.
        self.operations: dict[str, list[tuple[str, Operation]]] = {}

    def descend(self, segment: str) -> _Node:
        """The child for a template's segment, made if need be."""
        if not segment.startswith("{"):
            child = self.children.setdefault(segment, _Node())
        else:
            label = segment.strip("{}")
            if self.label not in (None, label):
                raise ValueError(f"two labels at one place: {self.label} and {label}")
            self.label = label
            child = self.label_child = self.label_child or _Node()
        if self.children and self.label_child:
            raise ValueError(f"a label and fixed segments at one place: {segment}")
        return child


class ServiceModel:
    """One service: its operations and the ways to them."""

    def __init__(self, definition: ModelDefinition) -> None:
        metadata = definition["metadata"]
        # `lambda`, `logs`, ...: the first label of its host names on AWS.
        self.service = metadata["endpointPrefix"]
        # `rest-json` or `json`.
        self.protocol = metadata["protocol"]
        self.content_type = JSON_CONTENT_TYPE
        if self.protocol == "json":
            self.content_type = f"application/x-amz-json-{metadata['jsonVersion']}"
        self.shapes: Mapping[str, ShapeDefinition] = definition["shapes"]
        self.operations: Mapping[str, Operation] = {
            name: Operation(self, operation) for name, operation in definition["operations"].items()
        }
        # Of `X-Amz-Target`, before the operation's name; "" for rest-json.
        self.target_prefix = metadata.get("targetPrefix", "")
        self._root = _Node()
        # Most requests are for the same few targets.
        self._known_matches: dict[tuple[str, str, str], tuple[Operation, Mapping[str, str]]] = {}
        if self.protocol == "rest-json":
            for operation in self.operations.values():
                self._add_route(operation)

    def match(
        self, method: str, path: str, query: str
    ) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation that a request is for and its labels, still percent-encoded.

        A trailing slash is ignored: models before 2025 had some. None: there is no such operation.
        """
        target = (method, path, query)
        known = self._known_matches.get(target)
        if known is None:
            known = self._find(method, path, query)
            if known is not None and len(path) + len(query) <= _KNOWN_MATCH_CHARACTERS:
                if len(self._known_matches) >= _KNOWN_MATCHES:
                    self._known_matches.clear()
                self._known_matches[target] = known
        return known

    def _find(
        self, method: str, path: str, query: str
    ) -> tuple[Operation, Mapping[str, str]] | None:
        node = self._root
        labels: dict[str, str] = {}
        for segment in path.rstrip("/").split("/")[1:]:
            child = node.children.get(segment)
            if child is None:
                child = node.label_child
                if child is None or not segment:
                    return None
                labels[node.label or ""] = segment
            node = child
        for fixed_query, operation in node.operations.get(method, ()):
            if not fixed_query or fixed_query in query.split("&"):
                return operation, labels
        return None

    def by_target(self, target: str) -> Operation | None:
        """The operation that an `X-Amz-Target` names: the `json` protocol's only route."""
        prefix, _, name = target.rpartition(".")
        return self.operations.get(name) if prefix == self.target_prefix else None

    @cached_property
    def error_shapes(self) -> Mapping[str, ErrorShape]:
        """The model's errors by name."""
        return {
            name: _error_shape(name, shape)
            for name, shape in self.shapes.items()
            if shape.get("exception")
        }

    def _add_route(self, operation: Operation) -> None:
        path, _, fixed_query = operation.uri.partition("?")
        node = self._root
        for segment in path.rstrip("/").split("/")[1:]:
            node = node.descend(segment)
        choices = node.operations.setdefault(operation.http_method, [])
        choices.append((fixed_query, operation))
        choices.sort(key=lambda choice: not choice[0])


def _error_shape(name: str, shape: ShapeDefinition) -> ErrorShape:
    is_ours = shape.get("fault", False)
    status = shape.get("error", {}).get("httpStatusCode", 500 if is_ours else 400)
    message_key = "Message" if "Message" in shape["members"] else "message"
    return ErrorShape(name, status, message_key, "Service" if is_ours else "User")


@cache
def load_model(service: str) -> ServiceModel:
    """The model of a service whose copy is in `data/`: `lambda`, `logs`, `events`, ...

    Raises:
        FileNotFoundError: there is no copy.
    """
    return ServiceModel(load_definition(service))
