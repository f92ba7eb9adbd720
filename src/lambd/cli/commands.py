"""`lambd functions`, `lambd invoke`, `lambd logs`: clients of the public API.

Whatever a person asked for goes to stdout, everything else to stderr; `--output json` makes the
first machine-readable.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from lambd.cli import output
from lambd.cli.errors import UnusableError
from lambd.cli.exit_status import ExitStatus
from lambd.cli.outside import Outside

DEFAULT_ENDPOINT_URL = "http://127.0.0.1:4566"
FOLLOW_INTERVAL_S = 1.0
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


_Command = TypeVar("_Command", bound=Callable[..., Any])


def client_options(command: _Command) -> _Command:
    """The options of every command that talks to a server."""
    command = click.option(
        "--output",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How stdout is written.",
    )(command)
    return click.option(
        "--endpoint-url",
        envvar="LAMBD_ENDPOINT_URL",
        default=DEFAULT_ENDPOINT_URL,
        show_default=True,
        show_envvar=True,
        help="Where the server is.",
    )(command)


@click.command()
@client_options
@click.pass_obj
def functions(outside: Outside, endpoint_url: str, form: str) -> None:
    """List the functions."""
    found = list(outside.connect(endpoint_url, outside.environ).functions())
    if form == "json":
        click.echo(output.as_json(found))
        return
    rows = [
        (
            function["FunctionName"],
            function.get("State", "-"),
            function.get("Runtime", "-"),
            function.get("Handler", "-"),
            f"{function['MemorySize']} MB",
            f"{function['Timeout']} s",
            function.get("LastModified", "-"),
        )
        for function in found
    ]
    columns = ("name", "state", "runtime", "handler", "memory", "timeout", "last modified")
    click.echo(output.table(columns, rows))
    for function in found:
        if reason := function.get("StateReason"):
            click.echo(f"{function['FunctionName']}: {reason}", err=True)


@click.command()
@click.argument("name")
@click.option("--payload", help="The event: JSON, @FILE, or - for stdin. Default: stdin if piped.")
@click.option("--qualifier", help="Version or alias.")
@click.option("--log", "wants_log", is_flag=True, help="Show the end of the log on stderr.")
@client_options
@click.pass_obj
def invoke(
    outside: Outside,
    name: str,
    payload: str | None,
    qualifier: str | None,
    wants_log: bool,
    endpoint_url: str,
    form: str,
) -> None:
    """Invoke a function and print its answer. NAME may be a name or an ARN."""
    answer = outside.connect(endpoint_url, outside.environ).invoke(
        name, _read_payload(payload), qualifier=qualifier, wants_log=wants_log
    )
    if form == "json":
        click.echo(
            output.as_json(
                {
                    "statusCode": answer.status_code,
                    "executedVersion": answer.executed_version,
                    "functionError": answer.function_error,
                    "payload": output.payload_value(answer.payload),
                    "log": answer.log_tail,
                }
            )
        )
    else:
        click.echo(answer.payload)
    if answer.log_tail is not None:
        click.echo(answer.log_tail.rstrip(), err=True)
    if answer.function_error is not None:
        click.echo(f"The function failed ({answer.function_error}).", err=True)
        click.get_current_context().exit(ExitStatus.FUNCTION_ERROR)


def _read_payload(payload: str | None) -> bytes:
    if payload is None:
        return sys.stdin.buffer.read() if _is_piped() else b""
    if payload == "-":
        return sys.stdin.buffer.read()
    if not payload.startswith("@"):
        return payload.encode()
    try:
        return Path(payload[1:]).read_bytes()
    except OSError as exc:
        message = f"--payload: {payload[1:]}: {exc.strerror}"
        raise UnusableError(message) from exc


def _is_piped() -> bool:
    """Whether stdin is a pipe or a file: a terminal or a service's stdin is never waited for."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return not sys.stdin.isatty()
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


@click.command()
@click.argument("name")
@click.option("--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--since", default="10m", show_default=True, help="How far back: 30s, 10m, 2h, 1d or a time."
)
@client_options
@click.pass_obj
def logs(
    outside: Outside,
    name: str,
    follow: bool,
    since: str,
    endpoint_url: str,
    form: str,
) -> None:
    """Print a function's log, oldest line first."""
    client = outside.connect(endpoint_url, outside.environ)
    render = output.log_json if form == "json" else output.log_line
    start_ms = parse_since(since, outside.clock())
    group = client.log_group(name)
    # Ids of the lines at start_ms, which the next look finds again.
    shown: set[str] = set()
    while True:
        for event in client.log_events(group, start_ms=start_ms):
            if event.id in shown:
                continue
            click.echo(render(event))
            if event.timestamp_ms > start_ms:
                start_ms = event.timestamp_ms
                shown.clear()
            shown.add(event.id)
        if not follow:
            return
        outside.sleep(FOLLOW_INTERVAL_S)


def parse_since(text: str, now: float) -> int:
    """A duration before `now` or an ISO 8601 time as milliseconds since the epoch.

    Raises:
        UnusableError: it is neither.
    """
    duration = re.fullmatch(r"(\d+)([smhd])", text)
    if duration is not None:
        return int((now - int(duration[1]) * _UNITS_S[duration[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        message = f"--since: {text!r} is neither a duration such as 10m nor a time"
        raise UnusableError(message) from exc
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
