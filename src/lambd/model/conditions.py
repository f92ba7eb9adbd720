"""Condition blocks of policy statements: operators over the keys of a request's context.

Pure. Source: AWS's IAM reference, "Condition operators" and "single- versus multivalued context
keys". A key that the context lacks fails a positive operator and satisfies a negated one; every
value of a multivalued key is looked at where `ForAllValues:` or `ForAnyValue:` says so. Keys are
compared without regard to case. Policy variables (`${aws:username}`) are not here: documents that
hold one are refused (`policies.py`).
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

# The context of a request: lower-case key -> its values.
Context = Mapping[str, tuple[str, ...]]
# (value of the request, value of the policy) -> whether they match.
_Match = Callable[[str, str], bool]

_SETS = ("ForAllValues:", "ForAnyValue:")
_IF_EXISTS = "IfExists"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key; the values are alternatives."""

    # As written, set qualifier and `IfExists` included.
    operator: str
    # Lower-case.
    key: str
    values: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Whether a request with this context meets the condition."""
        qualifier, name, if_exists = _split(self.operator)
        actual = context.get(self.key)
        if name == "Null":
            return any((value.lower() == "true") == (actual is None) for value in self.values)
        if actual is None:
            absent_holds = name in _NEGATED or qualifier == "ForAllValues:"
            return if_exists or (absent_holds and qualifier != "ForAnyValue:")
        negated = name in _NEGATED
        match = _MATCHES[_NEGATED.get(name, name)]
        each = (any(match(value, wanted) for wanted in self.values) != negated for value in actual)
        return any(each) if qualifier == "ForAnyValue:" else all(each)


def check_operator(operator: str, values: tuple[str, ...]) -> None:
    """Raise ValueError if there is no such operator, or if it cannot take these values."""
    _, name, _ = _split(operator)
    if name == "Null":
        _require(all(value.lower() in {"true", "false"} for value in values), operator)
        return
    name = _NEGATED.get(name, name)
    if name not in _MATCHES:
        raise ValueError(f"Invalid condition operator: {operator}")
    if name in _PARSERS:
        for value in values:
            _require(_PARSERS[name](value) is not None, operator)


def glob_matches(text: str, pattern: str) -> bool:
    """Whether a text matches a pattern with `*` and `?`."""
    return _glob(pattern).match(text) is not None


def arn_matches(arn: str, pattern: str) -> bool:
    """As `glob_matches`, section by section: a `*` stops at the colons of the first five."""
    sections, wanted = arn.split(":", 5), pattern.split(":", 5)
    if pattern == "*":
        return True
    return len(sections) == len(wanted) and all(map(glob_matches, sections, wanted))


def _split(operator: str) -> tuple[str, str, bool]:
    qualifier = next((item for item in _SETS if operator.startswith(item)), "")
    name = operator.removeprefix(qualifier)
    if_exists = name.endswith(_IF_EXISTS) and name != _IF_EXISTS
    return qualifier, name.removesuffix(_IF_EXISTS) if if_exists else name, if_exists


def _require(holds: bool, operator: str) -> None:
    if not holds:
        raise ValueError(f"Invalid value for condition operator {operator}")


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    # `[` is an ordinary character in policies.
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> float | None:
    """Seconds since 1970 of a date in ISO 8601 or in epoch seconds."""
    if (epoch := _number(text)) is not None:
        return epoch
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _in_network(actual: str, wanted: str) -> bool:
    address, network = _network(actual), _network(wanted)
    if address is None or network is None or address.version != network.version:
        return False
    return address.network_address in network


def _compared(
    parse: Callable[[str], float | None], compare: Callable[[float, float], bool]
) -> _Match:
    def match(actual: str, wanted: str) -> bool:
        left, right = parse(actual), parse(wanted)
        return left is not None and right is not None and compare(left, right)

    return match


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "Equals": lambda left, right: left == right,
    "LessThan": lambda left, right: left < right,
    "LessThanEquals": lambda left, right: left <= right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanEquals": lambda left, right: left >= right,
}
_MATCHES: Mapping[str, _Match] = {
    "StringEquals": lambda actual, wanted: actual == wanted,
    "StringEqualsIgnoreCase": lambda actual, wanted: actual.lower() == wanted.lower(),
    "StringLike": glob_matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": lambda actual, wanted: actual.lower() == wanted.lower(),
    "BinaryEquals": lambda actual, wanted: _bytes(actual) == _bytes(wanted) is not None,
    "IpAddress": _in_network,
    **{f"Numeric{name}": _compared(_number, compare) for name, compare in _COMPARISONS.items()},
    **{f"Date{name}": _compared(_time, compare) for name, compare in _COMPARISONS.items()},
}
_NEGATED: Mapping[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
# How the values of a policy are read, for those operators that cannot take any text.
_PARSERS: Mapping[str, Callable[[str], object]] = {
    "Bool": _boolean,
    "BinaryEquals": _bytes,
    "IpAddress": _network,
    **{f"Numeric{name}": _number for name in _COMPARISONS},
    **{f"Date{name}": _time for name in _COMPARISONS},
}
