"""What the command line's exit statuses mean; `docs/cli.md` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit status of every `lambd` command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    FUNCTION_ERROR = 3
    UNREACHABLE = 4
    INCOMPLETE = 5
    INTERRUPTED = 130


MEANINGS: Mapping[ExitStatus, str] = {
    ExitStatus.OK: "it worked",
    ExitStatus.ERROR: "the platform refused the request, or could not start",
    ExitStatus.USAGE: "an option, a variable or the configuration file cannot be used",
    ExitStatus.FUNCTION_ERROR: "the function ran and failed; its error is on stdout",
    ExitStatus.UNREACHABLE: "nothing answers at the endpoint, or not to the end",
    ExitStatus.INCOMPLETE: "`lambd doctor`: this machine cannot run functions yet",
    ExitStatus.INTERRUPTED: "stopped by Ctrl-C",
}
