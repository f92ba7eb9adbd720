"""What may be imported where: the model is pure, and every dependency has its owners."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "lambd"

# What values and rules are made with: nothing that reads, waits, or tells the time by itself
# (`datetime` has `now`, which the linter forbids).
_PURE = frozenset(
    {
        *("__future__", "base64", "binascii", "calendar", "collections", "dataclasses"),
        *("datetime", "enum", "fnmatch", "functools", "hashlib", "ipaddress", "itertools"),
        *("json", "math", "operator", "random", "re", "string", "types", "typing", "zoneinfo"),
    }
)
# Distribution -> where it may be imported: modules, or folders.
_OWNERS: Mapping[str, frozenset[str]] = {
    "alembic": frozenset({"store"}),
    "boto3": frozenset({"aws", "cli"}),
    "botocore": frozenset({"aws", "cli", "frontend"}),
    "click": frozenset({"cli"}),
    "httptools": frozenset({"http"}),
    "orjson": frozenset({"invoke"}),
    "pyroute2": frozenset({"sandbox"}),
    "rich": frozenset({"cli"}),
    "sqlalchemy": frozenset({"store", "services"}),
    "uv": frozenset({"runtimes"}),
    "uvloop": frozenset({"server.py"}),
}
# A log is written from everywhere, once the command line has set it up.
_EVERYWHERE = frozenset({"structlog"})


def _imports(module: Path) -> Iterator[str]:
    """Top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def test_model_is_pure() -> None:
    """Standard library only, and of it nothing that does I/O or waits."""
    impure = [
        f"{module.name}: {name}"
        for module in sorted((SOURCE / "model").glob("*.py"))
        for name in _imports(module)
        if name not in _PURE | {"lambd"}
    ]
    assert impure == []


def test_dependencies_have_owners() -> None:
    """A library of others is imported by its owners, and known to no other part."""
    foreign = [
        f"{module.relative_to(SOURCE)}: {name}"
        for module in sorted(SOURCE.rglob("*.py"))
        for name in _imports(module)
        if name not in sys.stdlib_module_names
        and name != "lambd"
        and not name.startswith("types_boto3")
        and name not in _EVERYWHERE
        and module.relative_to(SOURCE).parts[0] not in _OWNERS.get(name, frozenset())
    ]
    assert foreign == []
