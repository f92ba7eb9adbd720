"""An operation's result -> HTTP response, by the operation's output shape.

Results are dicts of Python values as `json_values` describes them. They come from our own code, so
a member that the shape does not have is a mistake of ours and raises; a member that is None is
left out, at any depth.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from lambd.http.messages import Response
from lambd.wire.definitions import ShapeDefinition, Shapes
from lambd.wire.eventstream import CONTENT_TYPE, encode_event

JSON_CONTENT_TYPE = "application/json"

# A shape's value -> a value that `json` writes; None: it already is one.
Render = Callable[[Any], object]
_WriteBody = Callable[[Mapping[str, Any]], bytes]
_NO_BODY = frozenset({204, 304})


def json_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # UTF-8 cannot hold half a surrogate pair; its JSON escape can be written instead.
    return text.encode("utf-8", "backslashreplace")


class ResponseEncoder:
    """Encodes the results of one operation of a rest-json or json service."""

    def __init__(
        self, shapes: Shapes, output_shape: str | None, status: int, content_type: str
    ) -> None:
        shape: ShapeDefinition = shapes[output_shape] if output_shape else {"members": {}}
        members = shape["members"]
        stream = _event_stream_member(shapes, shape)
        self._status = status
        self._content_type = CONTENT_TYPE if stream else content_type
        # Where each member goes: its header's name; None: elsewhere.
        self._headers: dict[str, str | None] = {
            name: member["locationName"] if member.get("location") == "header" else None
            for name, member in members.items()
        }
        self._has_content_type = "Content-Type" in self._headers.values()
        self._status_member = next(
            (name for name, m in members.items() if m.get("location") == "statusCode"), None
        )
        renderers = RendererCompiler(shapes)
        # For one event at a time, where the output is a stream of them.
        self.encode_event: EventEncoder | None = None
        if stream:
            self.encode_event = EventEncoder(shapes, renderers, shape, stream)
            self._write_body: _WriteBody | None = _stream_writer(self.encode_event, stream)
        else:
            self._write_body = _body_writer(shapes, shape, renderers)

    def __call__(self, result: Mapping[str, Any]) -> Response:
        """The response to `result`.

        Raises:
            ValueError: `result` has a member that the output shape has not.
        """
        status = self._status
        if self._status_member:
            status = result.get(self._status_member) or status
        headers: list[tuple[str, str]] = []
        places = self._headers
        for name, value in result.items():
            if name not in places:
                raise ValueError(f"not in the output shape: {name}")
            header = places[name]
            if header is not None and value is not None:
                headers.append((header, str(value)))
        if self._write_body is None or status in _NO_BODY:
            return Response(status, headers)
        if not self._has_content_type or "Content-Type" not in dict(headers):
            headers.append(("Content-Type", self._content_type))
        return Response(status, headers, self._write_body(result))


def _body_writer(
    shapes: Shapes, shape: ShapeDefinition, renderers: RendererCompiler
) -> _WriteBody | None:
    """What writes the body; None if the shape has nothing for one."""
    payload = shape.get("payload")
    if payload is not None:
        if shapes[shape["members"][payload]["shape"]]["type"] != "blob":
            raise ValueError(f"{payload}: a payload that is not bytes is not supported")
        return lambda result: bytes(result.get(payload) or b"")
    in_body = {name: m for name, m in shape["members"].items() if "location" not in m}
    if not in_body:
        return None
    render = renderers.members({"members": in_body})
    outside = shape["members"].keys() - in_body.keys()

    def write(result: Mapping[str, Any]) -> bytes:
        if outside:
            result = {name: value for name, value in result.items() if name not in outside}
        return json_bytes(render(result))

    return write


class RendererCompiler:
    """Makes renderers from one model's shapes; shapes may be recursive."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._renderers: dict[str, Render | None] = {}

    def renderer(self, shape_name: str) -> Render | None:
        """The renderer of a shape's values; None if they are JSON values already."""
        if shape_name not in self._renderers:
            # For the shape within itself, until it is made.
            self._renderers[shape_name] = self._later(shape_name)
            self._renderers[shape_name] = self._compile(self._shapes[shape_name])
        return self._renderers[shape_name]

    def _later(self, shape_name: str) -> Render:
        def render(value: object) -> object:
            made = self._renderers[shape_name]
            return made(value) if made else value

        return render

    def members(self, shape: ShapeDefinition) -> Render:
        """The renderer of a structure with these members."""
        renderers = {
            name: (member.get("locationName", name), self.renderer(member["shape"]))
            for name, member in shape["members"].items()
        }

        def render(value: Mapping[str, Any]) -> dict[str, object]:
            fields: dict[str, object] = {}
            for name, field in value.items():
                if name not in renderers:
                    raise ValueError(f"not in the shape: {name}")
                if field is not None:
                    key, render_field = renderers[name]
                    fields[key] = render_field(field) if render_field else field
            return fields

        return render

    def _compile(self, shape: ShapeDefinition) -> Render | None:
        match shape["type"]:
            case "structure":
                return self.members(shape)
            case "list":
                return _list(self.renderer(shape["member"]["shape"]))
            case "map":
                return _map(self.renderer(shape["value"]["shape"]))
            case "blob":
                return _base64
            case "timestamp":
                return _epoch_seconds
            case _:
                return None


def _list(render: Render | None) -> Render:
    if render is None:
        # Tuples and other sequences become what `json` knows.
        return list
    return lambda value: [render(element) for element in value]


def _map(render: Render | None) -> Render:
    return lambda value: {
        key: render(entry) if render else entry for key, entry in value.items() if entry is not None
    }


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _epoch_seconds(value: datetime) -> int | float:
    if value.tzinfo is None:
        raise ValueError("a timestamp without a time zone")
    seconds = value.timestamp()
    return int(seconds) if seconds.is_integer() else seconds


class _Event(NamedTuple):
    """How one event of a stream is written."""

    # The member that is the raw payload; None: all members, as JSON.
    payload: str | None
    render: Render


class EventEncoder:
    """Encodes the events of one operation's event stream (rest-json only), one by one."""

    def __init__(
        self, shapes: Shapes, renderers: RendererCompiler, shape: ShapeDefinition, stream: str
    ) -> None:
        union = shapes[shape["members"][stream]["shape"]]
        self._events = {
            name: _event(shapes[member["shape"]], renderers)
            for name, member in union["members"].items()
        }

    def __call__(self, event: Mapping[str, Any]) -> bytes:
        """The message of one event: a dict of one entry, its type to its members."""
        ((event_type, members),) = event.items()
        payload, render = self._events[event_type]
        if payload is not None:
            return encode_event(event_type, "application/octet-stream", bytes(members[payload]))
        return encode_event(event_type, JSON_CONTENT_TYPE, json_bytes(render(members)))


def _event(shape: ShapeDefinition, renderers: RendererCompiler) -> _Event:
    payload = next((n for n, m in shape["members"].items() if m.get("eventpayload")), None)
    return _Event(payload, renderers.members(shape))


def _event_stream_member(shapes: Shapes, shape: ShapeDefinition) -> str | None:
    for name, member in shape["members"].items():
        if shapes[member["shape"]].get("eventstream"):
            return name
    return None


def _stream_writer(encode: EventEncoder, stream: str) -> _WriteBody:
    def write(result: Mapping[str, Any]) -> bytes:
        events: Iterable[Mapping[str, Any]] = result.get(stream) or ()
        return b"".join(encode(event) for event in events)

    return write
