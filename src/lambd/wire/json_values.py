"""JSON values and texts of a request to Python values of a shape's type, or a refusal.

This is about types alone; whether a value may be what it is, `constraints` decides. Python's side:
blobs are bytes, timestamps aware UTC datetimes, structures dicts without the members that were
absent, null or unknown. The refusals' texts are Coral's, as Kinesis and DynamoDB send them;
Lambda's own were never recorded (unverified).
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from lambd.model.errors import MalformedRequestError
from lambd.wire.definitions import Shapes

# A value as `json` gives it -> the shape's value.
Parse = Callable[[object], object]
# A label, header or query value -> the shape's value.
ParseText = Callable[[str], object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_BITS = {"integer": 32, "long": 64}


def parse_json(body: bytes) -> object:
    """The JSON value in a body; RFC 8259 to the letter, so no NaN and no other encodings."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise MalformedRequestError(f"Could not parse the request body as JSON: {exc}") from exc


class ParserCompiler:
    """Makes parsers from one model's shapes; input shapes are not recursive (a test proves it)."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._parsers: dict[str, Parse] = {}

    def parser(self, shape_name: str) -> Parse:
        """The parser of JSON values of a shape."""
        if shape_name not in self._parsers:
            self._parsers[shape_name] = self._compile(shape_name)
        return self._parsers[shape_name]

    def text_parser(self, shape_name: str) -> ParseText | None:
        """The parser of a shape's texts; None: the text is the value."""
        match self._shapes[shape_name]["type"]:
            case "string":
                return None
            case "integer" | "long" as kind:
                return _integer_text(_BITS[kind])
            case "boolean":
                return _boolean_text
            case "timestamp":
                return _timestamp_text
            case kind:
                raise ValueError(f"{shape_name}: a {kind} outside the body is not supported")

    def _compile(self, shape_name: str) -> Parse:
        shape = self._shapes[shape_name]
        match shape["type"]:
            case "structure":
                return self._structure(shape_name)
            case "list":
                return _list(self.parser(shape["member"]["shape"]))
            case "map":
                parse_key = self.parser(shape["key"]["shape"])
                return _map(parse_key, self.parser(shape["value"]["shape"]))
            case "integer" | "long" as kind:
                return _integer(_BITS[kind])
            case kind:
                return _SCALARS[kind]

    def _structure(self, shape_name: str) -> Parse:
        members = [
            (name, member.get("locationName", name), self.parser(member["shape"]))
            for name, member in self._shapes[shape_name]["members"].items()
        ]

        def parse(value: object) -> dict[str, object]:
            if not isinstance(value, dict):
                _refuse(value, "Structure")
            fields: dict[str, object] = {}
            for name, key, parse_member in members:
                field = value.get(key)
                if field is not None:
                    fields[name] = parse_member(field)
            return fields

        return parse


def _list(parse_element: Parse) -> Parse:
    def parse(value: object) -> list[object]:
        if not isinstance(value, list):
            _refuse(value, "List")
        # A null element is a violation of constraints, not of types.
        return [None if element is None else parse_element(element) for element in value]

    return parse


def _map(parse_key: Parse, parse_value: Parse) -> Parse:
    def parse(value: object) -> dict[object, object]:
        if not isinstance(value, dict):
            _refuse(value, "Map")
        return {
            parse_key(key): None if entry is None else parse_value(entry)
            for key, entry in value.items()
        }

    return parse


def _string(value: object) -> str:
    if not isinstance(value, str):
        _refuse(value, "String")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            # Half a surrogate pair, `"\ud800"`: no text, and nothing below could store it.
            raise MalformedRequestError("A string holds an unpaired surrogate") from exc
    return value


def _integer(bits: int) -> Parse:
    limit = 1 << (bits - 1)

    def parse(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            _refuse(value, "Integer" if bits == 32 else "Long")
        return value

    return parse


def _double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(value, "Double")
    try:
        number = float(value)
    except OverflowError as exc:
        raise MalformedRequestError("A number is too large for a Double") from exc
    if not math.isfinite(number):
        _refuse(value, "Double")
    return number


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(value, "Boolean")
    return value


def _blob(value: object) -> bytes:
    if not isinstance(value, str):
        _refuse(value, "Blob")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as exc:
        raise MalformedRequestError("A blob is not valid base64") from exc


def _timestamp(value: object) -> datetime:
    if isinstance(value, str):
        return _timestamp_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(value, "Timestamp")
    try:
        return _EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError) as exc:
        raise MalformedRequestError("A timestamp is out of range") from exc


_SCALARS: dict[str, Parse] = {
    "string": _string,
    "float": _double,
    "double": _double,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}


def _integer_text(bits: int) -> ParseText:
    parse = _integer(bits)

    def parse_text(text: str) -> object:
        return parse(int(text) if _INTEGER.fullmatch(text) else text)

    return parse_text


def _boolean_text(text: str) -> bool:
    return _boolean({"true": True, "false": False}.get(text, text))


def _timestamp_text(text: str) -> datetime:
    """ISO 8601, UTC if it names no offset."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise MalformedRequestError(f"'{text}' is not a valid timestamp") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse(value: object, wanted: str) -> NoReturn:
    article = "an" if wanted == "Integer" else "a"
    match value:
        case dict():
            message = "Start of structure or map found where not expected."
        case list():
            message = "Start of list found where not expected."
        case bool():
            message = (
                f"{'TRUE' if value else 'FALSE'}_VALUE can not be converted to {article} {wanted}"
            )
        case str():
            message = f"STRING_VALUE can not be converted to {article} {wanted}"
        case _:
            message = f"NUMBER_VALUE can not be converted to {article} {wanted}"
    raise MalformedRequestError(message)
