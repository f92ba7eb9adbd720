"""How a command ends when it cannot do what it was asked: one line on stderr and an exit status."""

from __future__ import annotations

from typing import ClassVar

import click

from lambd.cli.exit_status import ExitStatus


class CommandError(click.ClickException):
    """The platform refused, or could not start."""

    exit_code: ClassVar[int] = ExitStatus.ERROR


class UnusableError(CommandError):
    """An option, a variable or the configuration file cannot be used."""

    exit_code: ClassVar[int] = ExitStatus.USAGE


class UnreachableError(CommandError):
    """Nothing answers at the endpoint, or not to the end."""

    exit_code: ClassVar[int] = ExitStatus.UNREACHABLE
