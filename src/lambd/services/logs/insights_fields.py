"""The fields that Logs Insights finds in an event: its own, those of JSON, those of Lambda's lines.

Source: "Supported logs and discovered fields" of the CloudWatch Logs user guide. Memory sizes are in
bytes of a million to the megabyte, as there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

# Values of fields; times are milliseconds since the epoch.
Value = str | int | float | None


class Time(int):
    """A moment, which results show as date and time."""


class InsightsEvent(NamedTuple):
    """One stored event."""

    id: int
    # Account and group, as `@log` shows them.
    log: str
    stream: str
    timestamp_ms: int
    ingested_ms: int
    message: str


_MAX_JSON_FIELDS = 200
_REQUEST_ID = re.compile(
    r"(?:RequestId: |\t)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b"
)
_TYPE = re.compile(r"(START|END|REPORT) RequestId: ")
_FIGURE = re.compile(r"\t([A-Z][A-Za-z ]+): ([0-9.]+) (ms|MB)")
_BYTES_PER_MB = 1_000_000


def fields_of(event: InsightsEvent) -> dict[str, Value]:
    """All fields of an event by name."""
    found: dict[str, Value] = {
        "@timestamp": Time(event.timestamp_ms),
        "@message": event.message.removesuffix("\n"),
        "@ingestionTime": Time(event.ingested_ms),
        "@logStream": event.stream,
        "@log": event.log,
        "@ptr": str(event.id),
    }
    found.update(_of_lambda(event.message))
    if event.message.lstrip().startswith("{"):
        found.update(_of_json(event.message))
    return found


def _of_lambda(message: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    request_id = _REQUEST_ID.search(message)
    if request_id is not None:
        found["@requestId"] = request_id[1]
    kind = _TYPE.match(message)
    if kind is None:
        return found
    found["@type"] = kind[1]
    if kind[1] == "REPORT":
        for name, figure, unit in _FIGURE.findall(message):
            words = name.split(" ")
            field = "@" + words[0].lower() + "".join(words[1:])
            found[field] = float(figure) * _BYTES_PER_MB if unit == "MB" else float(figure)
    return found


def _of_json(message: str) -> dict[str, Value]:
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Value] = {}
    for name, value in _leaves(document, "", 0):
        if len(found) == _MAX_JSON_FIELDS:
            break
        found[name] = value
    return found


def _leaves(value: object, name: str, depth: int) -> Iterator[tuple[str, Value]]:
    """Leaves with their paths, `a.b.0`; as deep as paths are short enough to be of use."""
    if isinstance(value, dict | list):
        if depth > _MAX_JSON_FIELDS:
            return
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, bool):
        yield name, int(value)
    elif isinstance(value, str | int | float):
        yield name, value
