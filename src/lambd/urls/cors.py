"""What function URLs say to browsers: CORS, as the URL's owner has configured it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lambd.http.messages import Request, Response
from lambd.model.function_controls import Cors

_PREFIX = "access-control-"


def preflight(cors: Cors, request: Request) -> Response | None:
    """The answer to a preflight request; None if it is another kind of request."""
    headers = request.headers
    if request.method != "OPTIONS" or "access-control-request-method" not in headers:
        return None
    reply = cors_headers(cors, headers)
    if reply:
        for name, values in (
            ("Access-Control-Allow-Methods", cors.allow_methods),
            ("Access-Control-Allow-Headers", cors.allow_headers),
        ):
            if values:
                reply.append((name, ",".join(values)))
        if cors.max_age_s is not None:
            reply.append(("Access-Control-Max-Age", str(cors.max_age_s)))
    return Response(200, reply)


def cors_headers(cors: Cors, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What any answer says to a browser; nothing if the origin is not allowed."""
    origin = headers.get("origin")
    allowed = cors.allow_origins or ()
    if origin is None or not ("*" in allowed or origin in allowed):
        return []
    reply = [
        (
            "Access-Control-Allow-Origin",
            origin if cors.allow_credentials else _shown(allowed, origin),
        ),
        ("Vary", "Origin"),
    ]
    if cors.allow_credentials:
        reply.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose_headers:
        reply.append(("Access-Control-Expose-Headers", ",".join(cors.expose_headers)))
    return reply


def headers_with_cors(
    headers: list[tuple[str, str]], cors: Cors, sent: Mapping[str, str]
) -> list[tuple[str, str]]:
    """An answer's headers with the URL's CORS headers, if the request gets any.

    Those of the function's own are never sent beside a configuration, which alone decides.
    """
    kept = [item for item in headers if not item[0].lower().startswith(_PREFIX)]
    return kept + cors_headers(cors, sent)


def _shown(allowed: tuple[str, ...], origin: str) -> str:
    return "*" if "*" in allowed else origin
