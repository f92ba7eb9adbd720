"""What a rule makes of an event for a target: a part of it, or a text with parts of it put in.

Pure. Source: EventBridge User Guide, "Input transformation", and errors measured by others. A path
is `$` with names in dot notation, indices and wildcards. In a template `<variable>` within a JSON
string becomes text, elsewhere JSON; a variable whose path leads nowhere becomes an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

_STEP = re.compile(r"\.([A-Za-z0-9_/-]+|\*)|\[(\d{1,9}|\*)\]")
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
# Strings, placeholders outside of them, and the rest, one character at a time.
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|<[A-Za-z0-9_.-]+>|.', re.DOTALL)
# Variables that every template has; the two events are JSON and stand for nothing else.
RULE_ARN, RULE_NAME = "aws.events.rule-arn", "aws.events.rule-name"
INGESTION_TIME = "aws.events.event.ingestion-time"
EVENT, EVENT_JSON = "aws.events.event", "aws.events.event.json"
PREDEFINED = frozenset({RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON})

# Path steps: a name, an index, or None for all that is there.
Path = tuple[str | int | None, ...]
_ABSENT = object()


class PathError(ValueError):
    """The text is not a path that EventBridge reads."""


class TemplateError(ValueError):
    """The template cannot be filled in; the message tells why, to come after `... for target x`."""


def parse_path(text: str) -> Path:
    """Read a path.

    Raises:
        PathError: it is none.
    """
    if not text.startswith("$"):
        raise PathError(text)
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise PathError(text)
        step = match[1] or match[2]
        steps.append(None if step == "*" else int(step) if match[2] else step)
        at = match.end()
    return tuple(steps)


def extract(path: Path, event: object) -> object:
    """What a path leads to; None if nowhere."""
    found = _extract(path, event)
    return None if found is _ABSENT else found


def _extract(path: Path, value: object) -> object:
    for at, step in enumerate(path):
        if step is None:
            parts = _parts(value)
            rest = path[at + 1 :]
            each = (_extract(rest, part) for part in parts)
            return [part for part in each if part is not _ABSENT]
        value = _child(value, step)
        if value is _ABSENT:
            break
    return value


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _child(value: object, step: str | int) -> object:
    if isinstance(step, str):
        return (
            cast("dict[str, object]", value).get(step, _ABSENT)
            if isinstance(value, dict)
            else _ABSENT
        )
    if isinstance(value, list) and step < len(value):
        return cast("list[object]", value)[step]
    return _ABSENT


def check_template(template: str, names: Iterable[str]) -> None:
    """Raise TemplateError unless the template gives JSON whatever its variables are."""
    known = {*names, *PREDEFINED}
    used = _PLACEHOLDER.findall(template)
    for name in used:
        if name not in known:
            raise TemplateError(f"contains invalid placeholder {name}.")
    sample = _substitute(template, in_string=lambda _: "x", outside=lambda _: '""')
    try:
        made = json.loads(sample)
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"is not JSON: {error}.") from None
    for name in used:
        is_misplaced = not isinstance(made, dict) or _is_in_string(template, name)
        if name in (EVENT, EVENT_JSON) and is_misplaced:
            raise TemplateError(f"contains placeholder {name} valid only for JSON template.")


def _is_in_string(template: str, name: str) -> bool:
    return any(piece.startswith('"') and f"<{name}>" in piece for piece in _PIECE.findall(template))


def transform(
    template: str, paths: Mapping[str, Path], event: object, predefined: Mapping[str, object]
) -> str:
    """Fill in a template.

    Args:
        template: one that `check_template` has passed.
        paths: variable -> where its value is in the event.
        event: the event, as JSON values.
        predefined: the values of `PREDEFINED`.
    """

    def value_of(name: str) -> object:
        if name in predefined:
            return predefined[name]
        path = paths.get(name)
        return _ABSENT if path is None else _extract(path, event)

    return _substitute(
        template,
        in_string=lambda name: json.dumps(_as_text(value_of(name)))[1:-1],
        outside=lambda name: _as_json(value_of(name)),
    )


def _substitute(
    template: str, *, in_string: Callable[[str], str], outside: Callable[[str], str]
) -> str:
    def replaced(piece: str) -> str:
        if piece.startswith('"'):
            return _PLACEHOLDER.sub(lambda match: in_string(match[1]), piece)
        return outside(piece[1:-1]) if _PLACEHOLDER.fullmatch(piece) else piece

    return "".join(replaced(piece) for piece in _PIECE.findall(template))


def _as_text(value: object) -> str:
    """A value within a string: AWS leaves out the quotes of what is JSON."""
    if value is _ABSENT:
        return ""
    return value if isinstance(value, str) else _as_json(value).replace('"', "")


def _as_json(value: object) -> str:
    return '""' if value is _ABSENT else json.dumps(value, separators=(",", ":"))
