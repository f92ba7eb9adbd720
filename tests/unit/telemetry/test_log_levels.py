"""Levels of what functions log."""

from __future__ import annotations

import json

import pytest

from lambd.telemetry.log_frames import LogRecord
from lambd.telemetry.log_levels import ApplicationLevel, level_of

TIME = "2024-11-02T16:51:31.587199Z"


def printed(text: str) -> ApplicationLevel | None:
    """The level of a printed line."""
    return level_of(LogRecord(0, f"{text}\n"))


@pytest.mark.parametrize("level", list(ApplicationLevel))
def test_level_of_an_object_is_its_member(level: ApplicationLevel) -> None:
    """In any case of letters."""
    for name in (level.name, level.name.lower()):
        assert printed(json.dumps({"level": name, "timestamp": TIME})) is level


@pytest.mark.parametrize(
    ("document", "level"),
    [
        pytest.param({"level": "WARNING", "timestamp": TIME}, "WARN", id="python warning"),
        pytest.param({"level": "CRITICAL", "timestamp": TIME}, "FATAL", id="python critical"),
        pytest.param({"log_level": "ERROR", "timestamp": TIME}, "ERROR", id="python exception"),
        pytest.param({"level": "ERROR", "time": "2024-11-02t16:51:31+01:00"}, "ERROR", id="time"),
        pytest.param({"level": "loud", "timestamp": TIME}, "INFO", id="no such level"),
        pytest.param({"level": 40, "timestamp": TIME}, "INFO", id="level is a number"),
        pytest.param({"timestamp": TIME}, "INFO", id="no level"),
        pytest.param({"level": "ERROR"}, "INFO", id="no time"),
        pytest.param({"level": "ERROR", "timestamp": "now"}, "INFO", id="bad time"),
        pytest.param({"level": "ERROR", "timestamp": "2024-13-02T16:51:31Z"}, "INFO", id="month"),
        pytest.param({"level": "ERROR", "timestamp": "2024-11-02T16:51:31"}, "INFO", id="no zone"),
        pytest.param({"level": "ERROR", "timestamp": 1730566291}, "INFO", id="time is a number"),
    ],
)
def test_what_is_not_valid_means_info(document: dict[str, object], level: str) -> None:
    """As the developer guide says."""
    assert printed(json.dumps(document)) is ApplicationLevel[level]


@pytest.mark.parametrize(
    "text",
    ["hello", "[1]", '"text"', "{not json}", "", "{" * 100_000, '{"a":' * 100_000],
)
def test_text_has_no_level(text: str) -> None:
    """Nor has what only begins like an object."""
    assert printed(text) is None


def test_frame_tells_the_level_of_its_record() -> None:
    """Whatever the message is."""
    document = json.dumps({"level": "ERROR", "timestamp": TIME})

    assert level_of(LogRecord(0, document, "TRACE")) is ApplicationLevel.TRACE
    assert level_of(LogRecord(0, "plain", "WARN")) is ApplicationLevel.WARN
