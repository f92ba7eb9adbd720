"""What the commands reach for beyond their arguments, in one object that a test can replace."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambd.cli import api, output
from lambd.cli.errors import UnusableError
from lambd.config import ConfigError, Settings, load_settings


def run_server(settings: Settings) -> int:
    """Run the platform until it is told to stop; returns the exit status.

    Once it serves, a person gets the banner and a log collector gets a line, both on stderr.
    """
    import structlog  # noqa: PLC0415 - start-up time of the other commands

    from lambd.server import Started, serve  # noqa: PLC0415
    from lambd.telemetry.setup import LogStyle, set_up  # noqa: PLC0415

    is_auto = settings.log_format == "auto"
    set_up(None if is_auto else LogStyle(settings.log_format))
    is_for_people = sys.stderr.isatty() if is_auto else settings.log_format == LogStyle.CONSOLE

    def tell(started: Started) -> None:
        if is_for_people:
            page = output.banner(
                started.settings, driver_name=started.driver_name, runtimes=started.runtimes
            )
            output.print_rich(page, sys.stderr)
        else:
            structlog.get_logger(__name__).info(
                "server_ready",
                url=output.endpoint_url(started.settings),
                driver=started.driver_name,
                runtimes=started.runtimes,
                data_dir=str(started.settings.data_dir),
            )

    return serve(settings, tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The world of a command: environment, server, clock."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    connect: Callable[[str, Mapping[str, str]], api.Api] = api.connect
    serve: Callable[[Settings], int] = run_server
    # Wall clock, seconds since the epoch.
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def settings(self, flags: Mapping[str, object], config_file: Path | None = None) -> Settings:
        """The server's settings as this environment has them.

        Raises:
            UnusableError: something that was set cannot be used.
        """
        try:
            return load_settings(
                flags=flags,
                environ=self.environ,
                config_file=config_file,
                is_root=os.geteuid() == 0,
            )
        except ConfigError as exc:
            raise UnusableError(str(exc)) from exc
