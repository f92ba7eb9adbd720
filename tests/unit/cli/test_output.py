"""What the renderers make of values."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lambd.cli import output
from lambd.cli.api import LogLine
from lambd.config import Settings


def rendered_banner(settings: Settings, driver_name: str, runtimes: list[str]) -> str:
    """The banner as a file that is no terminal gets it."""
    file = io.StringIO()
    page = output.banner(settings, driver_name=driver_name, runtimes=runtimes)
    output.print_rich(page, file)
    return file.getvalue()


def test_banner_says_where_the_server_is_and_what_it_runs() -> None:
    """URL, region, account, isolation, runtimes, data directory and how to use it."""
    settings = Settings(port=4567, data_dir=Path("/srv/lambd"), region="eu-west-1")
    text = rendered_banner(settings, "crun", ["python3.11", "python3.12"])
    for fact in (
        "http://127.0.0.1:4567",
        "eu-west-1, account 000000000000",
        "crun",
        "python3.11 python3.12",
        "/srv/lambd",
        "export AWS_ENDPOINT_URL=http://127.0.0.1:4567",
    ):
        assert fact in text
    assert "\x1b" not in text
    assert "no isolation" not in text


def test_banner_warns_of_the_process_driver() -> None:
    """A server without isolation says so."""
    assert "no isolation" in rendered_banner(Settings(), "process", ["python3.11"])


def test_banner_points_to_the_doctor_when_nothing_can_run() -> None:
    """Without a language runtime the next step is `lambd doctor`."""
    assert "lambd doctor" in rendered_banner(Settings(), "crun", [])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        pytest.param("127.0.0.1", "http://127.0.0.1:4566", id="IPv4"),
        pytest.param("::1", "http://[::1]:4566", id="IPv6"),
        pytest.param("localhost", "http://localhost:4566", id="name"),
    ],
)
def test_endpoint_url(host: str, url: str) -> None:
    """IPv6 addresses stand in brackets."""
    assert url == output.endpoint_url(Settings(host=host))


def test_table_columns_are_aligned() -> None:
    """Every column is as wide as its widest cell, without trailing blanks."""
    expected = "NAME    RUNTIME\nf       python3.11\nlonger  -"
    assert expected == output.table(("name", "runtime"), [("f", "python3.11"), ("longer", "-")])


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="object"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"\xff<html>", "\ufffd<html>", id="not JSON"),
    ],
)
def test_payload_value(payload: bytes, value: object) -> None:
    """JSON becomes a value, everything else text."""
    assert value == output.payload_value(payload)


def test_log_line_has_time_and_message() -> None:
    """Milliseconds, UTC, and no second line break."""
    event = LogLine(id="1", timestamp_ms=1_700_000_000_123, stream="s", message="START\n")
    assert output.log_line(event) == "2023-11-14T22:13:20.123Z START"


def test_log_json_is_one_line() -> None:
    """One object a line, so that it can be read as it comes."""
    event = LogLine(id="1", timestamp_ms=0, stream="s", message="a\nb\n")
    line = output.log_json(event)
    assert "\n" not in line
    assert json.loads(line) == {
        "timestamp": "1970-01-01T00:00:00.000Z",
        "stream": "s",
        "message": "a\nb",
    }
