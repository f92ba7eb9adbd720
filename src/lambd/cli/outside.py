"""What the commands reach for beyond their arguments, in one object that a test can replace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lambd.cli import api
from lambd.config import Settings


def run_server(settings: Settings) -> int:
    """Run the platform until it is told to stop; returns the exit status."""
    from lambd.server import serve  # noqa: PLC0415 - start-up time of the other commands

    return serve(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The world of a command: environment, server, clock."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    connect: Callable[[str, Mapping[str, str]], api.Api] = api.connect
    serve: Callable[[Settings], int] = run_server
    # Wall clock, seconds since the epoch.
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
