"""What the doctor makes of the checks."""

from __future__ import annotations

from lambd.cli.doctor import ISOLATION, MACHINE, RUNTIMES, can_run_functions, gather, render
from lambd.runtimes.prepared_runtime import RuntimeStatus
from lambd.sandbox.checks import Check

CRUN = Check(name="crun", usable=True, detail="crun version 1.8")
RUNC = Check(name="runc", usable=False, detail="not installed", fix="apt-get install --yes runc")
KERNEL = Check(name="kernel", usable=True, detail="Linux 6.1")
LOOP = Check(name="loop devices", usable=False, detail="none", fix="modprobe loop")
PYTHON = RuntimeStatus(
    identifier="python3.11", is_usable=True, detail="/usr/bin/python3.11", is_installed=True
)
MISSING = RuntimeStatus(
    identifier="python3.14", is_usable=False, detail="none", fix="uv python install 3.14"
)


def test_findings_stand_by_area() -> None:
    """Drivers, then the machine, then language runtimes, whatever order they came in."""
    findings = gather([KERNEL, CRUN, LOOP, RUNC], [PYTHON])
    assert [(finding.area, finding.name) for finding in findings] == [
        (ISOLATION, "crun"),
        (ISOLATION, "runc"),
        (MACHINE, "kernel"),
        (MACHINE, "loop devices"),
        (RUNTIMES, "python3.11"),
    ]


def test_every_missing_thing_comes_with_its_command() -> None:
    """The command stands under what it mends, and only there."""
    text = render(gather([CRUN, RUNC], [PYTHON, MISSING]))
    assert text.count("fix: ") == 2
    lines = text.splitlines()
    place = next(number for number, line in enumerate(lines) if "runc  " in line and "--" in line)
    assert lines[place + 1].strip() == "fix: apt-get install --yes runc"


def test_a_runtime_whose_client_is_not_there_yet_says_so() -> None:
    """The first function will take longer, and needs the network."""
    status = RuntimeStatus(identifier="python3.12", is_usable=True, detail="/p")
    assert gather([], [status])[0].detail == "/p; AWS's client is installed with the first function"


def test_one_driver_and_one_runtime_are_enough() -> None:
    """What is only convenient does not count."""
    assert can_run_functions(gather([CRUN, RUNC, KERNEL, LOOP], [PYTHON, MISSING]))


def test_nothing_runs_without_a_driver_a_runtime_or_the_kernel() -> None:
    """Each of them alone is reason enough."""
    old = Check(name="kernel", usable=False, detail="Linux 4.4")
    assert not can_run_functions(gather([RUNC, KERNEL], [PYTHON]))
    assert not can_run_functions(gather([CRUN, KERNEL], [MISSING]))
    assert not can_run_functions(gather([CRUN, old], [PYTHON]))
