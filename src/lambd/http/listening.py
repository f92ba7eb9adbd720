"""Listening sockets by address, and addresses as URLs spell them."""

from __future__ import annotations

import errno
import os
import socket

from lambd.model.errors import UnavailableError

_BACKLOG = 1024


def authority_of(host: str, port: int) -> str:
    """Host and port as in a URL: an IPv6 address is in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_on(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens, for an event loop.

    Args:
        host: an address of either family, or a name of an IPv4 address.
        port: 0 for any that is free.
        setting: what chooses the port, for the message.

    Raises:
        UnavailableError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # `create_server` puts the address into its text.
        number = error.errno or 0
        reason = os.strerror(number) if number in errno.errorcode else error.strerror
        hint = ""
        if number == errno.EADDRINUSE:
            hint = f" Is another server running there? Choose another port with {setting}."
        raise UnavailableError(
            f"Cannot listen on {authority_of(host, port)}: {reason}.{hint}"
        ) from error
    sock.setblocking(False)
    return sock
