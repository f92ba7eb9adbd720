"""CloudWatch Logs filter patterns: terms, and JSON patterns in braces; pure.

Source: "Filter pattern syntax" of the CloudWatch Logs user guide. Terms match case-sensitively
anywhere in the message. Patterns in brackets are `space_patterns.py`. Not supported, and refused:
regular expressions `%...%`, and `?` terms mixed with other terms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from lambd.model.errors import InvalidParameterError
from lambd.services.logs import space_patterns
from lambd.services.logs.pattern_values import (
    COMPARISONS,
    MAX_DEPTH,
    NUMBER,
    Matcher,
    invalid,
    matches_wildcard,
    unescaped,
)

# Matcher's like for a parsed JSON message.
_JsonMatcher = Callable[[Any], bool]

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>[^\s"]+))')
_PLAIN = re.compile(r"[\w:/.@$-]+")
_TOKEN = re.compile(
    r"\s*(?:(?P<selector>\$(?:\.[\w-]+|\[\s*\d+\s*\]|\[\s*'[^']*'\s*\]|\[\s*\"[^\"]*\"\s*\])*)"
    r"|(?P<operator>&&|\|\||<=|>=|!=|=|<|>|\(|\))"
    r'|"(?P<quoted>(?:\\.|[^"\\])*)"'
    r"|(?P<word>[^\s()&|<>=!\"]+))"
)
_STEP = re.compile(r"\.([\w-]+)|\[\s*(\d+)\s*\]|\[\s*'([^']*)'\s*\]|\[\s*\"([^\"]*)\"\s*\]")
_MISSING = object()


def parse(pattern: str) -> Matcher:
    """Compile a filter pattern; the empty one matches everything.

    Raises:
        InvalidParameterError: the pattern is no pattern, or of a kind that is not supported.
    """
    text = pattern.strip()
    if not text:
        return lambda _message: True
    if text.startswith("{"):
        if not text.endswith("}"):
            raise invalid(pattern)
        return _json_message(_JsonParser(text[1:-1], pattern).parse())
    if text.startswith("["):
        return space_patterns.parse(text, pattern)
    if text.startswith("%"):
        raise InvalidParameterError("Regular expression filter patterns are not supported yet.")
    return _terms(text, pattern)


def _terms(text: str, pattern: str) -> Matcher:
    wanted: list[str] = []
    optional: list[str] = []
    unwanted: list[str] = []
    lists = {"": wanted, "?": optional, "-": unwanted}
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise invalid(pattern)
        plain = match["plain"]
        if plain is not None and _PLAIN.fullmatch(plain) is None:
            # AWS wants anything else in quotes.
            raise invalid(pattern)
        lists[match["sign"]].append(unescaped(match["quoted"]) if plain is None else plain)
        position = match.end()
    if optional and (wanted or unwanted):
        raise InvalidParameterError(
            "Filter patterns that mix terms with and without `?` are not supported."
        )
    if optional:
        return lambda message: any(term in message for term in optional)
    return lambda message: (
        all(term in message for term in wanted) and not any(term in message for term in unwanted)
    )


def _json_message(matcher: _JsonMatcher) -> Matcher:
    def matches(message: str) -> bool:
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict | list) and matcher(document)

    return matches


class _JsonParser:
    """Recursive descent over one expression: `||` binds less than `&&`."""

    def __init__(self, text: str, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = self._split(text.rstrip())
        self._position = 0
        self._depth = 0

    def parse(self) -> _JsonMatcher:
        """The whole expression."""
        matcher = self._any()
        if self._position != len(self._tokens):
            raise invalid(self._pattern)
        return matcher

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise invalid(self._pattern)
            tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def _take(self, *texts: str) -> bool:
        """Step over these words if they come next, in any case of letters."""
        ahead = self._tokens[self._position : self._position + len(texts)]
        if [text.upper() for kind, text in ahead if kind != "quoted"] != list(texts):
            return False
        self._position += len(texts)
        return True

    def _any(self) -> _JsonMatcher:
        parts = [self._all()]
        while self._take("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda value: any(each(value) for each in parts)

    def _all(self) -> _JsonMatcher:
        parts = [self._one()]
        while self._take("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda value: all(each(value) for each in parts)

    def _one(self) -> _JsonMatcher:
        if self._take("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise invalid(self._pattern)
            inner = self._any()
            if not self._take(")"):
                raise invalid(self._pattern)
            self._depth -= 1
            return inner
        kind, selector = self._next()
        if kind != "selector":
            raise invalid(self._pattern)
        return self._condition(_steps(selector))

    def _condition(self, steps: Sequence[str | int]) -> _JsonMatcher:
        for words, wanted in (
            (("IS", "NULL"), None),
            (("IS", "TRUE"), True),
            (("IS", "FALSE"), False),
            (("NOT", "EXISTS"), _MISSING),
        ):
            if self._take(*words):
                return lambda value: _select(value, steps) is wanted
        kind, sign = self._next()
        comparison = COMPARISONS.get(sign) if kind == "operator" else None
        if comparison is None:
            raise invalid(self._pattern)
        kind, text = self._next()
        if kind == "word" and NUMBER.fullmatch(text):
            return _compare_number(steps, comparison, float(text))
        if kind not in ("quoted", "word") or sign not in ("=", "!="):
            raise invalid(self._pattern)
        return _compare_text(steps, unescaped(text), is_equal=sign == "=")


def _steps(selector: str) -> tuple[str | int, ...]:
    return tuple(
        int(match[2]) if match[2] is not None else match[1] or match[3] or match[4] or ""
        for match in _STEP.finditer(selector)
    )


def _select(value: Any, steps: Sequence[str | int]) -> Any:  # noqa: ANN401 - JSON
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _MISSING
        elif not isinstance(value, dict) or step not in value:
            return _MISSING
        value = value[step]
    return value


def _compare_number(
    steps: Sequence[str | int], comparison: Callable[[Any, Any], bool], wanted: float
) -> _JsonMatcher:
    def matches(document: object) -> bool:
        value = _select(document, steps)
        if isinstance(value, str) and NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return comparison(value, wanted)

    return matches


def _compare_text(steps: Sequence[str | int], wanted: str, *, is_equal: bool) -> _JsonMatcher:
    parts = wanted.split("*")

    def matches(document: object) -> bool:
        value = _select(document, steps)
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, int | float):
            value = json.dumps(value)
        if not isinstance(value, str):
            return False
        return matches_wildcard(value, parts) is is_equal

    return matches
