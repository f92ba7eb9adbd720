"""HTTP request -> the parameters of one operation, by the operation's input shape.

An operation's input is flattened once into tuples of (member, key, parser) per location, so that
a request is one pass over those it has; no shape is looked at while serving. Invoke's path runs
through here (some microseconds): measure before adding to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from lambd.http.messages import Request
from lambd.model.errors import ConstraintViolationError, MalformedRequestError
from lambd.wire.constraints import ConstraintCompiler, MemberCheck, null_violation, summarise
from lambd.wire.definitions import MemberDefinition, ShapeDefinition, Shapes
from lambd.wire.json_values import Parse, ParserCompiler, ParseText, parse_json

# Request and labels (still percent-encoded) -> parameters.
Decode = Callable[[Request, Mapping[str, str]], dict[str, Any]]
_Params = dict[str, object]
_ReadBody = Callable[[bytes, _Params], None]


# Targets (labels and query) whose parameters are remembered, per operation; longer ones are not.
_KNOWN_TARGETS = 4096
_KNOWN_TARGET_CHARACTERS = 1024


class TextMember(NamedTuple):
    """A member outside the body; `parse` is None if its text is its value."""

    name: str
    key: str
    parse: ParseText | None
    # The key may be repeated, and the value is the list of what it had.
    is_list: bool = False


class RequestDecoder:
    """Decodes the requests of one operation.

    Raises (when called):
        MalformedRequestError: A value is not of its type.
        ConstraintViolationError: A value is of its type and not allowed.
    """

    def __init__(self, shapes: Shapes, input_shape: str) -> None:
        shape = shapes[input_shape]
        parsers = ParserCompiler(shapes)
        self._labels = tuple(_text_members(shapes, shape, "uri", parsers))
        self._queries = tuple(_text_members(shapes, shape, "querystring", parsers))
        self._headers = tuple(
            member._replace(key=member.key.lower())
            for member in _text_members(shapes, shape, "header", parsers)
        )
        self._read_body = _body_reader(shapes, shape, parsers)
        self._checks: tuple[MemberCheck, ...] = ConstraintCompiler(shapes).member_checks(
            input_shape
        )
        in_target = {member.name for member in (*self._labels, *self._queries)}
        self._other_checks = tuple(check for check in self._checks if check[0] not in in_target)
        # Parameters of targets that passed their checks: the same few come with most requests.
        self._known_targets: dict[tuple[str, ...], dict[str, Any]] = {}

    def __call__(self, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
        """The parameters; members that were not sent are not in it."""
        target = (*labels.values(), request.query)
        known = self._known_targets.get(target)
        of_target = self._read_target(request.query, labels) if known is None else known
        params = of_target.copy()
        headers = request.headers
        for name, key, parse, _ in self._headers:
            header = headers.get(key)
            if header is not None:
                params[name] = parse(header) if parse else header
        if self._read_body:
            self._read_body(request.body, params)
        if known is None:
            _check(self._checks, params)
            self._remember(target, of_target)
        else:
            _check(self._other_checks, params)
        return params

    def _read_target(self, query: str, labels: Mapping[str, str]) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, key, parse, _ in self._labels:
            text = percent_decoded(labels[key])
            params[name] = parse(text) if parse else text
        if self._queries and query:
            self._read_query(query, params)
        return params

    def _remember(self, target: tuple[str, ...], params: dict[str, Any]) -> None:
        if sum(map(len, target)) > _KNOWN_TARGET_CHARACTERS:
            return
        if any(isinstance(value, list) for value in params.values()):
            # Whoever gets one may change it.
            return
        if len(self._known_targets) >= _KNOWN_TARGETS:
            self._known_targets.clear()
        self._known_targets[target] = params

    def _read_query(self, query: str, params: _Params) -> None:
        values = query_values(query)
        for name, key, parse, is_list in self._queries:
            texts = values.get(key)
            if texts:
                parsed: list[object] = [parse(text) for text in texts] if parse else [*texts]
                params[name] = parsed if is_list else parsed[0]


def _check(checks: Iterable[MemberCheck], params: _Params) -> None:
    violations: list[str] = []
    for name, path, required, check in checks:
        value = params.get(name)
        if value is None:
            if required:
                violations.append(null_violation(path))
        elif check:
            check(value, path, violations)
    if violations:
        raise ConstraintViolationError(summarise(violations))


def percent_decoded(text: str) -> str:
    """The text that a label or a piece of a query stands for; bytes are UTF-8."""
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError as exc:
        raise MalformedRequestError("The request's URI is not percent-encoded UTF-8") from exc


def query_values(query: str) -> dict[str, list[str]]:
    """A raw query's values by key, each key's in the order sent."""
    values: dict[str, list[str]] = {}
    for piece in query.split("&"):
        if piece:
            key, _, value = piece.replace("+", " ").partition("=")
            values.setdefault(percent_decoded(key), []).append(percent_decoded(value))
    return values


def _text_members(
    shapes: Shapes, shape: ShapeDefinition, location: str, parsers: ParserCompiler
) -> Iterable[TextMember]:
    for name, member in shape["members"].items():
        if member.get("location") != location:
            continue
        key = member.get("locationName", name)
        target = shapes[member["shape"]]
        if location == "querystring" and target["type"] == "list":
            parse = parsers.text_parser(target["member"]["shape"])
            yield TextMember(name, key, parse, is_list=True)
        else:
            yield TextMember(name, key, parsers.text_parser(member["shape"]))


def _body_reader(
    shapes: Shapes, shape: ShapeDefinition, parsers: ParserCompiler
) -> _ReadBody | None:
    """What reads the body; None if the operation has none, and then a body is ignored."""
    payload = shape.get("payload")
    if payload is not None:
        member = shape["members"][payload]
        if shapes[member["shape"]]["type"] == "blob":
            return _raw_reader(payload, payload in shape.get("required", []))
        return _structure_reader(payload, parsers.parser(member["shape"]))
    members = [
        (name, member.get("locationName", name), parsers.parser(member["shape"]))
        for name, member in shape["members"].items()
        if _is_in_body(member)
    ]
    return _members_reader(members) if members else None


def _is_in_body(member: MemberDefinition) -> bool:
    return "location" not in member


def _raw_reader(name: str, required: bool) -> _ReadBody:
    def read(body: bytes, params: _Params) -> None:
        # HTTP cannot tell an empty body from none: present only where something must be.
        if body or required:
            params[name] = body

    return read


def _structure_reader(name: str, parse: Parse) -> _ReadBody:
    def read(body: bytes, params: _Params) -> None:
        value = parse_json(body) if body else None
        # SDKs send `{}` for an absent structure.
        if value is not None and value != {}:
            params[name] = parse(value)

    return read


def _members_reader(members: list[tuple[str, str, Parse]]) -> _ReadBody:
    def read(body: bytes, params: _Params) -> None:
        if not body:
            return
        value = parse_json(body)
        if value is None:
            return
        if not isinstance(value, dict):
            raise MalformedRequestError("The request body is not a JSON object")
        for name, key, parse in members:
            field = value.get(key)
            if field is not None:
                params[name] = parse(field)

    return read
