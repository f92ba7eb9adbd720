"""The platform's own log: structlog to stderr, JSON lines or a console's.

Log calls have a constant message and fields: `log.info("environment started", environment=id)`.
Functions' logs are not here; see `lines.py`, `log_frames.py` and `services/logs/store.py`.
"""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog


class LogStyle(StrEnum):
    """How platform log lines look."""

    CONSOLE = "console"
    JSON = "json"


def set_up(
    style: LogStyle | None = None, level: str = "INFO", stream: TextIO | None = None
) -> None:
    """Configure structlog and the standard library's logging for this process; call once.

    Args:
        style: None means console on a terminal, else JSON.
        level: lowest level shown, `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        stream: where lines go; None means stderr.
    """
    out = sys.stderr if stream is None else stream
    chosen = style or (LogStyle.CONSOLE if out.isatty() else LogStyle.JSON)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if chosen is LogStyle.JSON:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    # Libraries (SQLAlchemy, Alembic, asyncio) log through the standard library.
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.getLevelName(level), logging.WARNING))
