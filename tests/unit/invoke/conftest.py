"""Unit tests of `invoke`: the databases in memory end with their test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.invoke.event_world import close_databases


@pytest.fixture(autouse=True)
def closed_databases() -> Iterator[None]:
    """Nothing is left for the garbage collector to complain about in another test."""
    yield
    close_databases()
