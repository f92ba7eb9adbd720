"""`lambd doctor`: what this machine can run, and the command that mends each thing it cannot.

Gathers what `sandbox.checks` and `runtimes.provision` find; decides nothing about them itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from lambd.cli import output
from lambd.cli.exit_status import ExitStatus

ISOLATION = "Isolation"
RUNTIMES = "Language runtimes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    # Heading it stands under.
    area: str
    name: str
    usable: bool
    detail: str
    # The exact command that makes it usable; None: nothing to do, or no command can.
    fix: str | None = None


def render(findings: Sequence[Finding]) -> str:
    """The findings by area, unusable ones with their fix."""
    lines: list[str] = []
    width = max((len(finding.name) for finding in findings), default=0)
    area = None
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines += ["", area] if lines else [area]
        mark = "ok" if finding.usable else "--"
        lines.append(f"  {mark}  {finding.name.ljust(width)}  {finding.detail}".rstrip())
        if not finding.usable and finding.fix:
            lines.append(f"      {' ' * width}  fix: {finding.fix}")
    return "\n".join(lines)


def can_run_functions(findings: Sequence[Finding]) -> bool:
    """Whether at least one isolation and one language runtime are usable."""
    usable = {finding.area for finding in findings if finding.usable}
    return {ISOLATION, RUNTIMES} <= usable


@click.command()
@click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How stdout is written.",
)
def doctor(form: str) -> None:
    """Tell what this machine can run, and the command that mends what it cannot."""
    findings = look()
    if form == "json":
        click.echo(output.as_json([asdict(finding) for finding in findings]))
    else:
        click.echo(render(findings))
    if not can_run_functions(findings):
        click.echo("This machine cannot run functions yet: see the fixes above.", err=True)
        click.get_current_context().exit(ExitStatus.INCOMPLETE)


def look() -> list[Finding]:
    """Everything worth knowing about this machine, by area."""
    return []
