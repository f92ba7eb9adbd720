"""Chains of invocations, told by the trace header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.invoke.recursion import MAX_CHAIN, advance_lineage
from lambd.model.errors import RecursiveInvocationError

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def test_a_function_that_calls_itself_is_stopped() -> None:
    """The sixteenth invocation of a chain still runs, the next does not."""
    header = HEADER
    for _ in range(MAX_CHAIN):
        header = advance_lineage(header, ARN + "f", terminate=True)
        assert header.startswith(HEADER + ";Lineage=")
    with pytest.raises(RecursiveInvocationError, match="recursive loop"):
        advance_lineage(header, ARN + "f", terminate=True)
    advance_lineage(header, ARN + "f", terminate=False)
    advance_lineage(header, ARN + "g", terminate=True)


def test_two_functions_in_a_circle_are_stopped() -> None:
    """Each is counted by itself."""
    header = HEADER
    for _ in range(MAX_CHAIN):
        for name in ("f", "g"):
            header = advance_lineage(header, ARN + name, terminate=True)
    assert header.count("|") == 1
    for name in ("f", "g"):
        with pytest.raises(RecursiveInvocationError):
            advance_lineage(header, ARN + name, terminate=True)


def test_fields_behind_the_lineage_stay() -> None:
    """The rest of the header is the caller's."""
    header = advance_lineage(f"{HEADER};Lineage=00000000:3;Self=1", ARN + "f", terminate=True)
    assert header.startswith(f"{HEADER};Lineage=00000000:3|")
    assert header.endswith(":0;Self=1")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_lineage_is_survived(text: str) -> None:
    """Callers write what they like; it never keeps a function from counting on."""
    header = advance_lineage(f"{HEADER};Lineage={text}", ARN + "f", terminate=False)
    assert header.startswith(HEADER)
    assert ";Lineage=" in header
