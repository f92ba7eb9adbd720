"""The platform's own log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lambd.telemetry import setup
from lambd.telemetry.setup import LogStyle


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was for other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_hold_message_fields_and_context() -> None:
    """One object a line, with what contextvars hold."""
    out = io.StringIO()
    setup.set_up(LogStyle.JSON, stream=out)

    with structlog.contextvars.bound_contextvars(request_id="r"):
        structlog.get_logger().info("environment started", environment="e")

    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "environment started",
        "environment": "e",
        "level": "info",
        "request_id": "r",
    }


def test_lower_levels_are_left_out() -> None:
    """The level holds for structlog."""
    out = io.StringIO()
    setup.set_up(LogStyle.JSON, level="WARNING", stream=out)

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_libraries_log_in_the_same_style() -> None:
    """Standard library records, exceptions included, become the same lines."""
    out = io.StringIO()
    setup.set_up(LogStyle.JSON, stream=out)

    try:
        int("x")
    except ValueError:
        logging.getLogger("sqlalchemy").exception("failed")

    line = json.loads(out.getvalue())
    assert line["event"] == "failed"
    assert "ValueError: invalid literal" in line["exception"]


def test_console_style_is_for_people() -> None:
    """The message is there and no JSON."""
    out = io.StringIO()
    setup.set_up(LogStyle.CONSOLE, stream=out)

    structlog.get_logger().info("environment started", environment="e")

    assert "environment started" in out.getvalue()
    assert "environment=e" in out.getvalue()
    assert "{" not in out.getvalue()
