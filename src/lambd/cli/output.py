"""How things look on a terminal: the banner, tables, log lines, JSON. Pure renderers.

Data goes to stdout, talk to stderr; the commands decide which, this module only makes the text.
rich is imported when something is rendered, not at start-up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import IO, TYPE_CHECKING, Any

from lambd.cli.api import LogLine
from lambd.config import Settings
from lambd.http.listening import authority_of

if TYPE_CHECKING:  # start-up time
    from rich.console import RenderableType

_NO_ISOLATION = "no isolation: functions run as ordinary processes of this machine"


def banner(
    settings: Settings,
    *,
    driver_name: str,
    runtimes: Sequence[str],
) -> RenderableType:
    """What a person reads when the server is up: where it is, what it can run, how to reach it.

    Args:
        settings: as the server uses them (`port` is the bound one).
        driver_name: what isolates functions.
        runtimes: identifiers that can run on this machine.
    """
    from rich.console import Group  # noqa: PLC0415 - start-up time
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    url = endpoint_url(settings)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("  region", f"{settings.region}, account {settings.account_id}")
    facts.add_row("  isolation", driver_name)
    facts.add_row("  network", settings.network)
    facts.add_row("  runtimes", Text(" ".join(runtimes) or "none: run `lambd doctor`"))
    facts.add_row("  data", Text(str(settings.data_dir)))
    facts.add_row("  use it", Text(f"export AWS_ENDPOINT_URL={url}"))
    heading = Text.assemble(("lambd", "bold"), f" {version('lambd')}  ", (url, "bold cyan"))
    if driver_name != "process":
        return Group(heading, facts)
    return Group(heading, facts, Text(f"  ! {_NO_ISOLATION}", "bold yellow"))


def endpoint_url(settings: Settings) -> str:
    """The URL that clients on this machine use."""
    return f"http://{authority_of(settings.host, settings.port)}"


def print_rich(renderable: RenderableType, file: IO[str]) -> None:
    """Write a renderable; colours only where the file is a terminal that wants them."""
    from rich.console import Console  # noqa: PLC0415 - start-up time

    Console(file=file, highlight=False, soft_wrap=not file.isatty()).print(renderable)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Plain aligned columns with a heading: for people, and for `awk`."""
    lines = [[column.upper() for column in columns], *([*row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, default=str)


def payload_value(payload: bytes) -> object:
    """A payload as a JSON value; one that is not JSON as text."""
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload.decode(errors="replace")


def log_line(event: LogLine) -> str:
    """`2026-01-31T12:00:00.123Z message`, on one line unless the message has more."""
    return f"{timestamp(event.timestamp_ms)} {event.message.rstrip()}"


def log_json(event: LogLine) -> str:
    """One JSON object on one line."""
    return json.dumps(
        {
            "timestamp": timestamp(event.timestamp_ms),
            "stream": event.stream,
            "message": event.message.rstrip("\n"),
        }
    )


def timestamp(milliseconds: int) -> str:
    """ISO 8601, UTC, milliseconds."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
