"""`lambd doctor`: what this machine can run, and the command that mends each thing it cannot.

Gathers what `sandbox.checks` and `runtimes.provision` find; decides nothing about them itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from lambd.cli import output
from lambd.cli.exit_status import ExitStatus
from lambd.cli.outside import Outside
from lambd.config import DRIVERS

if TYPE_CHECKING:  # start-up time
    from lambd.runtimes.prepared_runtime import RuntimeStatus
    from lambd.sandbox.checks import Check

ISOLATION = "Isolation"
MACHINE = "Machine"
RUNTIMES = "Language runtimes"
# Nothing runs isolated without these; the other checks tell of comforts.
_REQUIRED = frozenset({"privileges", "kernel", "control groups"})


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


def gather(checks: Sequence[Check], runtimes: Sequence[RuntimeStatus]) -> list[Finding]:
    """Both kinds of results as findings, area by area."""
    by_area: dict[str, list[Finding]] = {ISOLATION: [], MACHINE: [], RUNTIMES: []}
    for check in checks:
        area = ISOLATION if check.name in DRIVERS else MACHINE
        by_area[area].append(
            Finding(
                area=area,
                name=check.name,
                usable=check.usable,
                detail=check.detail,
                fix=check.fix,
            )
        )
    for status in runtimes:
        note = "; AWS's client is installed with the first function"
        by_area[RUNTIMES].append(
            Finding(
                area=RUNTIMES,
                name=status.identifier,
                usable=status.is_usable,
                detail=status.detail + (note if status.is_usable > status.is_installed else ""),
                fix=status.fix,
            )
        )
    return [finding for findings in by_area.values() for finding in findings]


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
    """Whether some OCI runtime, what it needs, and some language runtime are usable."""
    usable = {finding.area for finding in findings if finding.usable}
    is_wanting = any(each.name in _REQUIRED and not each.usable for each in findings)
    return {ISOLATION, RUNTIMES} <= usable and not is_wanting


@click.command()
@click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How stdout is written.",
)
@click.pass_obj
def doctor(outside: Outside, form: str) -> None:
    """Tell what this machine can run, and the command that mends what it cannot."""
    findings = look(outside)
    if form == "json":
        click.echo(output.as_json([asdict(finding) for finding in findings]))
    else:
        click.echo(render(findings))
    if not can_run_functions(findings):
        click.echo("This machine cannot run functions yet: see the fixes above.", err=True)
        click.get_current_context().exit(ExitStatus.INCOMPLETE)


@click.command()
@click.pass_obj
def runtimes(outside: Outside) -> None:
    """List the runtimes that functions can have on this machine, one a line."""
    usable = [each.name for each in look(outside) if each.area == RUNTIMES and each.usable]
    if not usable:
        click.echo("None: see `lambd doctor`.", err=True)
        click.get_current_context().exit(ExitStatus.INCOMPLETE)
    click.echo("\n".join(usable))


def look(outside: Outside) -> list[Finding]:
    """Look at this machine; nothing is changed or installed."""
    from lambd.runtimes.provision import Provisioner  # noqa: PLC0415 - start-up time
    from lambd.sandbox.checks import all_checks  # noqa: PLC0415

    provisioner = Provisioner(outside.settings({}).cache_dir, outside.environ)
    return gather(all_checks(), asyncio.run(provisioner.available()))
