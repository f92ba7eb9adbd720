"""Java's regular expressions in Python's dialect."""

from __future__ import annotations

import pytest

from lambd.wire.patterns import compile_pattern

XML = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
ACTION = r"(?!((^[ ]+.*)|(.*([\u0000-\u001f]|[\u007f-\u009f]|[:/|])+.*)|(.*[ ]+$))).+"
TAG = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        pytest.param(r"\d{3}", "123", True, id="digits"),
        pytest.param(r"\d{3}", "12٣", False, id="digits are ASCII"),
        pytest.param(r"[a\d]+", "a1٣", False, id="digits in a class are ASCII"),
        pytest.param(r"\w+", "é", False, id="word characters are ASCII"),
        pytest.param(r"[\w-_]*", "a-_", True, id="hyphen after a class escape"),
        pytest.param(r"[a-z0-9-_]+", "a-9_", True, id="hyphen after a range"),
        pytest.param(r"[^\s]+", "a b", False, id="no space"),
        pytest.param(r"[^\s]+", "a\u00a0b", True, id="spaces are ASCII"),
        pytest.param(r"[^\s]+", "a\x1cb", True, id="separators are no spaces"),
        pytest.param(r"[x\S]+", "x\u00a0", True, id="not a space, in a class"),
        pytest.param(r"[x\S]+", "x\n", False, id="a space, in a class"),
        pytest.param(r"[x\D]+", "x٣", True, id="not a digit, in a class"),
        pytest.param(r"[x\W]+", "x[]^`{é", True, id="not a word character, in a class"),
        pytest.param(r"[x\W]+", "xa", False, id="a word character, in a class"),
        pytest.param(r"[\s\S]*", "a\u00a0\nb", True, id="anything"),
        pytest.param(r"a.c", "abc", True, id="dot"),
        pytest.param(r"a.c", "a\rc", False, id="dot stops at line terminators"),
        pytest.param(r"[.]", "a", False, id="dot in a class"),
        pytest.param(r"a|b", "ab", False, id="the whole string"),
        pytest.param(r"a$", "a\n", False, id="no newline at the end"),
        pytest.param(r"[0-9A-Za-z\.\-_]*(?<!\.)", "a.", False, id="look-behind"),
        pytest.param(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "12", False, id="look-ahead refuses"),
        pytest.param(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "1a", True, id="look-ahead allows"),
        pytest.param(TAG, "Größe = 3\u3000_:/@", True, id="letters, numbers, separators"),
        pytest.param(TAG, "a;b", False, id="no other punctuation"),
        pytest.param(TAG, "a\tb", False, id="control characters are no separators"),
        pytest.param(r"\p{Print}+", "a ~", True, id="printable"),
        pytest.param(r"\p{Print}+", "é", False, id="printable is ASCII"),
        pytest.param(XML, "a\r\n\té\U0001f600\U0010ffff", True, id="XML characters"),
        pytest.param(XML, "a\x00", False, id="no XML character"),
        pytest.param(XML, "a\uffff", False, id="no character at all"),
        pytest.param(ACTION, "scale up 9-17", True, id="name"),
        pytest.param(ACTION, " a", False, id="space before"),
        pytest.param(ACTION, "a ", False, id="space after"),
        pytest.param(ACTION, "a:b", False, id="colon"),
        pytest.param(ACTION, "a\x7fb", False, id="control character"),
        pytest.param(ACTION, "a\u2028b", False, id="line separator"),
        pytest.param(ACTION, "", False, id="no name"),
        pytest.param(ACTION, "a" * 1_000_000 + " ", False, id="long: in linear time"),
    ],
)
def test_matches_as_java_does(pattern: str, text: str, matches: bool) -> None:
    """Each difference between the dialects that the models meet."""
    assert (compile_pattern(pattern).fullmatch(text) is not None) == matches


@pytest.mark.parametrize("pattern", [r"[a[b]]", r"[\p{P}]", r"\p{L}", "(", r"a\Gb"])
def test_refuses_what_it_cannot_translate(pattern: str) -> None:
    """A pattern that would mean something else in Python is an error when loaded."""
    with pytest.raises(ValueError, match="no translation"):
        compile_pattern(pattern)
