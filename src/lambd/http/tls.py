"""TLS for a server: its context, and what a connection tells of it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from lambd.http.messages import Peer
from lambd.model.errors import UnavailableError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with a certificate; HTTP/1.1 is what is spoken.

    Args:
        certificate: PEM, with its chain.
        key: PEM, without a password.

    Raises:
        UnavailableError: they cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password, so that nobody is asked for one.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise UnavailableError(
            f"TLS cannot be served with the certificate {certificate} and the key {key}: {error}"
        ) from error
    return context


def peer_of(transport: asyncio.Transport) -> Peer:
    """Who is at the other end, over TLS or not."""
    name = transport.get_extra_info("peername")
    address = str(name[0]) if isinstance(name, tuple) else ""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return Peer(address)
    cipher = tls.cipher()
    return Peer(address, tls.version() or "", cipher[0] if cipher else "")
