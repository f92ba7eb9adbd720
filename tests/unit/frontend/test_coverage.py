"""The page that tells which operations are served."""

from __future__ import annotations

import pytest

from lambd.frontend.coverage import render_coverage
from lambd.wire.service_model import load_lambda_model

OPERATIONS = load_lambda_model().operations


def test_has_a_row_for_every_operation() -> None:
    """Real or absent, with method and URI."""
    lines = render_coverage(OPERATIONS, {"Invoke", "CreateFunction"}).splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert len(rows) == 91
    assert (
        "| Invoke | POST | `/2015-03-31/functions/{FunctionName}/invocations` | 200 | real |"
        in rows
    )
    assert sum(row.endswith("| real |") for row in rows) == 2
    assert any(line.startswith("2 of 91 operations") for line in lines)


def test_refuses_a_handler_of_no_operation() -> None:
    """A misspelt name in the handler table must not count."""
    with pytest.raises(ValueError, match="Nothing"):
        render_coverage(OPERATIONS, ["Invoke", "Nothing"])
