"""What the command line's exit statuses mean; `docs/cli.md` lists them."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit status of every `lambd` command; the docstring after each is its meaning."""

    OK = 0
    """It worked."""
    ERROR = 1
    """The platform refused the request, or could not start."""
    USAGE = 2
    """An option, a variable or the configuration file cannot be used."""
    FUNCTION_ERROR = 3
    """The function ran and failed; its error is on stdout."""
    UNREACHABLE = 4
    """Nothing answers at the endpoint."""
    INCOMPLETE = 5
    """`lambd doctor`: this machine cannot run functions yet."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""
