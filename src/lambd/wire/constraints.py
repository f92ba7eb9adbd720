"""A model's constraints on input, checked, with the texts of AWS's `ValidationException`.

Shapes become closures once, when an operation is first used; what is unconstrained costs nothing.
The texts are those of real answers (api.md section 3.3): a list's or map's elements are judged
together, `Member must satisfy constraint: [...]`, with every constraint of the element's shape;
values of sensitive shapes are not echoed. Not known from AWS: the order of several violations
(members in the model's order, a member's pattern before its length), and how a structure prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lambd.wire.definitions import NUMBERS, SCALARS, ShapeDefinition, Shapes
from lambd.wire.patterns import compile_pattern

# Appends to the list of violations what is wrong with the value at the path.
Check = Callable[[Any, str, list[str]], None]

# Members whose enum the service judges itself, with another error (api.md section 3.3). That of
# layers (`CompatibleRuntime`) is judged like any other.
CHECKED_BY_SERVICE = frozenset(
    {("CreateFunctionRequest", "Runtime"), ("UpdateFunctionConfigurationRequest", "Runtime")}
)
# DEVIATION: AWS echoes a refused value whole; we stop here, characters, so that an answer stays
# small whatever was sent.
ECHOED_VALUE_CHARACTERS = 8192

_NOT_NULL = "Member must not be null"
_REDACTED = "*** Sensitive Data Redacted ***"


class Constraint(NamedTuple):
    """One rule of a shape: its text, and whether a value keeps it."""

    text: str
    holds: Callable[[Any], bool]
    is_pattern: bool = False


class MemberCheck(NamedTuple):
    """What to check of one member of a structure; `check` is None if any value will do."""

    name: str
    path: str
    required: bool
    check: Check | None


def summarise(violations: Sequence[str]) -> str:
    """The message of a `ValidationException` for these violations, at least one."""
    noun = "error" if len(violations) == 1 else "errors"
    return f"{len(violations)} validation {noun} detected: " + "; ".join(violations)


def null_violation(path: str) -> str:
    """The violation of a required member that is absent."""
    return f"Value null at '{path}' failed to satisfy constraint: {_NOT_NULL}"


def lower_first(name: str) -> str:
    """A member's name as the texts have it: `kMSKeyArn`, `functionName`."""
    return name[:1].lower() + name[1:]


class ConstraintCompiler:
    """Makes checks from one model's shapes; input shapes are not recursive (a test proves it)."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._checks: dict[str, Check | None] = {}

    def member_checks(self, shape_name: str) -> tuple[MemberCheck, ...]:
        """The checks of a structure's members; those that need none are left out."""
        shape = self._shapes[shape_name]
        required = shape.get("required", [])
        checks = (
            MemberCheck(
                name,
                lower_first(name),
                name in required,
                None if (shape_name, name) in CHECKED_BY_SERVICE else self.check(member["shape"]),
            )
            for name, member in shape["members"].items()
        )
        return tuple(check for check in checks if check.required or check.check)

    def check(self, shape_name: str) -> Check | None:
        """The check of a shape and all below it; None if it cannot fail."""
        if shape_name not in self._checks:
            own = self._own_check(shape_name)
            inner = self._inner_check(shape_name)
            self._checks[shape_name] = _both(own, inner) if own and inner else own or inner
        return self._checks[shape_name]

    def _own_check(self, shape_name: str) -> Check | None:
        constraints = _constraints(shape_name, self._shapes[shape_name])
        if not constraints:
            return None
        # Every recorded answer of several violations of one value begins with the pattern.
        ordered = tuple(sorted(constraints, key=lambda constraint: not constraint.is_pattern))

        def check(value: object, path: str, violations: list[str]) -> None:
            for text, holds, _ in ordered:
                if not holds(value):
                    violations.append(self._violation(shape_name, value, path, text))

        return check

    def _inner_check(self, shape_name: str) -> Check | None:
        shape = self._shapes[shape_name]
        match shape["type"]:
            case "structure":
                return self._structure_check(shape_name)
            case "list":
                return self._list_check(shape_name, shape["member"]["shape"])
            case "map":
                return self._map_check(shape_name, shape)
            case _:
                return None

    def _structure_check(self, shape_name: str) -> Check | None:
        members = self.member_checks(shape_name)
        if not members:
            return None

        def check(fields: Mapping[str, object], path: str, violations: list[str]) -> None:
            for name, lowered, required, member_check in members:
                field = fields.get(name)
                if field is None:
                    if required:
                        violations.append(null_violation(f"{path}.{lowered}"))
                elif member_check:
                    member_check(field, f"{path}.{lowered}", violations)

        return check

    def _list_check(self, shape_name: str, element_name: str) -> Check:
        constraints = _constraints(element_name, self._shapes[element_name])
        text = f"Member must satisfy constraint: [{_joined(constraints)}]"
        inner = self._inner_check(element_name)

        def check(elements: Sequence[object], path: str, violations: list[str]) -> None:
            if not all(_satisfies(element, constraints) for element in elements):
                violations.append(self._violation(shape_name, elements, path, text))
            if inner:
                for number, element in enumerate(elements, start=1):
                    if element is not None:
                        inner(element, f"{path}.{number}.member", violations)

        return check

    def _map_check(self, shape_name: str, shape: ShapeDefinition) -> Check:
        key_name, value_name = shape["key"]["shape"], shape["value"]["shape"]
        key_constraints = _constraints(key_name, self._shapes[key_name])
        value_constraints = _constraints(value_name, self._shapes[value_name])
        key_text = f"Map keys must satisfy constraint: [{_joined(key_constraints)}]"
        value_text = f"Map value must satisfy constraint: [{_joined(value_constraints)}]"
        inner = self._inner_check(value_name)

        def check(entries: Mapping[str, object], path: str, violations: list[str]) -> None:
            if not all(_satisfies(key, key_constraints) for key in entries):
                violations.append(self._violation(shape_name, entries, path, key_text))
            if not all(_satisfies(entry, value_constraints) for entry in entries.values()):
                violations.append(self._violation(shape_name, entries, path, value_text))
            if inner:
                for key, entry in entries.items():
                    if entry is not None:
                        inner(entry, f"{path}.{key}.member", violations)

        return check

    def _violation(self, shape_name: str, value: object, path: str, text: str) -> str:
        shown = ""
        if not self._is_sensitive(shape_name):
            shown = f" '{self._describe(shape_name, value)[:ECHOED_VALUE_CHARACTERS]}'"
        return f"Value{shown} at '{path}' failed to satisfy constraint: {text}"

    def _is_sensitive(self, shape_name: str) -> bool:
        shape = self._shapes[shape_name]
        parts = [shape[key]["shape"] for key in ("member", "key", "value") if key in shape]
        return bool(shape.get("sensitive")) or any(
            self._shapes[part].get("sensitive") for part in parts
        )

    def _describe(self, shape_name: str, value: object) -> str:
        """The value as Java's `toString` gives it."""
        shape = self._shapes[shape_name]
        if value is not None and shape.get("sensitive"):
            return _REDACTED
        match shape["type"], value:
            case "list", list():
                element_name = shape["member"]["shape"]
                return f"[{', '.join(self._describe(element_name, item) for item in value)}]"
            case "map", dict():
                value_name = shape["value"]["shape"]
                pairs = (f"{key}={self._describe(value_name, item)}" for key, item in value.items())
                return f"{{{', '.join(pairs)}}}"
            case "structure", dict():
                return self._describe_structure(shape_name, value)
            case _:
                return _describe_scalar(value)

    def _describe_structure(self, shape_name: str, fields: Mapping[str, object]) -> str:
        members = self._shapes[shape_name]["members"].items()
        pairs = (
            f"{lower_first(name)}={self._describe(member['shape'], fields.get(name))}"
            for name, member in members
        )
        return f"{shape_name}({', '.join(pairs)})"


def _describe_scalar(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case bytes():
            return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
        case datetime():
            return value.strftime("%a %b %d %H:%M:%S UTC %Y")
        case _:
            return str(value)


def _both(first: Check, second: Check) -> Check:
    def check(value: object, path: str, violations: list[str]) -> None:
        first(value, path, violations)
        second(value, path, violations)

    return check


def _satisfies(value: object, constraints: Sequence[Constraint]) -> bool:
    return value is not None and all(constraint.holds(value) for constraint in constraints)


def _joined(constraints: Sequence[Constraint]) -> str:
    return ", ".join([*(constraint.text for constraint in constraints), _NOT_NULL])


def _constraints(name: str, shape: ShapeDefinition) -> tuple[Constraint, ...]:
    """A shape's own constraints, in the order in which AWS lists an element's."""
    kind = shape["type"]
    if kind in NUMBERS:
        return _value_bounds(shape)
    if kind == "structure" or (kind in SCALARS and kind not in ("string", "blob")):
        return ()
    constraints = [*_length_bounds(shape)]
    if "pattern" in shape:
        matches = compile_pattern(shape["pattern"]).fullmatch
        text = f"Member must satisfy regular expression pattern: {shape['pattern']}"
        constraints.append(Constraint(text, lambda value: matches(value) is not None, True))
    if "enum" in shape:
        allowed = frozenset(shape["enum"])
        text = f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"
        constraints.append(Constraint(text, lambda value: value in allowed))
    return tuple(constraints)


def _length_bounds(shape: ShapeDefinition) -> tuple[Constraint, ...]:
    bounds = []
    if "max" in shape:
        most = shape["max"]
        text = f"Member must have length less than or equal to {most}"
        bounds.append(Constraint(text, lambda value: len(value) <= most))
    if "min" in shape:
        least = shape["min"]
        text = f"Member must have length greater than or equal to {least}"
        bounds.append(Constraint(text, lambda value: len(value) >= least))
    return tuple(bounds)


def _value_bounds(shape: ShapeDefinition) -> tuple[Constraint, ...]:
    bounds = []
    if "max" in shape:
        most = shape["max"]
        text = f"Member must have value less than or equal to {most}"
        bounds.append(Constraint(text, lambda value: value <= most))
    if "min" in shape:
        least = shape["min"]
        text = f"Member must have value greater than or equal to {least}"
        bounds.append(Constraint(text, lambda value: value >= least))
    return tuple(bounds)
