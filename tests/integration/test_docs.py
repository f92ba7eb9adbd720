"""The documents: generated pages are as the code has them, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.generate import DOCS, pages

ROOT = DOCS.parent
SHEETS = DOCS / "aws"
WRITTEN = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
SOURCES = sorted(
    path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
_SHEET = re.compile(
    r"\b(api|invoke|runtime|eventsources|scaling|security)\.md"
    r"(?: sections? (\d+(?:\.\d+)?)(?:(?:, | and )(\d+(?:\.\d+)?))*)?"
)
# A module as prose names it: `folder/module.py`, from the root of the repository or of the package.
_MODULE = re.compile(r"`((?:[\w.]+/)*\w+\.py)`")
# Files of users that prose speaks of.
_OF_OTHERS = frozenset({"app.py", "utils.py"})


@pytest.mark.parametrize("name", ["coverage.md", "cli.md", "deviations.md", "architecture.md"])
def test_generated_page_is_up_to_date(name: str) -> None:
    """`./dev docs` writes them again."""
    assert (DOCS / name).read_text() == pages()[name]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the repository."""
    text = re.sub(r"`[^`]*`", "", page.read_text())
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def _sections(sheet: str) -> set[str]:
    headings = re.findall(
        r"^#+ (\d+(?:\.\d+)?)\b", (SHEETS / f"{sheet}.md").read_text(), re.MULTILINE
    )
    return set(headings)


def test_sections_that_the_source_cites_exist() -> None:
    """`api.md section 3.3` leads to that heading of docs/aws/api.md."""
    known = {path.stem: _sections(path.stem) for path in SHEETS.glob("*.md")}
    lost = [
        f"{source.relative_to(ROOT)}: {match[0]}"
        for source in SOURCES
        for match in _SHEET.finditer(re.sub(r"\n\s*#? ?", " ", source.read_text()))
        if not {section for section in match.groups()[1:] if section} <= known[match[1]]
    ]
    assert lost == []


def test_modules_that_prose_names_exist() -> None:
    """A path in backticks, in a document or a docstring, is a file of the repository."""
    bases = (ROOT, ROOT / "src" / "lambd", ROOT / "tests", ROOT / "src")
    names = {path.name for path in SOURCES}
    lost = [
        f"{text.relative_to(ROOT)}: {name}"
        for text in [*SOURCES, *WRITTEN]
        if text != Path(__file__) and text.parent != SHEETS
        for name in _MODULE.findall(text.read_text())
        if not (
            any((base / name).exists() for base in (*bases, text.parent))
            or ("/" not in name and (name in names or name in _OF_OTHERS))
        )
    ]
    assert lost == []


def _paths() -> dict[str, list[str]]:
    """The files of each path of the architecture page, in order, by the path's name."""
    text = (
        (DOCS / "architecture.md").read_text().partition("## Four paths")[2].partition("\n## ")[0]
    )
    parts = re.split(r"^\*\*(.+?)\*\*", text, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^\d+\. `([^`]+)`", steps, re.MULTILINE)
        for name, steps in zip(parts[::2], parts[1::2], strict=True)
    }


def test_paths_of_the_architecture_take_no_step_back() -> None:
    """Every step is a module, and none is entered twice."""
    paths = _paths()
    assert len(paths) == 4
    for name, steps in paths.items():
        assert len(steps) >= 4, name
        assert [step for step in steps if not (ROOT / "src" / "lambd" / step).exists()] == []
        assert len(set(steps)) == len(steps), name


def test_readme_is_short() -> None:
    """What, why, how to begin; the rest has pages of its own."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
