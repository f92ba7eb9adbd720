"""Platform lines of function logs, against lines recorded from AWS (runtime.md section 7)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lambd.telemetry import lines
from lambd.telemetry.lines import InitReport, InitStart, LogOptions, Outcome, Report, SystemLevel

NOW = datetime(2026, 11, 24, 3, 4, 5, 67_000, tzinfo=UTC)
TEXT = LogOptions()
JSON = LogOptions(is_json=True)
DEBUG = LogOptions(is_json=True, system_level=SystemLevel.DEBUG)
WARN = LogOptions(is_json=True, system_level=SystemLevel.WARN)
INIT = InitStart(
    function_name="hello",
    function_version="$LATEST",
    runtime_version="python:3.12.v18",
    runtime_version_arn="arn:aws:lambda:us-east-1::runtime:00",
)


def figures(
    *,
    duration_ms: float = 3.01,
    init_duration_ms: float | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    error_type: str | None = None,
    trace_id: str | None = None,
    segment_id: str | None = None,
) -> Report:
    """A report with AWS's recorded figures."""
    return Report(
        request_id="id",
        duration_ms=duration_ms,
        memory_size_mib=128,
        max_memory_used_mib=36,
        init_duration_ms=init_duration_ms,
        outcome=outcome,
        error_type=error_type,
        trace_id=trace_id,
        segment_id=segment_id,
    )


def record(line: str) -> dict[str, Any]:
    """The parsed JSON line; it ends with one newline."""
    assert line.endswith("}\n")
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_text_lines_are_awss() -> None:
    """INIT_START, START and END as recorded."""
    assert lines.init_start(INIT, TEXT, NOW) == (
        "INIT_START Runtime Version: python:3.12.v18\t"
        "Runtime Version ARN: arn:aws:lambda:us-east-1::runtime:00\n"
    )
    assert lines.start("id", "$LATEST", TEXT, NOW) == "START RequestId: id Version: $LATEST\n"
    assert lines.end(figures(), TEXT, NOW) == "END RequestId: id\n"


def test_report_bills_the_initialisation() -> None:
    """AWS's own example: 3.01 ms and 110.10 ms make 114 ms."""
    assert lines.report(figures(init_duration_ms=110.10), TEXT, NOW) == (
        "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
    )


@pytest.mark.parametrize(
    ("duration_ms", "billed_ms"),
    [(0.0, 0), (0.2, 1), (1.0, 1), (2.0000000001, 2), (1.01, 2), (2999.5, 3000)],
)
def test_billed_duration_is_rounded_up(duration_ms: float, billed_ms: int) -> None:
    """Up to whole milliseconds, with no millisecond for float dust."""
    assert figures(duration_ms=duration_ms).billed_ms == billed_ms


@pytest.mark.parametrize(
    ("outcome", "error_type", "tail"),
    [
        pytest.param(Outcome.SUCCESS, None, "\t\n", id="success"),
        pytest.param(Outcome.FAILURE, "ValueError", "\t\n", id="function error"),
        pytest.param(Outcome.TIMEOUT, None, "\tStatus: timeout\n", id="timeout"),
        pytest.param(
            Outcome.ERROR,
            "Runtime.ExitError",
            "\tStatus: error\tError Type: Runtime.ExitError\n",
            id="crash",
        ),
    ],
)
def test_report_tells_how_the_invocation_ended(
    outcome: Outcome, error_type: str | None, tail: str
) -> None:
    """Only a timeout and a crash show in Text."""
    line = lines.report(figures(outcome=outcome, error_type=error_type), TEXT, NOW)

    assert line.endswith(f"Max Memory Used: 36 MB{tail}")


def test_traced_invocation_has_an_x_ray_line() -> None:
    """It follows the report in the same event."""
    line = lines.report(figures(trace_id="1-2-3", segment_id="abc"), TEXT, NOW)

    assert line.endswith(
        "Max Memory Used: 36 MB\t\nXRAY TraceId: 1-2-3\tSegmentId: abc\tSampled: true\t\n"
    )


def test_init_report_appears_in_text_when_initialisation_failed() -> None:
    """AWS leaves a good on-demand one out."""
    failed = InitReport(duration_ms=1236.04, outcome=Outcome.TIMEOUT)
    crashed = InitReport(duration_ms=1.0, outcome=Outcome.ERROR, error_type="Runtime.ExitError")

    assert lines.init_report(failed, TEXT, NOW) == (
        "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout\n"
    )
    assert lines.init_report(crashed, TEXT, NOW).endswith(
        "\tStatus: error\tError Type: Runtime.ExitError\n"
    )
    assert lines.init_report(InitReport(duration_ms=1.0, outcome=Outcome.SUCCESS), TEXT, NOW) == ""


def test_json_lines_are_telemetry_records() -> None:
    """Time, type and the record of the Telemetry API."""
    line = lines.report(figures(init_duration_ms=110.1), JSON, NOW)

    assert record(line) == {
        "time": "2026-11-24T03:04:05.067Z",
        "type": "platform.report",
        "record": {
            "requestId": "id",
            "status": "success",
            "metrics": {
                "durationMs": 3.01,
                "billedDurationMs": 114,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 36,
                "initDurationMs": 110.1,
            },
        },
    }
    assert record(lines.start("id", "1", JSON, NOW))["record"] == {
        "requestId": "id",
        "version": "1",
    }
    assert record(lines.init_start(INIT, JSON, NOW))["type"] == "platform.initStart"


def test_json_leaves_out_what_is_below_the_system_level() -> None:
    """runtimeDone is DEBUG when it succeeds and WARN when it fails."""
    failed = figures(outcome=Outcome.TIMEOUT)

    assert lines.end(figures(), JSON, NOW) == ""
    assert record(lines.end(figures(), DEBUG, NOW))["type"] == "platform.runtimeDone"
    assert record(lines.end(failed, WARN, NOW))["record"]["status"] == "timeout"
    assert lines.start("id", "1", WARN, NOW) == ""
    assert lines.report(figures(), WARN, NOW) == ""
    assert record(lines.report(failed, WARN, NOW))["record"]["status"] == "timeout"


@pytest.mark.parametrize(
    ("log_format", "level", "settings"),
    [
        ("Text", None, LogOptions()),
        ("JSON", None, LogOptions(is_json=True, system_level=SystemLevel.INFO)),
        ("JSON", "WARN", LogOptions(is_json=True, system_level=SystemLevel.WARN)),
    ],
)
def test_settings_follow_the_logging_config(
    log_format: str, level: str | None, settings: LogOptions
) -> None:
    """JSON without a level means INFO."""
    assert LogOptions.of(log_format, level) == settings


def test_stream_names_carry_day_version_and_function() -> None:
    """The day is UTC's; the function's name appears in a group of the customer's own."""
    late = datetime(2026, 11, 24, 23, 30, tzinfo=timezone(timedelta(hours=-5)))

    assert lines.log_stream_name("hello", "$LATEST", None, late, "ab") == "2026/11/25/[$LATEST]ab"
    assert lines.log_stream_name("hello", "7", "own", NOW, "ab") == "2026/11/24/hello[7]ab"
