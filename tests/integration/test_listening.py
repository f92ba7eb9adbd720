"""Listening sockets by address, and what their users are told when there can be none."""

from __future__ import annotations

import socket

import pytest

from lambd.http.listening import authority_of, listen_on
from lambd.model.errors import UnavailableError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_listens_on_addresses_of_both_families(host: str) -> None:
    """A client finds it there."""
    with listen_on(host, 0, "--port") as sock:
        with socket.create_connection(sock.getsockname()[:2], timeout=30):
            pass
        assert not sock.getblocking()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_told_with_what_chooses_it(host: str) -> None:
    """By its setting."""
    with listen_on(host, 0, "--port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError) as caught:
            listen_on(host, port, "--port")
    assert caught.value.message == (
        f"Cannot listen on {authority_of(host, port)}: Address already in use. "
        "Is another server running there? Choose another port with --port."
    )


def test_an_address_that_is_not_there_is_no_matter_of_ports() -> None:
    """Nobody is asked whether another server runs."""
    # For documentation (RFC 5737): no machine has it.
    with pytest.raises(UnavailableError) as caught:
        listen_on("192.0.2.1", 0, "--port")
    assert caught.value.message == (
        "Cannot listen on 192.0.2.1:0: Cannot assign requested address."
    )


def test_an_ipv6_address_has_brackets_in_urls() -> None:
    """Others have none."""
    assert authority_of("::1", 80) == "[::1]:80"
    assert authority_of("localhost", 80) == "localhost:80"
