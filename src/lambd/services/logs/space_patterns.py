"""Filter patterns for messages of fields between spaces: `[ip, user, status = 4*, ...]`; pure.

Source: "Filter pattern syntax" of the CloudWatch Logs user guide. A message's fields stand between
blanks, which tabs are too; what is in double quotes or brackets is one field. A pattern names each
field, `...` any number of them, and may set conditions: `=` and `!=` with `*` for any text, and
numbers with `<`, `>`, `<=`, `>=`, joined by `&&` and `||`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lambd.model.errors import InvalidParameterError
from lambd.services.logs.pattern_values import (
    COMPARISONS,
    MAX_DEPTH,
    NUMBER,
    Matcher,
    invalid,
    matches_wildcard,
    unescaped,
)

# Tells whether one field of a message matches.
_FieldMatcher = Callable[[str], bool]
# Fields in a row that match one by one.
_Run = Sequence[_FieldMatcher]

_BLANKS = re.compile(r"\s*")
_PLAIN = re.compile(r"\S+")
# What ends a field that begins with one of these.
_CLOSING = {'"': '"', "[": "]"}
_TOKEN = re.compile(
    r"\s*(?:(?P<ellipsis>\.\.\.)|(?P<operator>&&|\|\||<=|>=|!=|=|<|>|\(|\)|,)"
    r'|"(?P<quoted>(?:\\.|[^"\\])*)"'
    r"|(?P<regex>%[^%]*%)"
    r"|(?P<word>[^\s()&|<>=!\",%]+))"
)
_NAME = re.compile(r"\w[\w-]*")


def parse(text: str, pattern: str) -> Matcher:
    """Compile a pattern in brackets.

    Args:
        text: it, without blanks around it.
        pattern: what a refusal shows.

    Raises:
        InvalidParameterError: it is no pattern, or has a regular expression.
    """
    if not text.endswith("]"):
        raise invalid(pattern)
    runs = _Parser(text[1:-1].rstrip(), pattern).parse()
    return lambda message: _matches(fields_of(message), runs)


def fields_of(message: str) -> list[str]:
    """The fields of a message, without the quotes or brackets around them."""
    text = message.rstrip()
    fields: list[str] = []
    # Without those that the rest of the message does not have, lest it is searched ever again.
    closing = dict(_CLOSING)
    position = 0
    while position < len(text):
        position = _end_of(_BLANKS, text, position)
        opening = text[position]
        end = text.find(closing[opening], position + 1) if opening in closing else -1
        if end >= 0:
            fields.append(text[position + 1 : end])
            position = end + 1
            continue
        closing.pop(opening, None)
        end = _end_of(_PLAIN, text, position)
        fields.append(text[position:end])
        position = end
    return fields


def _end_of(expression: re.Pattern[str], text: str, position: int) -> int:
    match = expression.match(text, position)
    return position if match is None else match.end()


def _matches(fields: Sequence[str], runs: Sequence[_Run]) -> bool:
    """Tell whether the fields are the runs, with any fields between them."""
    first, *middle = runs
    if not middle:
        return len(fields) == len(first) and _stands_at(fields, 0, first)
    last = middle.pop()
    end = len(fields) - len(last)
    if len(first) > end or not _stands_at(fields, 0, first) or not _stands_at(fields, end, last):
        return False
    position = len(first)
    for run in middle:
        # Conditions look at their own field only, so the first place is as good as any.
        places = range(position, end - len(run) + 1)
        found = next((place for place in places if _stands_at(fields, place, run)), None)
        if found is None:
            return False
        position = found + len(run)
    return True


def _stands_at(fields: Sequence[str], position: int, run: _Run) -> bool:
    return all(matches(fields[position + index]) for index, matches in enumerate(run))


class _Parser:
    """Recursive descent over what is between the brackets."""

    def __init__(self, text: str, pattern: str) -> None:
        self._pattern = pattern
        self._tokens: list[tuple[str, str]] = []
        self._position = 0
        self._depth = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise invalid(pattern)
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def parse(self) -> list[_Run]:
        """The runs between ellipses, empty ones where two things meet."""
        runs: list[list[_FieldMatcher]] = [[]]
        while True:
            if self._peek()[0] == "ellipsis":
                self._position += 1
                runs.append([])
            else:
                runs[-1].append(self._field())
            if self._position == len(self._tokens):
                return list(runs)
            if not self._take(","):
                raise invalid(self._pattern)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def _take(self, sign: str) -> bool:
        if self._peek() != ("operator", sign):
            return False
        self._position += 1
        return True

    def _field(self) -> _FieldMatcher:
        ahead = self._peek()
        following = self._tokens[self._position + 1 : self._position + 2]
        if ahead[0] == "word" and following in ([], [("operator", ",")]):
            if _NAME.fullmatch(ahead[1]) is None:
                raise invalid(self._pattern)
            self._position += 1
            return lambda _field: True
        names: set[str] = set()
        matcher = self._any(names)
        if len(names) != 1:
            # A condition of one field cannot ask for another.
            raise invalid(self._pattern)
        return matcher

    def _any(self, names: set[str]) -> _FieldMatcher:
        parts = [self._all(names)]
        while self._take("||"):
            parts.append(self._all(names))
        return parts[0] if len(parts) == 1 else lambda field: any(each(field) for each in parts)

    def _all(self, names: set[str]) -> _FieldMatcher:
        parts = [self._one(names)]
        while self._take("&&"):
            parts.append(self._one(names))
        return parts[0] if len(parts) == 1 else lambda field: all(each(field) for each in parts)

    def _one(self, names: set[str]) -> _FieldMatcher:
        if self._take("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise invalid(self._pattern)
            inner = self._any(names)
            if not self._take(")"):
                raise invalid(self._pattern)
            self._depth -= 1
            return inner
        kind, name = self._next()
        if kind != "word" or _NAME.fullmatch(name) is None:
            raise invalid(self._pattern)
        names.add(name)
        return self._condition()

    def _condition(self) -> _FieldMatcher:
        _, sign = self._next()
        kind, text = self._next()
        if sign not in COMPARISONS:
            raise invalid(self._pattern)
        if kind == "regex":
            raise InvalidParameterError("Regular expression filter patterns are not supported yet.")
        if kind == "word" and NUMBER.fullmatch(text):
            return _compare_number(sign, float(text))
        if kind not in ("quoted", "word") or sign not in ("=", "!="):
            raise invalid(self._pattern)
        parts = unescaped(text).split("*") if kind == "quoted" else text.split("*")
        return lambda field: matches_wildcard(field, parts) is (sign == "=")


def _compare_number(sign: str, wanted: float) -> _FieldMatcher:
    comparison = COMPARISONS[sign]

    def matches(field: str) -> bool:
        if NUMBER.fullmatch(field) is None:
            return sign == "!="
        return comparison(float(field), wanted)

    return matches
