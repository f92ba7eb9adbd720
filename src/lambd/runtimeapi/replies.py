"""Answers that the APIs inside a sandbox share."""

from __future__ import annotations

import json

from lambd.http.messages import Response

JSON = ("Content-Type", "application/json")
ACCEPTED = Response(
    202,
    [JSON],
    b'{"status":"OK"}\n',
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"status":"OK"}\n',
)


def error_reply(status: int, error_type: str, message: str) -> Response:
    """An error as AWS's APIs inside the environment write it."""
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return Response(status, [JSON], body)
