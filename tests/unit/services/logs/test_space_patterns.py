"""Filter patterns for messages of fields between spaces."""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.errors import InvalidParameterError
from lambd.services.logs.patterns import parse
from lambd.services.logs.space_patterns import fields_of

REPORT = "REPORT RequestId: 8f5e\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\n"
ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        pytest.param("[r=REPORT,...]", REPORT, True, id="report"),
        pytest.param("[r=REPORT, ...]", "START RequestId: 8f5e", False, id="not a report"),
        pytest.param(
            '[r="REPORT", i="RequestId:", id, d="Duration:", ms > 3, unit, ...]',
            REPORT,
            True,
            id="tabs part fields too",
        ),
        pytest.param("[a, b]", "one two", True, id="as many fields"),
        pytest.param("[a, b]", "one two three", False, id="too many fields"),
        pytest.param("[a, b]", "one", False, id="too few fields"),
        pytest.param("[...]", "", True, id="any fields"),
        pytest.param("[ip, app, user, time, request, status, bytes]", ACCESS, True, id="quotes"),
        pytest.param("[..., request=*.html*, s=4*, bytes]", ACCESS, True, id="ellipsis first"),
        pytest.param("[..., status=404, ...]", ACCESS, True, id="ellipses around"),
        pytest.param("[..., status=405, ...]", ACCESS, False, id="nowhere"),
        pytest.param("[ip=127.0.0.*, ..., bytes>=1534]", ACCESS, True, id="both ends"),
        pytest.param("[a, ..., b]", "one", False, id="a field is not two"),
        pytest.param("[l=ERROR || l=WARN, ...]", "WARN x", True, id="or"),
        pytest.param("[l!=ERROR && l!=WARN, ...]", "WARN x", False, id="and"),
        pytest.param("[l=a || l=b && l=c, ...]", "a", True, id="and binds more"),
        pytest.param("[(l=a || l=b) && l=c, ...]", "a", False, id="parentheses"),
        pytest.param("[n=404.0]", "404", True, id="numbers are equal by value"),
        pytest.param("[n<1e1]", "9", True, id="less"),
        pytest.param("[n<10]", "x", False, id="less than a number"),
        pytest.param("[n!=10]", "x", True, id="not a number is another"),
        pytest.param(r'[m="say \"hi\"", ...]', "say", False, id="escapes"),
        pytest.param('[m="b *", c]', '"b c" d', True, id="wildcard in quotes"),
        pytest.param("[a]", "[", True, id="an open bracket"),
        pytest.param("[a, b]", '" x', True, id="an open quote"),
    ],
)
def test_patterns(pattern: str, message: str, matches: bool) -> None:
    """Fields, ellipses, conditions."""
    assert parse(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "[a",
        "[]",
        "[a,]",
        "[,a]",
        "[a=]",
        "[a b]",
        "[a=1 b]",
        "[a=1 || b=2]",
        "[a<x]",
        "[a<4*]",
        "[=1]",
        "[...a]",
        "[a, %x%]",
        "[a=%x%]",
        "[" + "(" * 100 + "a=1]",
        "[(a=1]",
    ],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    """Never taken for something else."""
    with pytest.raises(InvalidParameterError):
        parse(pattern)


def test_quotes_and_brackets_hold_blanks() -> None:
    """What is never closed is text."""
    assert fields_of('a "b c" [d e]f "g [h') == ["a", "b c", "d e", "f", '"g', "[h"]
    assert fields_of("[ " * 100_000)[:2] == ["[", "["]


Field = tuple[str, str] | None
SIGNS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


def fits(field: str, condition: Field) -> bool:
    """The naive way for one field; None is a field that may be anything."""
    if condition is None:
        return True
    sign, wanted = condition
    if wanted.isdigit():
        if not field.isdigit():
            return sign == "!="
        number, other = int(field), int(wanted)
        if sign in SIGNS:
            return bool(SIGNS[sign](number, other))
        return (number == other) is (sign == "=")
    return fnmatch.fnmatchcase(field, wanted) is (sign == "=")


def naive(fields: Sequence[str], pattern: Sequence[Field | str]) -> bool:
    """Try everything that an ellipsis may stand for."""
    if not pattern:
        return not fields
    head, *rest = pattern
    if head == "...":
        return any(naive(fields[skipped:], rest) for skipped in range(len(fields) + 1))
    assert not isinstance(head, str)
    return bool(fields) and fits(fields[0], head) and naive(fields[1:], rest)


WORDS = st.sampled_from(["a", "b", "ab", "ba", "1", "2", "10"])
TEXTS = st.tuples(st.sampled_from(["=", "!="]), st.sampled_from(["a", "b", "a*", "*b", "*a*"]))
NUMBERS = st.tuples(st.sampled_from(["=", "!=", *SIGNS]), st.sampled_from(["1", "2", "10"]))
FIELDS = st.one_of(st.none(), TEXTS, NUMBERS, st.just("..."))


@given(fields=st.lists(WORDS, max_size=6), pattern=st.lists(FIELDS, min_size=1, max_size=5))
def test_matches_what_trying_everything_matches(
    fields: list[str], pattern: list[Field | str]
) -> None:
    """Ellipses are found a place for at once, without going back."""
    texts = [
        "..." if each == "..." else f"f{index}" + ("" if each is None else " ".join(("", *each)))
        for index, each in enumerate(pattern)
    ]
    written = f"[{', '.join(texts)}]"

    assert parse(written)(" ".join(fields)) is naive(fields, pattern)
