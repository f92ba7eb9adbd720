"""The `lambd` command: its group, `serve`, and how a command ends.

Everything heavy is imported by the command that needs it, so that `lambd --help` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from lambd.cli import commands
from lambd.cli.backup import backup
from lambd.cli.doctor import doctor, runtimes
from lambd.cli.exit_status import ExitStatus
from lambd.cli.outside import Outside
from lambd.config import (
    DRIVERS,
    LOG_FORMATS,
    NETWORKS,
    Settings,
)

_DEFAULTS = Settings()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lambd", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """AWS Lambda for your own machines."""
    context.ensure_object(Outside)


@cli.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--host", help=f"Loopback address to listen on.  [default: {_DEFAULTS.host}]")
@click.option("--port", help=f"0: any free one.  [default: {_DEFAULTS.port}]")
@click.option(
    "--data-dir",
    help=f"Functions, code and logs.  [default: {_DEFAULTS.data_dir}, or the user's own]",
)
@click.option("--region", help=f"[default: {_DEFAULTS.region}]")
@click.option("--account-id", help=f"[default: {_DEFAULTS.account_id}]")
@click.option("--driver", help=f"Isolation: {', '.join(DRIVERS)}.  [default: {_DEFAULTS.driver}]")
@click.option(
    "--network",
    help=f"Functions' way out: {', '.join(NETWORKS)}.  [default: {_DEFAULTS.network}]",
)
@click.option(
    "--log-format",
    help=f"The platform's log on stderr: {', '.join(LOG_FORMATS)}.  "
    f"[default: {_DEFAULTS.log_format}]",
)
@click.pass_obj
def serve(outside: Outside, /, config_file: Path | None, **flags: str | None) -> NoReturn:
    """Run the platform until SIGTERM or Ctrl-C.

    Every setting can also be given in the TOML file or as LAMBD_<NAME>; flags win over variables,
    variables over the file.
    """
    sys.exit(outside.serve(outside.settings(flags, config_file)))


for _command in (commands.functions, commands.invoke, commands.logs, backup, doctor, runtimes):
    cli.add_command(_command)


def main() -> NoReturn:
    """The console script."""
    try:
        status = cli(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        status = exc.exit_code
    except click.Abort:
        status = ExitStatus.INTERRUPTED
    sys.exit(status or ExitStatus.OK)
