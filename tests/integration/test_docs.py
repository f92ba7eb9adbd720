"""The documents: generated pages are as the code has them, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.generate import DOCS, pages

ROOT = DOCS.parent
WRITTEN = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("name", ["coverage.md", "cli.md", "deviations.md"])
def test_generated_page_is_up_to_date(name: str) -> None:
    """`./dev docs` writes them again."""
    assert (DOCS / name).read_text() == pages()[name]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the repository."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_readme_is_short() -> None:
    """What, why, how to begin; the rest has pages of its own."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
