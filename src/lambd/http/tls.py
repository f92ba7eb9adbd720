"""TLS for a server: its context, and the application that knows a request came that way."""

from __future__ import annotations

import ssl
from pathlib import Path

from lambd.http.exchanges import Application, Exchange
from lambd.http.messages import RawHeaders
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


class SecureApplication:
    """Marks the requests of another application as having come over TLS."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """The other's."""
        return self._application.body_limit(method, path, headers)

    def handle(self, exchange: Exchange) -> None:
        """Mark a request and pass it on."""
        exchange.request.is_secure = True
        self._application.handle(exchange)
