"""The platform's own lines in a function's log: INIT_START, EXTENSION, START, END, REPORT ...

Pure formatting, Text and JSON. Every line ends with a newline, as AWS's do. Source: runtime.md
section 7 (lines recorded from AWS; JSON records are those of the Telemetry API, section 6).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a phase ended; texts as in `Status:` of text lines and `status` of records."""

    SUCCESS = "success"
    # The function answered with an error.
    FAILURE = "failure"
    # The runtime process ended.
    ERROR = "error"
    TIMEOUT = "timeout"


# Outcomes that a text report names.
_WITH_STATUS = (Outcome.ERROR, Outcome.TIMEOUT)


class SystemLevel(IntEnum):
    """`SystemLogLevel` values; the numbers are for comparing only."""

    DEBUG = 10
    INFO = 20
    WARN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What a version's LoggingConfig means for the platform's lines."""

    is_json: bool = False
    # Lines below it are left out; Text has no levels.
    system_level: SystemLevel = SystemLevel.INFO

    @classmethod
    def of(cls, log_format: str, system_log_level: str | None) -> LogOptions:
        """From `LogFormat` and `SystemLogLevel`; JSON without a level means INFO."""
        level = SystemLevel[system_log_level] if system_log_level else SystemLevel.INFO
        return cls(is_json=log_format == "JSON", system_level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitStart:
    """An execution environment begins its initialisation."""

    function_name: str
    function_version: str
    runtime_version: str
    runtime_version_arn: str
    initialization_type: str = "on-demand"
    phase: str = "init"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """An initialisation has ended; Text shows it only when it failed."""

    duration_ms: float
    outcome: Outcome
    error_type: str | None = None
    initialization_type: str = "on-demand"
    # `init`, or `invoke` when it was repeated inside an invocation.
    phase: str = "init"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionInit:
    """What an extension has come to by the end of an initialisation."""

    name: str
    # `Ready`, `Registered`, `LaunchError` ...
    state: str
    events: tuple[str, ...] = ()
    error_type: str | None = None


# Not frozen, as other values are: one is made for every invocation, and freezing costs.
@dataclass(slots=True, kw_only=True)
class Report:
    """The figures of one invocation."""

    request_id: str
    duration_ms: float
    memory_size_mib: int
    max_memory_used_mib: int
    outcome: Outcome = Outcome.SUCCESS
    error_type: str | None = None
    # First invocation of an environment only.
    init_duration_ms: float | None = None
    # X-Amzn-Trace-Id of a sampled invocation, for the X-Ray line.
    trace_id: str | None = None
    segment_id: str | None = None

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, initialisation included (AWS's rule since August 2025)."""
        # Durations are measured to far less than a microsecond, which must not cost a whole ms.
        return math.ceil(round(self.duration_ms + (self.init_duration_ms or 0.0), 6))


def init_start(event: InitStart, settings: LogOptions, now: datetime) -> str:
    """INIT_START; empty if the settings leave it out."""
    if not settings.is_json:
        return (
            f"INIT_START Runtime Version: {event.runtime_version}\t"
            f"Runtime Version ARN: {event.runtime_version_arn}\n"
        )
    record = {
        "initializationType": event.initialization_type,
        "phase": event.phase,
        "functionName": event.function_name,
        "functionVersion": event.function_version,
        "runtimeVersion": event.runtime_version,
        "runtimeVersionArn": event.runtime_version_arn,
    }
    return _record("platform.initStart", record, SystemLevel.INFO, settings, now)


def init_report(event: InitReport, settings: LogOptions, now: datetime) -> str:
    """INIT_REPORT; empty if the settings leave it out, or in Text when all went well."""
    failed = event.outcome is not Outcome.SUCCESS
    if not settings.is_json:
        if not failed and event.initialization_type == "on-demand":
            return ""
        line = f"INIT_REPORT Init Duration: {event.duration_ms:.2f} ms\tPhase: {event.phase}"
        return f"{line}{_status(event.outcome, event.error_type)}\n"
    record: dict[str, Any] = {
        "initializationType": event.initialization_type,
        "phase": event.phase,
        "status": event.outcome,
    }
    if event.error_type is not None:
        record["errorType"] = event.error_type
    record["metrics"] = {"durationMs": _rounded(event.duration_ms)}
    level = SystemLevel.DEBUG if event.initialization_type == "on-demand" else SystemLevel.INFO
    return _record("platform.initReport", record, _worse(level, failed), settings, now)


def extension(event: ExtensionInit, settings: LogOptions, now: datetime) -> str:
    """EXTENSION; empty if the settings leave it out."""
    if not settings.is_json:
        line = f"EXTENSION\tName: {event.name}\tState: {event.state}"
        line += f"\tEvents: [{', '.join(event.events)}]"
        return f"{line}\tError Type: {event.error_type}\n" if event.error_type else f"{line}\n"
    record: dict[str, Any] = {
        "name": event.name,
        "state": event.state,
        "events": list(event.events),
    }
    if event.error_type is not None:
        record["errorType"] = event.error_type
    level = _worse(SystemLevel.INFO, event.error_type is not None)
    return _record("platform.extension", record, level, settings, now)


def start(request_id: str, version: str, settings: LogOptions, now: datetime) -> str:
    """START; empty if the settings leave it out."""
    if not settings.is_json:
        return f"START RequestId: {request_id} Version: {version}\n"
    record = {"requestId": request_id, "version": version}
    return _record("platform.start", record, SystemLevel.INFO, settings, now)


def end(report: Report, settings: LogOptions, now: datetime) -> str:
    """END in Text, `platform.runtimeDone` in JSON; empty if the settings leave it out."""
    if not settings.is_json:
        return f"END RequestId: {report.request_id}\n"
    record: dict[str, Any] = {"requestId": report.request_id, "status": report.outcome}
    if report.error_type is not None:
        record["errorType"] = report.error_type
    record["metrics"] = {"durationMs": _rounded(report.duration_ms)}
    failed = report.outcome is not Outcome.SUCCESS
    level = _worse(SystemLevel.DEBUG, failed)
    return _record("platform.runtimeDone", record, level, settings, now)


def report(event: Report, settings: LogOptions, now: datetime) -> str:
    """REPORT; empty if the settings leave it out."""
    if not settings.is_json:
        return _text_report(event)
    metrics: dict[str, Any] = {
        "durationMs": _rounded(event.duration_ms),
        "billedDurationMs": event.billed_ms,
        "memorySizeMB": event.memory_size_mib,
        "maxMemoryUsedMB": event.max_memory_used_mib,
    }
    if event.init_duration_ms is not None:
        metrics["initDurationMs"] = _rounded(event.init_duration_ms)
    record: dict[str, Any] = {"requestId": event.request_id, "status": event.outcome}
    if event.error_type is not None:
        record["errorType"] = event.error_type
    record["metrics"] = metrics
    if event.trace_id is not None:
        record["tracing"] = {"type": "X-Amzn-Trace-Id", "value": event.trace_id}
    failed = event.outcome is not Outcome.SUCCESS
    level = _worse(SystemLevel.INFO, failed)
    return _record("platform.report", record, level, settings, now)


def log_stream_name(
    function_name: str, version: str, log_group: str | None, now: datetime, unique: str
) -> str:
    """The log stream of one environment.

    Args:
        function_name: shown only when the group may hold several functions' streams.
        version: `$LATEST` or a number.
        log_group: the customer's own group, or None for `/aws/lambda/<name>`.
        now: when the environment starts.
        unique: 32 hex digits that are the environment's own.
    """
    day = now.astimezone(UTC).strftime("%Y/%m/%d")
    name = "" if log_group is None else function_name
    return f"{day}/{name}[{version}]{unique}"


def _text_report(event: Report) -> str:
    line = (
        f"REPORT RequestId: {event.request_id}\tDuration: {event.duration_ms:.2f} ms\t"
        f"Billed Duration: {event.billed_ms} ms\tMemory Size: {event.memory_size_mib} MB\t"
        f"Max Memory Used: {event.max_memory_used_mib} MB\t"
    )
    if event.init_duration_ms is not None:
        line += f"Init Duration: {event.init_duration_ms:.2f} ms\t"
    # A function that answered with an error reports like one that succeeded.
    if event.outcome in _WITH_STATUS:
        line = f"{line[:-1]}{_status(event.outcome, event.error_type)}"
    if event.trace_id is not None:
        segment = event.segment_id or "0" * 16
        line += f"\nXRAY TraceId: {event.trace_id}\tSegmentId: {segment}\tSampled: true\t"
    return f"{line}\n"


def _status(outcome: Outcome, error_type: str | None) -> str:
    text = f"\tStatus: {outcome}"
    return text if error_type is None else f"{text}\tError Type: {error_type}"


def _worse(level: SystemLevel, failed: bool) -> SystemLevel:
    return SystemLevel.WARN if failed else level


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def _record(
    type_name: str,
    record: Mapping[str, Any],
    level: SystemLevel,
    settings: LogOptions,
    now: datetime,
) -> str:
    if level < settings.system_level:
        return ""
    time = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"time": time, "type": type_name, "record": record}
    return f"{json.dumps(body, separators=(',', ':'))}\n"
