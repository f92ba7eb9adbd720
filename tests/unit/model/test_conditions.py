"""Condition operators of policies over a request's context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.conditions import Condition, arn_matches, check_operator, glob_matches

CONTEXT = {
    "aws:sourcearn": ("arn:aws:s3:::bucket",),
    "aws:sourceip": ("10.1.2.3",),
    "aws:currenttime": ("2026-11-24T10:00:00Z",),
    "aws:securetransport": ("false",),
    "aws:tagkeys": ("a", "b"),
    "s3:prefix": ("Home/x",),
    "s3:max-keys": ("10",),
}


@pytest.mark.parametrize(
    ("operator", "key", "values", "holds"),
    [
        pytest.param("StringEquals", "s3:prefix", ("Home/x",), True, id="equal"),
        pytest.param("StringEquals", "s3:prefix", ("home/x",), False, id="case counts"),
        pytest.param("StringEquals", "s3:prefix", ("no", "Home/x"), True, id="any value"),
        pytest.param("StringEqualsIgnoreCase", "s3:prefix", ("home/X",), True, id="no case"),
        pytest.param("StringNotEquals", "s3:prefix", ("a", "Home/x"), False, id="none of"),
        pytest.param("StringNotEquals", "absent", ("a",), True, id="negated, absent"),
        pytest.param("StringEquals", "absent", ("a",), False, id="absent"),
        pytest.param("StringEqualsIfExists", "absent", ("a",), True, id="if exists, absent"),
        pytest.param("StringEqualsIfExists", "s3:prefix", ("a",), False, id="if exists, other"),
        pytest.param("StringLike", "s3:prefix", ("Home/?",), True, id="like"),
        pytest.param("StringLike", "s3:prefix", ("[H]ome/x",), False, id="brackets are plain"),
        pytest.param("StringNotLike", "s3:prefix", ("Home/*",), False, id="not like"),
        pytest.param("ArnLike", "aws:sourcearn", ("arn:aws:s3:*:*:b*",), True, id="arn like"),
        pytest.param("ArnLike", "aws:sourcearn", ("arn:*",), False, id="a star stays in a section"),
        pytest.param("ArnNotEquals", "aws:sourcearn", ("arn:aws:s3:::x",), True, id="arn not"),
        pytest.param("Bool", "aws:securetransport", ("False",), True, id="bool"),
        pytest.param("Null", "absent", ("true",), True, id="null"),
        pytest.param("Null", "s3:prefix", ("true",), False, id="not null"),
        pytest.param("NumericLessThan", "s3:max-keys", ("11",), True, id="less"),
        pytest.param("NumericNotEquals", "s3:max-keys", ("10.0",), False, id="number not equal"),
        pytest.param("DateGreaterThan", "aws:currenttime", ("2026-11-24",), True, id="date"),
        pytest.param("DateLessThan", "aws:currenttime", ("0",), False, id="epoch"),
        pytest.param("IpAddress", "aws:sourceip", ("10.0.0.0/8",), True, id="network"),
        pytest.param("NotIpAddress", "aws:sourceip", ("10.1.2.3",), False, id="address"),
        pytest.param("IpAddress", "aws:sourceip", ("::/0",), False, id="other family"),
        pytest.param("ForAnyValue:StringEquals", "aws:tagkeys", ("b", "c"), True, id="any of"),
        pytest.param("ForAllValues:StringEquals", "aws:tagkeys", ("b", "c"), False, id="all of"),
        pytest.param("ForAllValues:StringEquals", "absent", ("b",), True, id="all of none"),
        pytest.param("ForAnyValue:StringEquals", "absent", ("b",), False, id="any of none"),
        pytest.param("ForAnyValue:StringNotEquals", "absent", ("b",), False, id="any not, none"),
    ],
)
def test_an_operator_holds(operator: str, key: str, values: tuple[str, ...], holds: bool) -> None:
    """Each operator, its negation, and the prefixes and suffix around it."""
    check_operator(operator, values)
    assert Condition(operator, key, values).holds(CONTEXT) is holds


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        pytest.param("StringIs", "x", id="unknown"),
        pytest.param("ForEachValue:StringEquals", "x", id="unknown prefix"),
        pytest.param("NumericEquals", "ten", id="no number"),
        pytest.param("DateEquals", "soon", id="no date"),
        pytest.param("IpAddress", "10.0.0.0/40", id="no network"),
        pytest.param("Bool", "yes", id="no boolean"),
        pytest.param("Null", "maybe", id="null needs a boolean"),
        pytest.param("BinaryEquals", "*", id="no base64"),
    ],
)
def test_refuses_what_cannot_be_evaluated(operator: str, value: str) -> None:
    """A document with it must not be stored: it would never hold, or always."""
    with pytest.raises(ValueError, match="condition operator"):
        check_operator(operator, (value,))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(TEXTS, TEXTS)
def test_globs(before: str, after: str) -> None:
    """A star stands for anything, a question mark for one character, the rest for itself."""
    text = before + after
    assert glob_matches(text, f"{before}*{after}") or "*" in text or "?" in text
    assert glob_matches(text, "*")
    plain = text.replace("*", "").replace("?", "")
    assert glob_matches(plain, plain)
    assert not glob_matches(plain + "x", plain)
    assert glob_matches(plain + "x", plain + "?")


@given(st.lists(st.text("ab*?", max_size=3), min_size=6, max_size=6))
def test_arns_match_by_section(sections: list[str]) -> None:
    """What matches as an ARN matches as text; with stars for sections everything matches."""
    pattern = ":".join(sections)
    arn = "aa:b:ab:ba::b"
    if arn_matches(arn, pattern):
        assert glob_matches(arn, pattern)
    assert arn_matches(arn, "*:*:*:*:*:*")
    assert not arn_matches("no-arn", pattern)
