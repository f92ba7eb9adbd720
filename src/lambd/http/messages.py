"""A whole HTTP request and a whole response, as the server and the wire layer hand them around."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """One request, read completely.

    `path` is the raw path, still percent-encoded (an ARN in a label may hold `%2F`); `query` is
    the raw query string without `?`. Header names are lower-case; repeated ones are joined by
    `, `. Text is decoded as latin-1, so nothing is lost.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Response:
    """One response with a whole body; the server adds Content-Length and Date."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
