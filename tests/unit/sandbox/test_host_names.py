"""The host's names inside sandboxes, as DNS messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.sandbox.host_names import answer

_ADDRESS = "10.195.0.2"


def _query(name: str, kind: int = 1, flags: bytes = b"\1\0") -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = b"\x12\x34" + flags + b"\0\1\0\0\0\0\0\0"
    return header + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


@pytest.mark.parametrize("name", ["host.docker.internal", "HOST.lambd.Internal"])
def test_the_hosts_names_have_the_address_of_the_cable(name: str) -> None:
    """The question comes back with one record, whatever its case."""
    query = _query(name)
    got = answer(query, _ADDRESS)
    assert got is not None
    assert got[:12] == b"\x12\x34\x85\x80\0\1\0\1\0\0\0\0"
    assert got[12:].startswith(query[12:])
    assert got.endswith(b"\0\1\0\1\0\0\0\x3c\0\4" + bytes([10, 195, 0, 2]))


def test_there_is_no_address_of_version_6() -> None:
    """An answer without a record: the name exists, and nobody waits for anything."""
    got = answer(_query("host.docker.internal", kind=28), _ADDRESS)
    assert got is not None
    assert got[4:8] == b"\0\1\0\0"


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(_query("docker.internal"), id="another name"),
        pytest.param(_query("x.host.docker.internal"), id="a name below"),
        pytest.param(_query("host.docker.internal", flags=b"\x81\0"), id="an answer"),
        pytest.param(_query("host.docker.internal")[:-3], id="cut short"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_everything_else_is_for_the_resolvers(query: bytes) -> None:
    """Unread."""
    assert answer(query, _ADDRESS) is None


@given(st.binary(max_size=80))
def test_no_message_is_a_fault(message: bytes) -> None:
    """It comes from hostile code."""
    answer(b"\0\1\1\0\0\1" + message, _ADDRESS)
