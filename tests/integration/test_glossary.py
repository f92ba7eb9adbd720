"""The glossary against the code: one word per thing, as far as names can tell."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "lambd"
# Programs that run inside sandboxes share no word with the rest: nobody imports both.
_APART = ("runtimes/shims", "store/migrations")

# Words of the last column that are right where they stand, and why.
_ALLOWED: Mapping[str, str] = {
    "bundle": "an OCI runtime's",
    "cache": "values kept in memory, or the cache directory",
    "call": "one decoded request (`api/call.py`), or one of another program",
    "caller": "the client at the door, whose principal is not known yet",
    "config": "a function's configuration, as AWS abbreviates it",
    "condition": "of a policy",
    "connection": "of HTTP, or of the database",
    "endpoint": "an address of a service elsewhere",
    "execution": "AWS's execution environment",
    "instance": "one lambd of several on a host",
    "file": "of a file system",
    "lambda": "the service's name",
    "library": "of a programming language",
    "node": "Node.js",
    "object": "S3's",
    "package": "of a programming language",
    "revision": "AWS's RevisionId",
    "scheduler": "EventBridge's",
    "state": "AWS's State, and those of state machines",
    "tag": "AWS's, on resources",
}


def _definitions() -> Iterator[tuple[str, str, bool]]:
    """Public names at the top of modules: (module, name, whether it is a class)."""
    for module in sorted(SOURCE.rglob("*.py")):
        place = str(module.relative_to(SOURCE))
        if place.startswith(_APART):
            continue
        for node in ast.parse(module.read_text()).body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("_"):
                yield place, node.name, isinstance(node, ast.ClassDef)


def _rows() -> list[list[str]]:
    """The glossary's rows: what to say, what it means, what not to say."""
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return rows[2:]


def _unsaid(rows: list[list[str]]) -> set[str]:
    """The single words of the last column; names cannot tell about phrases."""
    entries = {entry.strip().lower() for row in rows for entry in row[2].split(",")}
    return {entry for entry in entries if re.fullmatch(r"[a-z]+", entry)}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_a_class_has_its_name_alone() -> None:
    """Two things that are called the same cannot be told apart in a message or a search."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, name, is_class in _definitions():
        if is_class:
            places[name].append(place)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_words_that_are_not_said_are_in_no_public_name() -> None:
    """The last column, but for words that another row says, or that have a reason."""
    rows = _rows()
    said = {word for row in rows for word in _words(row[0])}
    unsaid = _unsaid(rows) - said - _ALLOWED.keys()
    found = [
        f"{place}: {name} ({word})"
        for place, name, _ in _definitions()
        for word in re.findall(r"[A-Z]?[a-z]+", name)
        if word.lower() in unsaid
    ]
    assert found == []


def test_every_row_has_its_three_cells() -> None:
    """And every allowed word is one that some row forbids."""
    rows = _rows()
    assert [row for row in rows if len(row) != 3 or not row[0] or not row[1]] == []
    assert sorted(_ALLOWED.keys() - _unsaid(rows)) == []
