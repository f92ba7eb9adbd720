"""The query language of Logs Insights: a text becomes a list of commands; pure.

Source: "CloudWatch Logs Insights query syntax" of the CloudWatch Logs user guide. Commands: fields,
display, filter, sort, limit, parse, stats, dedup. Others are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lambd.model.errors import InvalidParameterError

# Operators and parentheses within one another.
_MAX_DEPTH = 50
_BLANKS = re.compile(r"(?:\s|^#.*$)*", re.MULTILINE)
_FIELD = re.compile(r"@?[A-Za-z_][\w.]*|`[^`]+`")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'', re.DOTALL)
_REGEX = re.compile(r"/((?:\\.|[^/\\])+)/")
_COMPARISON = re.compile(r"=~|!=|<=|>=|=|<|>")
_PERIOD = re.compile(r"(\d+)\s*(ms|msec|s|sec|m|min|h|hr|d|w)\b")
_PERIOD_MS = {
    **dict.fromkeys(("ms", "msec"), 1),
    **dict.fromkeys(("s", "sec"), 1000),
    **dict.fromkeys(("m", "min"), 60_000),
    **dict.fromkeys(("h", "hr"), 3_600_000),
    "d": 86_400_000,
    "w": 604_800_000,
}
_KEYWORDS = frozenset({"as", "by", "and", "or", "not", "like", "in", "asc", "desc"})


class MalformedQueryError(InvalidParameterError):
    """A Logs Insights query cannot be understood (`MalformedQueryException`)."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a number."""

    value: str | float | int


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a field."""

    name: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, as Python writes it."""

    source: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function, an aggregate or an operator with its operands."""

    name: str
    arguments: tuple[Expression, ...]


Expression = Literal | Field | Pattern | FunctionCall


@dataclass(frozen=True, slots=True)
class Column:
    """An expression and what the result calls it."""

    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Fields:
    """`fields`, or `display` if these are to be the only ones."""

    columns: tuple[Column, ...]
    is_display: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """`filter`."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Sort:
    """`sort`: expressions, and for each whether it descends."""

    keys: tuple[tuple[Expression, bool], ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit`."""

    rows: int


@dataclass(frozen=True, slots=True)
class Parse:
    """`parse`: the pattern's groups are the values of the names."""

    source: Expression
    pattern: Pattern
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """`stats`."""

    aggregates: tuple[Column, ...]
    by: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Dedup:
    """`dedup`: the first row of each combination of values stays."""

    columns: tuple[Column, ...]


Command = Fields | Filter | Sort | Limit | Parse | Stats | Dedup


def parse_query(text: str) -> tuple[Command, ...]:
    """The commands of a query.

    Raises:
        MalformedQueryError: it cannot be understood, or has a command that lambd does not know.
    """
    return _Parser(text).query()


# Reads one operand.
_Rule = Callable[[], Expression]


class _Parser:
    """Recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0
        self._skip()

    def query(self) -> tuple[Command, ...]:
        commands: list[Command] = []
        while True:
            if not (self._at_end() or self._text[self._position] == "|"):
                commands.append(self._command())
            if self._at_end():
                return tuple(commands)
            if not self._take("|"):
                raise self._unexpected()

    # -- commands

    def _command(self) -> Command:
        name = self._word().lower()
        rules: dict[str, Callable[[], Command]] = {
            "fields": lambda: Fields(self._columns(), is_display=False),
            "display": lambda: Fields(self._columns(), is_display=True),
            "filter": lambda: Filter(self._expression()),
            "sort": lambda: Sort(self._sort_keys()),
            "limit": lambda: Limit(self._whole_number()),
            "parse": self._parse,
            "stats": self._stats,
            "dedup": lambda: Dedup(self._columns()),
        }
        if name not in rules:
            raise MalformedQueryError(f"Unknown command {name}. lambd knows {', '.join(rules)}.")
        return rules[name]()

    def _stats(self) -> Stats:
        aggregates = self._columns()
        return Stats(aggregates, self._columns() if self._keyword("by") else ())

    def _columns(self) -> tuple[Column, ...]:
        columns = [self._column()]
        while self._take(","):
            columns.append(self._column())
        return tuple(columns)

    def _column(self) -> Column:
        start = self._position
        expression = self._expression()
        name = self._text[start : self._position].strip()
        if self._keyword("as"):
            name = self._field_name()
        elif isinstance(expression, Field):
            name = expression.name
        return Column(expression, name)

    def _sort_keys(self) -> tuple[tuple[Expression, bool], ...]:
        keys: list[tuple[Expression, bool]] = []
        while True:
            expression = self._expression()
            is_descending = self._keyword("desc")
            if not is_descending:
                self._keyword("asc")
            keys.append((expression, is_descending))
            if not self._take(","):
                return tuple(keys)

    def _parse(self) -> Parse:
        source: Expression = Field("@message")
        if self._peek(_STRING) is None and self._peek(_REGEX) is None:
            source = Field(self._field_name())
        regex = self._match(_REGEX)
        if regex is not None:
            pattern = self._pattern(regex[1])
            names = tuple(re.compile(pattern.source).groupindex)
            if self._keyword("as"):
                names = self._names()
        else:
            glob = self._string()
            pattern = Pattern(_glob(glob))
            if not self._keyword("as"):
                raise self._unexpected()
            names = self._names()
        if len(names) != re.compile(pattern.source).groups:
            raise MalformedQueryError("parse needs as many names as its pattern has parts.")
        return Parse(source, pattern, names)

    def _names(self) -> tuple[str, ...]:
        names = [self._field_name()]
        while self._take(","):
            names.append(self._field_name())
        return tuple(names)

    # -- expressions, by how much their operators bind

    def _expression(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise MalformedQueryError("The query is nested too deeply.")
        found = self._joined("or", lambda: self._joined("and", self._negation))
        self._depth -= 1
        return found

    def _joined(self, keyword: str, part: _Rule) -> Expression:
        parts = [part()]
        while self._keyword(keyword):
            parts.append(part())
        return parts[0] if len(parts) == 1 else FunctionCall(keyword, tuple(parts))

    def _negation(self) -> Expression:
        if not self._keyword("not"):
            return self._comparison()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise MalformedQueryError("The query is nested too deeply.")
        found = FunctionCall("not", (self._negation(),))
        self._depth -= 1
        return found

    def _comparison(self) -> Expression:
        left = self._sum()
        sign = self._match(_COMPARISON)
        if sign is not None:
            if sign[0] == "=~":
                return FunctionCall("like", (left, self._like_operand()))
            return FunctionCall(sign[0], (left, self._sum()))
        start = self._position
        is_negated = self._keyword("not")
        found: Expression
        if self._keyword("like"):
            found = FunctionCall("like", (left, self._like_operand()))
        elif self._keyword("in"):
            found = FunctionCall("in", (left, *self._list()))
        else:
            self._position = start
            return left
        return FunctionCall("not", (found,)) if is_negated else found

    def _like_operand(self) -> Expression:
        regex = self._match(_REGEX)
        return self._pattern(regex[1]) if regex is not None else Literal(self._string())

    def _list(self) -> tuple[Expression, ...]:
        if not self._take("["):
            raise self._unexpected()
        items = [self._sum()]
        while self._take(","):
            items.append(self._sum())
        if not self._take("]"):
            raise self._unexpected()
        return tuple(items)

    def _sum(self) -> Expression:
        return self._left_to_right("+-", lambda: self._left_to_right("*/%", self._signed))

    def _left_to_right(self, signs: str, part: _Rule) -> Expression:
        found = part()
        while not self._at_end() and (sign := self._text[self._position]) in signs:
            self._take(sign)
            found = FunctionCall(sign, (found, part()))
        return found

    def _signed(self) -> Expression:
        if self._take("-"):
            return FunctionCall("-", (Literal(0), self._primary()))
        return self._primary()

    def _primary(self) -> Expression:
        if self._take("("):
            found = self._expression()
            if not self._take(")"):
                raise self._unexpected()
            return found
        number = self._match(_NUMBER)
        if number is not None:
            return Literal(_number(number[0]))
        if self._peek(_STRING) is not None:
            return Literal(self._string())
        name = self._field_name()
        if not self._take("("):
            return Field(name)
        return FunctionCall(name.lower(), self._arguments(name.lower()))

    def _arguments(self, function: str) -> tuple[Expression, ...]:
        if function == "count" and self._take("*"):
            arguments: tuple[Expression, ...] = ()
        elif self._text.startswith(")", self._position):
            arguments = ()
        else:
            found = [self._argument()]
            while self._take(","):
                found.append(self._argument())
            arguments = tuple(found)
        if not self._take(")"):
            raise self._unexpected()
        return arguments

    def _argument(self) -> Expression:
        period = self._match(_PERIOD)
        if period is not None:
            return Literal(int(period[1]) * _PERIOD_MS[period[2]])
        return self._expression()

    # -- tokens

    def _skip(self) -> None:
        match = _BLANKS.match(self._text, self._position)
        self._position = self._position if match is None else match.end()

    def _at_end(self) -> bool:
        return self._position >= len(self._text)

    def _peek(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        return expression.match(self._text, self._position)

    def _match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        match = self._peek(expression)
        if match is not None:
            self._position = match.end()
            self._skip()
        return match

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._position):
            return False
        self._position += len(sign)
        self._skip()
        return True

    def _keyword(self, keyword: str) -> bool:
        match = self._peek(_WORD)
        if match is None or match[0].lower() != keyword:
            return False
        self._match(_WORD)
        return True

    def _word(self) -> str:
        match = self._match(_WORD)
        if match is None:
            raise self._unexpected()
        return match[0]

    def _field_name(self) -> str:
        match = self._peek(_FIELD)
        if match is None or match[0].lower() in _KEYWORDS:
            raise self._unexpected()
        self._match(_FIELD)
        return match[0].strip("`")

    def _string(self) -> str:
        match = self._match(_STRING)
        if match is None:
            raise self._unexpected()
        return re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2])

    def _whole_number(self) -> int:
        match = self._match(_NUMBER)
        if match is None or not match[0].isdigit():
            raise self._unexpected()
        return int(match[0])

    def _pattern(self, source: str) -> Pattern:
        # Named groups as most languages write them.
        written = re.sub(r"\(\?<(?![=!])", "(?P<", source)
        try:
            re.compile(written)
        except (re.error, OverflowError, RecursionError) as exc:
            raise MalformedQueryError(f"Invalid regular expression /{source}/: {exc}") from exc
        return Pattern(written)

    def _unexpected(self) -> MalformedQueryError:
        found = self._text[self._position : self._position + 20] or "the end"
        return MalformedQueryError(f"unexpected symbol found {found} at position {self._position}")


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _glob(text: str) -> str:
    """A pattern whose `*` are its groups, the last of them greedy at the text's end."""
    parts: Sequence[str] = [re.escape(part) for part in text.split("*")]
    source = "(.*?)".join(parts)
    if text.endswith("*"):
        source = f"{source.removesuffix('(.*?)')}(.*)"
    return f"(?s){source}"
