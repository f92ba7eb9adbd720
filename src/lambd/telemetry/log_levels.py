"""The level of what a function logs, by which the platform leaves records out (LogFormat JSON).

Pure. Source: "Log-level filtering" of the developer guide: a JSON object that anybody inside prints
has the level of its member `level` if that and an RFC 3339 timestamp are valid, else INFO. Plain
text is kept: AWS does not tell what becomes of it.
"""

from __future__ import annotations

import json
import re
from enum import IntEnum

from lambd.telemetry.log_frames import LogRecord


class ApplicationLevel(IntEnum):
    """`ApplicationLogLevel` values; the numbers are for comparing only."""

    TRACE = 5
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_LEVELS = {level.name: level for level in ApplicationLevel}
# As Python's own logging spells them.
_LEVELS |= {"WARNING": ApplicationLevel.WARN, "CRITICAL": ApplicationLevel.FATAL}
# AWS's client for Python writes unhandled exceptions with the second.
_LEVEL_MEMBERS = ("level", "log_level")
# What the loggers of AWS's runtimes call it.
_TIME_MEMBERS = ("timestamp", "time", "Timestamp", "@timestamp")
_RFC_3339 = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ]"
    r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)"
)


def level_of(record: LogRecord) -> ApplicationLevel | None:
    """The level of a record of a function with LogFormat JSON; None for plain text.

    What AWS's client framed has the level that the frame states.
    """
    if record.level is not None:
        return _LEVELS[record.level]
    if record.message.lstrip()[:1] != "{":
        return None
    try:
        document = json.loads(record.message)
    except (ValueError, RecursionError):
        return None
    return _stated(document)


def _stated(document: dict[str, object]) -> ApplicationLevel:
    given = next((document[name] for name in _LEVEL_MEMBERS if name in document), None)
    if isinstance(given, str) and any(_is_time(document.get(name)) for name in _TIME_MEMBERS):
        return _LEVELS.get(given.upper(), ApplicationLevel.INFO)
    return ApplicationLevel.INFO


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _RFC_3339.fullmatch(value) is not None
