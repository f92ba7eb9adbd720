"""`./dev bench`: measure, print the table, and on request write it into the page."""

from __future__ import annotations

import os
import pstats
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import click

from benchmarks import artifacts, report, subjects
from benchmarks.measures import MEASURES, Plan, send
from benchmarks.report import EMULATOR, FLOOR, LAMBD, Row
from lambd.config import DRIVERS

_SUBJECTS = (FLOOR, EMULATOR, LAMBD)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="These measures.")
@click.option(
    "--subject", "chosen", multiple=True, type=click.Choice(_SUBJECTS), help="These subjects."
)
@click.option("--quick", is_flag=True, help="Few samples: to see that it works.")
@click.option("--driver", type=click.Choice(DRIVERS), default="crun", show_default=True)
@click.option(
    "--runtime",
    default=f"python{sys.version_info.major}.{sys.version_info.minor}",
    show_default=True,
    help="Language runtime of all subjects.",
)
@click.option(
    "--write",
    "page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Write the table into this page, between its marks.",
)
@click.option("--profile", is_flag=True, help="Instead: profile lambd's warm path (cProfile).")
def main(
    only: tuple[str, ...],
    chosen: tuple[str, ...],
    quick: bool,
    driver: str,
    runtime: str,
    page: Path | None,
    profile: bool,
) -> None:
    """Measure lambd beside a bare loop and AWS's runtime interface emulator, alternating."""
    signal.signal(signal.SIGTERM, _end)
    artifacts.CACHE.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        runtime=artifacts.runtime(runtime),
        chosen=frozenset(chosen or _SUBJECTS),
        settings={"LAMBD_DRIVER": driver},
        rounds=2 if quick else 10,
        requests=100 if quick else 400,
        starts=5 if quick else 30,
    )
    if profile:
        _profile(plan)
        return
    rows: list[Row] = []
    for name in only or MEASURES:
        click.echo(f"measuring {name} ...", err=True)
        rows += MEASURES[name](plan)
    conditions = report.conditions(runtime, driver, is_quick=quick)
    text = f"{conditions}\n\n{report.markdown(rows)}"
    click.echo(text)
    if page is not None:
        report.write(page, text)


def _profile(plan: Plan) -> None:
    """Show where the server spends its time on warm invocations."""
    with tempfile.TemporaryDirectory(prefix="lambd-profile-") as scratch:
        target = os.path.join(scratch, "profile")  # noqa: PTH118 - text for a variable
        settings = {**plan.settings, "LAMBD_BENCH_PROFILE": target}
        with subjects.platform((), settings) as platform:
            platform.create(["warm"], plan.runtime.identifier)
            platform.path = platform.path_of("warm")
            send(platform, plan.requests)
            os.kill(platform.pid, signal.SIGUSR1)
            send(platform, plan.requests * plan.rounds)
        pstats.Stats(target).sort_stats("tottime").print_stats(40)


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack, and so ends every process that was started."""
    del frame
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
