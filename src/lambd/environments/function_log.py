"""The log of one execution environment: what code inside writes, and the platform's own lines.

Reads the sandbox's log pipe on the event loop and hands whole records to the log store in order,
but for empty lines and, with LogFormat JSON, records below the function's application log level.
Before the platform writes END it empties the pipe, so that what the handler printed stands before.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import termios
import time
from array import array
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from lambd.model.functions import FunctionVersion, LoggingConfig
from lambd.model.limits import LOG_TAIL_BYTES
from lambd.runtimeapi.extensions import Extension
from lambd.telemetry import lines
from lambd.telemetry.lines import ExtensionInit, InitReport, InitStart, LogOptions, Outcome, Report
from lambd.telemetry.log_frames import LogParser, LogRecord
from lambd.telemetry.log_levels import ApplicationLevel, level_of

_READ_BYTES = 64 * 1024
# Reads of one drain: a process that writes without end must not hold the event loop.
_DRAIN_READS = 64
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class LogSink(Protocol):
    """Where records go; `lambd.services.logs.store.LogStore` is one."""

    def append(self, group: str, stream: str, records: Sequence[tuple[int, str]]) -> None:
        """Take (Unix milliseconds, message) records without blocking."""


class FunctionLog:
    """See the module header. All methods run on the event loop."""

    def __init__(
        self,
        *,
        store: LogSink,
        version: FunctionVersion,
        stream: str,
        log_fd: int,
        runtime_version: str,
        runtime_version_arn: str,
    ) -> None:
        logging = version.served.config.logging
        self._store = store
        self._version = version
        self._group = logging.log_group or f"/aws/lambda/{version.name}"
        self._stream = stream
        self._log_fd = log_fd
        self._settings = LogOptions.of(logging.log_format, logging.system_log_level)
        # What the function logs below it is left out; None: nothing is.
        self._application_level = _application_level(logging)
        self._runtime_version = runtime_version
        self._runtime_version_arn = runtime_version_arn
        self._parser = LogParser()
        # Messages of the invocation under way, while somebody wants its tail.
        self._tail: deque[str] | None = None
        self._tail_chars = 0
        self._loop = asyncio.get_running_loop()
        self._open = True
        # What FIONREAD fills in.
        self._unread = array("i", [0])
        self._loop.add_reader(log_fd, self._read)

    def close(self) -> None:
        """Take what is left in the pipe and stop reading; idempotent."""
        if not self._open:
            return
        self.drain()
        if self._open:
            self._stop_reading()
        self._append(self._kept(self._parser.flush(_now_ms())))

    def drain(self) -> None:
        """Take everything that is in the pipe now (within bounds)."""
        for _ in range(_DRAIN_READS):
            # Cheaper than a read that fails, and most functions print nothing.
            if self._open:
                fcntl.ioctl(self._log_fd, termios.FIONREAD, self._unread, True)
            if not self._unread[0] or not self._read():
                return

    # -- the platform's lines

    def init_start(self) -> None:
        """INIT_START."""
        event = InitStart(
            function_name=self._version.name,
            function_version=self._version.version,
            runtime_version=self._runtime_version,
            runtime_version_arn=self._runtime_version_arn,
        )
        self._write(lines.init_start(event, self._settings, self._now()))

    def init_report(self, duration_ms: float, *, status: str, error_type: str | None) -> None:
        """INIT_REPORT, for an init phase that failed."""
        self.drain()
        event = InitReport(duration_ms=duration_ms, outcome=Outcome(status), error_type=error_type)
        self._write(lines.init_report(event, self._settings, self._now()))

    def extensions(self, extensions: Sequence[Extension]) -> None:
        """EXTENSION for each, once the init phase has ended."""
        for extension in extensions:
            self._write(lines.extension(_event_of(extension), self._settings, self._now()))

    def start(self, request_id: str, *, keep_tail: bool) -> None:
        """START of an invocation; with `keep_tail` its last lines are kept for the caller."""
        if keep_tail:
            self._tail = deque()
            self._tail_chars = 0
        self._write(lines.start(request_id, self._version.version, self._settings, self._now()))

    def end_and_report(self, report: Report) -> None:
        """END and REPORT, behind everything that the function wrote."""
        self.drain()
        now = self._now()
        now_ms = _now_ms()
        records = [
            (now_ms, lines.end(report, self._settings, now)),
            (now_ms, lines.report(report, self._settings, now)),
        ]
        if self._settings.is_json:
            # Either may be below the level.
            records = [record for record in records if record[1]]
        self._append(records)

    def tail(self) -> bytes:
        """The last 4 KiB of the invocation's log; the next invocation starts anew."""
        kept, self._tail = self._tail, None
        return "".join(kept or ()).encode()[-LOG_TAIL_BYTES:]

    # -- inside

    def _read(self) -> bool:
        """Take one chunk from the pipe; False when there is nothing to take."""
        if not self._open:
            return False
        try:
            data = os.read(self._log_fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            # Every process inside has closed it: nothing more will come.
            self._stop_reading()
            return False
        self._append(self._kept(self._parser.feed(data, _now_ms())))
        return True

    def _kept(self, records: list[LogRecord]) -> list[tuple[int, str]]:
        """What of the function's records goes into the log, with its times."""
        level = self._application_level
        if level is not None:
            records = [r for r in records if (own := level_of(r)) is None or own >= level]
        return [(r.timestamp_ms, r.message) for r in records if r.message != "\n"]

    def _now(self) -> datetime:
        """What JSON lines show; text lines show no time."""
        if not self._settings.is_json:
            return _NO_TIME
        return datetime.now(UTC)  # noqa: TID251 - an edge

    def _stop_reading(self) -> None:
        self._open = False
        self._loop.remove_reader(self._log_fd)

    def _write(self, text: str) -> None:
        if text:
            self._append([(_now_ms(), text)])

    def _append(self, records: list[tuple[int, str]]) -> None:
        if not records:
            return
        self._store.append(self._group, self._stream, records)
        tail = self._tail
        if tail is not None:
            for _, message in records:
                # Framed records may come without a newline; for the tail they are lines all the same.
                line = message if message.endswith("\n") else f"{message}\n"
                tail.append(line)
                self._tail_chars += len(line)
            while len(tail) > 1 and self._tail_chars - len(tail[0]) >= LOG_TAIL_BYTES:
                self._tail_chars -= len(tail.popleft())


def _event_of(extension: Extension) -> ExtensionInit:
    return ExtensionInit(
        name=extension.name,
        state=extension.state,
        events=extension.events,
        error_type=extension.error_type,
    )


def _application_level(logging: LoggingConfig) -> ApplicationLevel | None:
    if logging.log_format != "JSON" or logging.application_log_level == "TRACE":
        return None
    return ApplicationLevel[logging.application_log_level or "INFO"]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
