"""Expressions of Logs Insights as functions of a row: operators, functions, aggregates; pure.

What cannot be computed is None, as on AWS, and so is what is computed from it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambd.services.logs.insights_fields import Time, Value
from lambd.services.logs.insights_syntax import (
    Expression,
    Field,
    FunctionCall,
    Literal,
    MalformedQueryError,
    Pattern,
)

Row = Mapping[str, Value]
Getter = Callable[[Row], Value]
Aggregate = Callable[[Sequence[Row]], Value]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# Longest text that a function makes, characters.
_MAX_TEXT = 1_000_000


def is_true(value: Value) -> bool:
    """Whether a condition with this value lets a row pass."""
    return value is not None and value not in {0, ""}


def rank(value: Value) -> tuple[int, float, str]:
    """A key to sort by: what is missing, then numbers, then texts."""
    number = _number(value)
    if number is not None:
        return 1, number, ""
    return (0, 0, "") if value is None else (2, 0, str(value))


def compile_expression(expression: Expression) -> Getter:
    """What an expression gives for a row.

    Raises:
        MalformedQueryError: it has a function that is not known, or an aggregate.
    """
    match expression:
        case Literal(value):
            return lambda _row: value
        case Field(name):
            return lambda row: row.get(name)
        case Pattern():
            raise MalformedQueryError("A regular expression stands behind like or =~ only.")
        case FunctionCall(name, arguments):
            return _call(name, arguments)


def compile_aggregate(expression: Expression) -> Aggregate:
    """What an expression of aggregates gives for the rows of a group.

    Raises:
        MalformedQueryError: it has what is neither an aggregate nor made of some.
    """
    match expression:
        case Literal(value):
            return lambda _rows: value
        case FunctionCall(name, arguments) if name in _ARITHMETIC:
            left, right = (compile_aggregate(argument) for argument in arguments)
            return lambda rows: _compute(name, left(rows), right(rows))
        case FunctionCall("count", ()):
            return len
        case FunctionCall("pct" | "percentile", (of, Literal(int() | float() as percent))):
            getter = compile_expression(of)
            return lambda rows: _percentile(_values(rows, getter), percent)
        case FunctionCall(name, (of,)) if name in _AGGREGATES:
            getter, aggregate = compile_expression(of), _AGGREGATES[name]
            return lambda rows: aggregate(_values(rows, getter))
        case FunctionCall("earliest" | "latest" as name, (of,)):
            getter = compile_expression(of)
            return lambda rows: _at_the_end(rows, getter, is_latest=name == "latest")
        case _:
            pass
    raise MalformedQueryError("stats takes aggregates only, such as count(*) or avg(@duration).")


def _call(name: str, arguments: tuple[Expression, ...]) -> Getter:
    if name == "like":
        return _like(*arguments)
    if name == "bin":
        return _bin(arguments)
    getters = [compile_expression(argument) for argument in arguments]
    if name in _COMPARISONS or name in _ARITHMETIC:
        left, right = getters
        act = _compare if name in _COMPARISONS else _compute
        return lambda row: act(name, left(row), right(row))
    if name in _TESTS and len(getters) == 1:
        of, test = getters[0], _TESTS[name]
        return lambda row: int(test(of(row)))
    choice = _CHOICES.get(name)
    return _function(name, getters) if choice is None else lambda row: choice(row, getters)


def _is_in(row: Row, getters: Sequence[Getter]) -> Value:
    value, *items = (getter(row) for getter in getters)
    return int(any(_compare("=", value, item) for item in items))


def _first_present(row: Row, getters: Sequence[Getter]) -> Value:
    return next((value for getter in getters if (value := getter(row)) is not None), None)


# Operators and functions that need not all of their operands, or may miss some.
_CHOICES: dict[str, Callable[[Row, Sequence[Getter]], Value]] = {
    "and": lambda row, getters: int(all(is_true(getter(row)) for getter in getters)),
    "or": lambda row, getters: int(any(is_true(getter(row)) for getter in getters)),
    "not": lambda row, getters: int(not is_true(getters[0](row))),
    "in": _is_in,
    "coalesce": _first_present,
}


def _function(name: str, getters: Sequence[Getter]) -> Getter:
    fewest, most, function = _FUNCTIONS.get(name, (1, 0, None))
    if function is None:
        raise MalformedQueryError(f"lambd does not know the function {name}.")
    if not fewest <= len(getters) <= most:
        raise MalformedQueryError(f"{name} takes another number of arguments.")

    def call(row: Row) -> Value:
        values = [getter(row) for getter in getters]
        if any(value is None for value in values):
            return None
        try:
            return function(*values)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return call


def _like(of: Expression, wanted: Expression) -> Getter:
    getter = compile_expression(of)
    if isinstance(wanted, Pattern):
        pattern = re.compile(wanted.source)
        return lambda row: int((value := getter(row)) is not None and _finds(pattern, value))
    text = str(wanted.value) if isinstance(wanted, Literal) else ""
    return lambda row: int((value := getter(row)) is not None and text in str(value))


def _finds(pattern: re.Pattern[str], value: Value) -> bool:
    return pattern.search(str(value)) is not None


def _bin(arguments: tuple[Expression, ...]) -> Getter:
    match arguments:
        case (Literal(int() as period),) if period > 0:
            of: Getter = compile_expression(Field("@timestamp"))
        case (given, Literal(int() as period)) if period > 0:
            of = compile_expression(given)
        case _:
            raise MalformedQueryError("bin takes a period, such as bin(5m).")

    def floor(row: Row) -> Value:
        value = _number(of(row))
        return None if value is None else Time(int(value) // period * period)

    return floor


def _number(value: Value) -> float | None:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def _compare(sign: str, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return int(sign == "!=" and left is not right)
    one, other = _number(left), _number(right)
    if one is not None and other is not None:
        return int(_COMPARISONS[sign](one, other))
    return int(_COMPARISONS[sign](str(left), str(right)))


def _compute(sign: str, left: Value, right: Value) -> Value:
    one, other = _number(left), _number(right)
    if one is None or other is None:
        return None
    try:
        return _ARITHMETIC[sign](one, other)
    except (ZeroDivisionError, OverflowError):
        return None


def _values(rows: Sequence[Row], getter: Getter) -> list[Value]:
    return [value for row in rows if (value := getter(row)) is not None]


def _numbers(values: Sequence[Value]) -> list[float]:
    return [number for value in values if (number := _number(value)) is not None]


def _average(values: Sequence[Value]) -> Value:
    numbers = _numbers(values)
    return math.fsum(numbers) / len(numbers) if numbers else None


def _deviation(values: Sequence[Value]) -> Value:
    numbers = _numbers(values)
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((each - mean) ** 2 for each in numbers) / len(numbers))


def _sum(values: Sequence[Value]) -> Value:
    return sum(_numbers(values))


def _percentile(values: Sequence[Value], percent: float) -> Value:
    """Of the nearest rank."""
    numbers = sorted(_numbers(values))
    if not numbers:
        return None
    place = math.ceil(len(numbers) * min(max(percent, 0), 100) / 100)
    return numbers[max(place, 1) - 1]


def _at_the_end(rows: Sequence[Row], getter: Getter, *, is_latest: bool) -> Value:
    timed = [row for row in rows if getter(row) is not None and row.get("@timestamp") is not None]
    if not timed:
        return None
    choose = max if is_latest else min
    return getter(choose(timed, key=lambda row: rank(row["@timestamp"])))


_AGGREGATES: dict[str, Callable[[Sequence[Value]], Value]] = {
    "count": len,
    "count_distinct": lambda values: len(set(values)),
    "sum": _sum,
    "avg": _average,
    "stddev": _deviation,
    "min": lambda values: min(values, key=rank, default=None),
    "max": lambda values: max(values, key=rank, default=None),
}

_TESTS: dict[str, Callable[[Value], bool]] = {
    "ispresent": lambda value: value is not None,
    "isempty": lambda value: value is None or value == "",
    "isblank": lambda value: value is None or not str(value).strip(),
}


def _of_number(function: Callable[[float], float]) -> Callable[..., Value]:
    def call(value: Value) -> Value:
        number = _number(value)
        return None if number is None else function(number)

    return call


def _substr(text: Value, start: Value, length: Value = None) -> Value:
    first = int(_number(start) or 0)
    found = str(text)[first:]
    return found if length is None else found[: int(_number(length) or 0)]


def _concat(*parts: Value) -> Value:
    return "".join(str(part) for part in parts)[:_MAX_TEXT]


def _replace(text: Value, old: Value, new: Value) -> Value:
    return str(text).replace(str(old), str(new))[:_MAX_TEXT]


# Fewest and most arguments, and what is done with them when none is missing.
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value] | None]] = {
    "abs": (1, 1, _of_number(abs)),
    "ceil": (1, 1, _of_number(math.ceil)),
    "floor": (1, 1, _of_number(math.floor)),
    "sqrt": (1, 1, _of_number(math.sqrt)),
    "log": (1, 1, _of_number(math.log)),
    "greatest": (1, 20, lambda *values: max(values, key=rank)),
    "least": (1, 20, lambda *values: min(values, key=rank)),
    "strlen": (1, 1, lambda text: len(str(text))),
    "toupper": (1, 1, lambda text: str(text).upper()),
    "tolower": (1, 1, lambda text: str(text).lower()),
    "trim": (1, 1, lambda text: str(text).strip()),
    "ltrim": (1, 1, lambda text: str(text).lstrip()),
    "rtrim": (1, 1, lambda text: str(text).rstrip()),
    "concat": (1, 20, _concat),
    "substr": (2, 3, _substr),
    "replace": (3, 3, _replace),
    "strcontains": (2, 2, lambda text, part: int(str(part) in str(text))),
    "frommillis": (1, 1, _of_number(lambda number: Time(int(number)))),
    "tomillis": (1, 1, _of_number(int)),
}
