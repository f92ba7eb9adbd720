"""The log of one environment, read from a pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.unit.environments.conftest import make_version

from lambd.environments.function_log import FunctionLog
from lambd.model.functions import LoggingConfig
from lambd.telemetry.lines import Outcome, Report
from lambd.testing import RecordingLogSink

TIME = "2024-11-02T16:51:31.587Z"


@dataclass
class Pipe:
    """A sandbox's log pipe: `write` is the sandbox's end."""

    read_fd: int
    write_fd: int

    def write(self, data: bytes) -> None:
        """What a process inside writes."""
        os.write(self.write_fd, data)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Both ends, closed afterwards."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    yield Pipe(read_fd, write_fd)
    os.close(read_fd)
    os.close(write_fd)


def make_log(pipe: Pipe, sink: RecordingLogSink, logging: LoggingConfig) -> FunctionLog:
    """A log that reads the pipe; on the running event loop."""
    return FunctionLog(
        store=sink,
        version=make_version(logging=logging),
        stream="s",
        log_fd=pipe.read_fd,
        runtime_version="python:3.11.v1",
        runtime_version_arn="arn:aws:lambda:us-east-1::runtime:00",
    )


async def logged(pipe: Pipe, data: bytes, logging: LoggingConfig) -> list[str]:
    """The messages that come to be of what processes inside write."""
    sink = RecordingLogSink()
    log = make_log(pipe, sink, logging)
    pipe.write(data)
    log.close()
    return [message for _, _, message in sink.records]


def frame(message: bytes, kind: int) -> bytes:
    """A record as AWS's clients write it."""
    return bytes([0xA5, 0x5A, 0, kind]) + len(message).to_bytes(4, "big") + bytes(8) + message


def line(level: str, **members: str) -> str:
    """A JSON line that a logger prints."""
    return json.dumps({"level": level, "timestamp": TIME, **members}) + "\n"


async def test_empty_lines_are_dropped(pipe: Pipe) -> None:
    """Lines of blanks are not empty."""
    messages = await logged(pipe, b"\na\n\n\n \nb\n\n", LoggingConfig())

    assert messages == ["a\n", " \n", "b\n"]


async def test_records_below_the_application_level_are_dropped(pipe: Pipe) -> None:
    """Whoever printed them; text stays."""
    text = line("debug") + line("INFO") + line("WARN") + line("ERROR") + "text\n"

    messages = await logged(
        pipe, text.encode(), LoggingConfig(log_format="JSON", application_log_level="WARN")
    )

    assert messages == [line("WARN"), line("ERROR"), "text\n"]


async def test_application_level_is_info_by_default(pipe: Pipe) -> None:
    """As AWS has it for LogFormat JSON."""
    text = line("TRACE") + line("DEBUG") + line("INFO")

    assert await logged(pipe, text.encode(), LoggingConfig(log_format="JSON")) == [line("INFO")]


async def test_frames_below_the_application_level_are_dropped(pipe: Pipe) -> None:
    """Their level is the frame's."""
    data = frame(b'{"m":1}', 0x06) + frame(b'{"m":2}', 0x0E) + frame(b'{"m":3}', 0x12)

    messages = await logged(
        pipe, data, LoggingConfig(log_format="JSON", application_log_level="WARN")
    )

    assert messages == ['{"m":3}']


async def test_lowest_level_leaves_everything(pipe: Pipe) -> None:
    """TRACE and everything above."""
    text = line("TRACE") + line("DEBUG") + "{}\n"

    messages = await logged(
        pipe, text.encode(), LoggingConfig(log_format="JSON", application_log_level="TRACE")
    )

    assert messages == [line("TRACE"), line("DEBUG"), "{}\n"]


async def test_text_format_has_no_levels(pipe: Pipe) -> None:
    """JSON lines that functions with LogFormat Text print are text."""
    assert await logged(pipe, line("DEBUG").encode(), LoggingConfig()) == [line("DEBUG")]


async def test_tail_has_what_the_log_has(pipe: Pipe) -> None:
    """What is dropped is missing from both."""
    sink = RecordingLogSink()
    log = make_log(pipe, sink, LoggingConfig(log_format="JSON", system_log_level="WARN"))
    log.start("r", keep_tail=True)
    pipe.write(("\n" + line("DEBUG") + line("INFO")).encode())
    log.end_and_report(
        Report(
            request_id="r",
            duration_ms=1.0,
            memory_size_mib=128,
            max_memory_used_mib=10,
            outcome=Outcome.SUCCESS,
        )
    )

    assert log.tail().decode() == line("INFO")
    log.close()
