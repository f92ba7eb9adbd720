"""Figures as rows, rows as a Markdown table, the table into the page between its marks."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
FLOOR, EMULATOR, LAMBD = "floor", "emulator", "lambd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of every subject that has it."""

    name: str
    unit: str
    # By subject.
    values: Mapping[str, float]
    # What lambd is to reach, in words.
    goal: str = ""


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * percent) // 100) - 1)]


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = [
        "| what | unit | floor | emulator | lambd | lambd / floor | lambd / emulator | goal |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cells = [
            row.name,
            row.unit,
            *(_number(row.values.get(subject)) for subject in (FLOOR, EMULATOR, LAMBD)),
            _ratio(row.values, FLOOR),
            _ratio(row.values, EMULATOR),
            row.goal,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if math.isnan(value):
        return "failed"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _ratio(values: Mapping[str, float], base: str) -> str:
    if LAMBD not in values or base not in values or not values[base]:
        return ""
    ratio = values[LAMBD] / values[base]
    return "" if math.isnan(ratio) else f"{ratio:.2f}"


def conditions(identifier: str, driver: str, *, is_quick: bool) -> str:
    """On what, with what and when: the line above the table."""
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    words = [
        time.strftime("%Y-%m-%d", time.gmtime()),
        f"lambd {version('lambd')}",
        f"driver {driver}",
        identifier,
        f"{cores} cores",
        f"Linux {platform.release()}",
    ]
    return ", ".join(words) + (" (quick run: few samples)" if is_quick else "")


def write(page: Path, text: str) -> None:
    """Put the text between the page's marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} ... {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
