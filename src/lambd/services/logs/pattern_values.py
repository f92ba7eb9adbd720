"""What all kinds of filter patterns have in common: comparisons, numbers, texts with wildcards."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from lambd.model.errors import InvalidParameterError

# Tells whether a message matches.
Matcher = Callable[[str], bool]

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
# Parentheses within parentheses.
MAX_DEPTH = 30


def invalid(pattern: str) -> InvalidParameterError:
    """The refusal of what is no pattern."""
    return InvalidParameterError(f"Invalid filter pattern: {pattern}")


def unescaped(quoted: str) -> str:
    """What stands between quotes, without its backslashes."""
    return re.sub(r"\\(.)", r"\1", quoted)


def matches_wildcard(value: str, parts: Sequence[str]) -> bool:
    """Match a text whose `*` stood between `parts`; linear, where a regular expression is not."""
    first, *middle = parts
    if not middle:
        return value == first
    last = middle.pop()
    if len(value) < len(first) + len(last) or not value.startswith(first):
        return False
    position, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return value.endswith(last)
