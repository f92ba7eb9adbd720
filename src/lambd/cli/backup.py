"""`lambd backup`: a copy of the data directory, while the server serves or when it does not."""

from __future__ import annotations

from pathlib import Path

import click

from lambd.cli.errors import CommandError
from lambd.cli.outside import Outside
from lambd.model.errors import PlatformError


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--data-dir", help="What is copied.  [default: as of `lambd serve`]")
@click.pass_obj
def backup(outside: Outside, target: Path, config_file: Path | None, data_dir: str | None) -> None:
    """Copy functions, code, events and logs to the new directory TARGET.

    The copy is of one moment, and a data directory itself: `lambd serve --data-dir` serves it.
    """
    from lambd.store.backup import back_up  # noqa: PLC0415 - start-up time

    settings = outside.settings({"data_dir": data_dir}, config_file)
    try:
        made = back_up(settings.data_dir, target)
    except PlatformError as error:
        raise CommandError(error.message) from error
    mib = made.size_bytes / (1 << 20)
    click.echo(f"{target}: {made.databases} databases, {made.files} files, {mib:.1f} MiB", err=True)
