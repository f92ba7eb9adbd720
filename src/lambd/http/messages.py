"""A whole HTTP request and a whole response, as the server and the wire layer hand them around."""

from __future__ import annotations

from dataclasses import dataclass, field

RawHeaders = list[tuple[bytes, bytes]]

# Names of headers as they came and in lower case: clients send the same few again and again.
_NAMES: dict[bytes, str] = {}
_NAMES_REMEMBERED = 1000
_NAME_BYTES = 64


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, and what protects it."""

    address: str = "127.0.0.1"
    # As OpenSSL names them (`TLSv1.3`, `TLS_AES_256_GCM_SHA384`); None without TLS.
    tls_version: str | None = None
    cipher_suite: str | None = None


_LOCAL = Peer()


class Request:
    """One request, read completely.

    `path` is the raw path, still percent-encoded (an ARN in a label may hold `%2F`); `query` is
    the raw query string without `?`. Text is decoded as latin-1, so nothing is lost.
    """

    __slots__ = ("_headers", "_raw_headers", "body", "method", "path", "peer", "query")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str] | RawHeaders,
        body: bytes,
        peer: Peer = _LOCAL,
    ) -> None:
        """Take headers decoded, or as they came: the warm path needs few of them."""
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.peer = peer
        self._headers: dict[str, str] | None = None
        self._raw_headers: RawHeaders = []
        if isinstance(headers, dict):
            self._headers = headers
        else:
            self._raw_headers = headers

    @property
    def is_secure(self) -> bool:
        """Whether it came over TLS."""
        return self.peer.tls_version is not None

    @property
    def headers(self) -> dict[str, str]:
        """All headers: names in lower case, values of repeated ones joined by `,`, as in events."""
        headers = self._headers
        if headers is None:
            headers = {}
            for name, value in self._raw_headers:
                key = _NAMES.get(name) or _lower(name)
                text = value.decode("latin-1")
                headers[key] = f"{headers[key]},{text}" if key in headers else text
            self._headers = headers
        return headers

    def header_pairs(self) -> list[tuple[str, str]]:
        """All headers as they came, one by one; names in lower case."""
        if self._raw_headers:
            return [
                (_NAMES.get(name) or _lower(name), value.decode("latin-1"))
                for name, value in self._raw_headers
            ]
        return list((self._headers or {}).items())

    def has_header(self, name: bytes) -> bool:
        """Whether a header (its name in lower case) was sent; cheaper than `headers`."""
        if self._headers is not None:
            return name.decode("latin-1") in self._headers
        size = len(name)
        return any(len(key) == size and key.lower() == name for key, _ in self._raw_headers)


def _lower(name: bytes) -> str:
    """A header's name in lower case, to be remembered."""
    text = name.decode("latin-1").lower()
    if len(name) <= _NAME_BYTES:
        if len(_NAMES) >= _NAMES_REMEMBERED:
            _NAMES.clear()
        _NAMES[name] = text
    return text


@dataclass(slots=True)
class Response:
    """One response with a whole body; the server adds Content-Length and Date."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    # The whole response as bytes, for one that is always the same on a connection that goes on.
    encoded: bytes | None = None
