"""CloudWatch Logs filter patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.errors import InvalidParameterError
from lambd.services.logs.patterns import parse

JSON = (
    '{"level":"ERROR","code":503,"ok":false,"none":null,"text":"12",'
    '"user":{"name":"Ada L","tags":["a","b"]},"a b":1}'
)


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        pytest.param("", "anything", True, id="empty"),
        pytest.param("ERROR", "[ERROR] x", True, id="term"),
        pytest.param("ERROR", "error", False, id="case"),
        pytest.param("ERROR x", "x and ERROR", True, id="all terms"),
        pytest.param("ERROR y", "x and ERROR", False, id="a term missing"),
        pytest.param('"and ERROR"', "x and ERROR", True, id="phrase"),
        pytest.param('"ERROR and"', "x and ERROR", False, id="phrase in order"),
        pytest.param(r'"say \"hi\""', 'say "hi"', True, id="escaped quotes"),
        pytest.param("?ERROR ?WARN", "WARN", True, id="any"),
        pytest.param("?ERROR ?WARN", "INFO", False, id="none of any"),
        pytest.param('?"a b" ?c', "a b", True, id="any phrase"),
        pytest.param("ERROR -exit", "ERROR at exit", False, id="excluded"),
        pytest.param("ERROR -exit", "ERROR", True, id="not excluded"),
        pytest.param('-"the end"', "the start", True, id="excluded phrase"),
    ],
)
def test_terms(pattern: str, message: str, matches: bool) -> None:
    """Terms, phrases, alternatives and exclusions."""
    assert parse(pattern)(message) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.level = "ERROR" }', True),
        ('{$.level="WARN"}', False),
        ('{ $.level = "ERR*" }', True),
        ("{ $.level = *ROR }", True),
        ("{ $.level = E*R*R }", True),
        ("{ $.level = E*O*O* }", False),
        ("{ $.level = ERRORR*RERROR }", False),
        ('{ $.level != "WARN" }', True),
        ('{ $.absent != "WARN" }', False),
        ("{ $.code = 503 }", True),
        ("{ $.code >= 500 }", True),
        ("{ $.code < 5e2 }", False),
        ("{ $.code = 50* }", True),
        ("{ $.text > 11 }", True),
        ("{ $.ok IS FALSE }", True),
        ("{ $.ok = false }", True),
        ("{ $.none IS NULL }", True),
        ("{ $.absent is null }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.level NOT EXISTS }", False),
        ('{ $.user.name = "Ada L" }', True),
        ("{ $.user.tags[1] = b }", True),
        ("{ $.user.tags[2] = b }", False),
        ("{ $['a b'] = 1 }", True),
        ('{ $.level = "WARN" || $.code = 503 && $.ok IS FALSE }', True),
        ('{ ($.level = "ERROR" || $.code = 1) && $.ok IS TRUE }', False),
    ],
)
def test_json_patterns(pattern: str, matches: bool) -> None:
    """Selectors, comparisons and their combinations."""
    assert parse(pattern)(JSON) is matches


@pytest.mark.parametrize("message", ["plain", "", "12", '"ERROR"', "[" * 100_000])
def test_json_patterns_leave_other_messages_out(message: str) -> None:
    """Only objects and arrays are looked into."""
    assert parse("{ $.level NOT EXISTS }")(message) is False


@pytest.mark.parametrize(
    "pattern",
    ["{ $.a = ", "{ $.a }", "{ a = 1 }", "{ $.a < x }", "{ ($.a = 1 }", "{ $.a = 1 ) }", "{}"],
)
def test_malformed_json_patterns_are_refused(pattern: str) -> None:
    """Malformed ones say so."""
    with pytest.raises(InvalidParameterError):
        parse(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["[a, b", "%x%", "?a b", "?a -b", "a!b", '"open', "{" + "(" * 100 + "}"],
)
def test_unsupported_patterns_are_refused(pattern: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(InvalidParameterError):
        parse(pattern)


@given(pattern=st.text(alphabet='{}$.a=1"?-*[]() &|<>', max_size=30), message=st.text(max_size=9))
def test_no_pattern_does_harm(pattern: str, message: str) -> None:
    """Any text is refused or gives an answer."""
    try:
        matcher = parse(pattern)
    except InvalidParameterError:
        return
    assert matcher(message) in (True, False)
