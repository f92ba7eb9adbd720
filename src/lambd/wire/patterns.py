r"""Java's regular expressions, as the service models hold them, in Python's dialect.

AWS checks a `pattern` with Java's `matches()`: the whole string, ASCII `\d`, `\w` and `\s`, a dot
that stops at every line terminator. Only what the vendored models use is translated; anything
else raises, and a test compiles every pattern of all models.
"""

from __future__ import annotations

import re
from functools import cache

# Java's \p{Z}: space, line and paragraph separators (Unicode 15; unchanged since 6.3).
_SEPARATORS = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# The insides of a character class.
_CLASSES = {
    r"\d": "0-9",
    r"\D": r"\x00-/:-\U0010ffff",
    r"\w": "a-zA-Z0-9_",
    r"\W": r"\x00-/:-@\[-\^`{-\U0010ffff",
    r"\s": r" \t-\r",
    r"\S": r"\x00-\x08\x0e-\x1f!-\U0010ffff",
    # Python's own \w is precisely letters, numbers and the underscore, which every class that
    # names the three categories also holds (the key: it must).
    r"\p{L}\p{Z}\p{N}_": r"\w" + _SEPARATORS,
    r"\p{Print}": " -~",
    # All code points beyond the first plane, as pairs of UTF-16.
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff",
}
_PIECE = re.compile(
    r"\[\\s\\S\]|\\p\{L\}\\p\{Z\}\\p\{N\}_|\\p\{Print\}|\\uD800\\uDC00-\\uDBFF\\uDFFF|\\p|\\.|.",
    re.DOTALL,
)
# Those that would take time by the square of the text's length, said otherwise: no space at either
# end, no control characters, none of `:/|`, no line terminators.
_LINEAR = {
    r"(?!((^[ ]+.*)|(.*([\u0000-\u001f]|[\u007f-\u009f]|[:/|])+.*)|(.*[ ]+$))).+": (
        r"(?! )[^\u0000-\u001f\u007f-\u009f:/|\u2028\u2029]+(?<! )"
    )
}
# What stands outside of classes.
_PLAIN = {".": r"[^\n\r\u0085\u2028\u2029]", r"[\s\S]": "(?s:.)"}


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile the Java `pattern` for `fullmatch`.

    Raises:
        ValueError: The pattern uses something that has no translation here.
    """
    try:
        return re.compile(_LINEAR.get(pattern) or _translate(pattern))
    except re.error as exc:
        raise ValueError(f"no translation for the pattern {pattern}") from exc


def _translate(pattern: str) -> str:
    out: list[str] = []
    in_class = False
    previous = ""
    for piece in _PIECE.findall(pattern):
        if in_class:
            out.append(_in_class(piece, previous, pattern))
            in_class = piece != "]"
        else:
            out.append(_outside(piece))
            in_class = piece == "["
        previous = piece
    return "".join(out)


def _outside(piece: str) -> str:
    if piece in _PLAIN:
        return _PLAIN[piece]
    return f"[{_CLASSES[piece]}]" if piece in _CLASSES else piece


def _in_class(piece: str, previous: str, pattern: str) -> str:
    if piece in ("[", r"\p"):
        # A class within a class is a union in Java; other Unicode categories have no class here.
        raise ValueError(f"no translation for {piece} in the pattern {pattern}")
    if piece == "-" and previous in _CLASSES:
        # Java takes `[\w-_]` as three things, Python as a broken range.
        return r"\-"
    return _CLASSES.get(piece, piece)
