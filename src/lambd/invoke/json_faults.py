"""What is wrong with an event that is no JSON, in the words of AWS's parser (Jackson).

Only looked at when an event has been refused. Where and what is Python's finding; the words and the
counting of columns (bytes, from 1) are Jackson's, as recorded from AWS: invoke.md section 2.
"""

from __future__ import annotations

import json
import re

_SOURCE = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); {place}]"
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
# Python's message -> what Jackson was expecting.
_EXPECTED = {
    "Expecting ':' delimiter": "was expecting a colon to separate field name and value",
    "Expecting property name enclosed in double quotes": (
        "was expecting double-quote to start field name"
    ),
    "Illegal trailing comma before end of object": (
        "was expecting double-quote to start field name"
    ),
}
_CLOSES = {"{": "}", "[": "]"}
_CONTAINERS = {"{": "Object", "[": "Array"}
_TOKEN = re.compile(r"[\w$]+")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def describe_encoding(error: UnicodeDecodeError) -> str:
    """Of bytes that are no UTF-8."""
    if error.reason == "invalid start byte":
        return _at(
            f"Invalid UTF-8 start byte {error.object[error.start]:#04x}", error.object, error.start
        )
    if error.end < len(error.object):
        return _at(
            f"Invalid UTF-8 middle byte {error.object[error.end]:#04x}", error.object, error.end
        )
    return _at("Unexpected end-of-input in VALUE_STRING", error.object, error.end)


def describe_constant(name: str, payload: bytes) -> str:
    """Of NaN and the infinities, which only Python takes for JSON."""
    what = (
        f"Non-standard token '{name}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
    )
    return _at(what, payload, payload.find(name.encode()) + len(name))


def describe_depth(payload: bytes) -> str:
    """Of a document that is nested too deeply to be read."""
    what = (
        "Document nesting depth (1001) exceeds the maximum allowed (1000, from "
        "`StreamReadConstraints.getMaxNestingDepth()`)"
    )
    return _at(what, payload, min(len(payload), 1001))


def describe(error: json.JSONDecodeError) -> str:
    """Of a text that is no JSON."""
    text, position = error.doc, error.pos
    if error.msg.startswith("Unterminated string"):
        return _of_text("Unexpected end-of-input in VALUE_STRING", text, len(text))
    if position >= len(text):
        return _end(text)
    character = text[position]
    if error.msg.startswith("Invalid control character"):
        what = (
            f"Illegal unquoted character ((CTRL-CHAR, code {ord(character)})): has to be escaped "
            "using backslash to be included in string value"
        )
    elif error.msg.startswith("Invalid \\"):
        escaped = text[position + 1 : position + 2]
        if not escaped:
            return _of_text("Unexpected end-of-input in VALUE_STRING", text, len(text))
        what = f"Unrecognized character escape {_named(escaped)}"
    elif error.msg == "Expecting ',' delimiter":
        what = _between(text, position)
    elif error.msg in _EXPECTED:
        what = f"Unexpected character ({_named(character)}): {_EXPECTED[error.msg]}"
    elif (token := _TOKEN.match(text, position)) is not None:
        what = f"Unrecognized token '{token[0]}': was expecting {_VALUES}"
        position = token.end()
    elif character == "-":
        following = text[position + 1 : position + 2]
        what = (
            f"Unexpected character ({_named(following or character)}) in numeric value: expected "
            "digit (0-9) to follow minus sign, for valid numeric value"
        )
    else:
        what = f"Unexpected character ({_named(character)}): expected a valid value {_VALUES}"
    return _of_text(what, text, position)


def _between(text: str, position: int) -> str:
    """Something stands where the next entry or the end of a container should."""
    character, opened = text[position], _opened(text, position)
    if not opened:
        return f"Unexpected character ({_named(character)}): expected a valid value {_VALUES}"
    start = opened[-1]
    kind = _CONTAINERS[text[start]]
    if character in "]}":
        return (
            f"Unexpected close marker '{character}': expected '{_CLOSES[text[start]]}' (for {kind} "
            f"starting at {_SOURCE.format(place=_place(text[:start].encode()))})"
        )
    return f"Unexpected character ({_named(character)}): was expecting comma to separate {kind} entries"


def _end(text: str) -> str:
    """The text ends too early."""
    opened = _opened(text, len(text))
    if not opened:
        return _of_text("No content to map due to end-of-input", text, len(text))
    start = opened[-1]
    marker = _SOURCE.format(place=_place(text[:start].encode()))
    what = (
        f"Unexpected end-of-input: expected close marker for {_CONTAINERS[text[start]]} "
        f"(start marker at {marker})"
    )
    return _of_text(what, text, len(text))


def _opened(text: str, end: int) -> list[int]:
    """Where the containers begin that are open at a position, outermost first."""
    opened: list[int] = []
    for found in _STRING_OR_BRACKET.finditer(text, 0, end):
        if found[0] in _CLOSES:
            opened.append(found.start())
        elif found[0] in ("]", "}") and opened:
            opened.pop()
    return opened


def _named(character: str) -> str:
    return f"'{character}' (code {ord(character)})"


def _of_text(what: str, text: str, position: int) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return _at(what, data, len(text[:position].encode("utf-8", "surrogatepass")))


def _at(what: str, data: bytes, position: int) -> str:
    return f"{what}\n at {_SOURCE.format(place=_place(data[:position]))}"


def _place(before: bytes) -> str:
    """Line and column of what follows these bytes."""
    return f"line: {before.count(10) + 1}, column: {len(before) - before.rfind(10)}"
