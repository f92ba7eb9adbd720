"""Download links for stored code (`Code.Location` of GetFunction): signed, valid ten minutes.

The link names the blob, not the function, so it keeps working while the function changes, as
AWS's presigned S3 links do. The key lives as long as the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from lambd.http.messages import Request, Response
from lambd.model.limits import CODE_LINK_VALID_S
from lambd.store.blobs import BlobStore


class CodeLinks:
    """Makes and serves the links."""

    PATH = "/_lambd/code/"

    def __init__(self, blobs: Callable[[str], BlobStore | None], base_url: str) -> None:
        """Args:
        blobs: a region's archives; None: no such region is open.
        base_url: where the platform is reached.
        """
        self._blobs = blobs
        self._base_url = base_url
        self._key = os.urandom(32)

    def link(self, region: str, sha256: str) -> str:
        """A URL at which a region's archive can be downloaded for ten minutes from now."""
        name = f"{region}/{sha256}"
        expires = int(time.time()) + CODE_LINK_VALID_S
        signature = self._sign(name, expires)
        return f"{self._base_url}{self.PATH}{name}?Expires={expires}&Signature={signature}"

    async def serve(self, request: Request) -> Response:
        """Answer a GET of a link: 403 as S3 does when it is forged or expired."""
        name = request.path[len(self.PATH) :]
        query = parse_qs(request.query)
        expires = query.get("Expires", ["0"])[0]
        signature = query.get("Signature", [""])[0]
        if not expires.isascii() or not expires.isdigit() or int(expires) < time.time():
            return _denied("Request has expired")
        if not hmac.compare_digest(
            self._sign(name, int(expires)).encode(), signature.encode("utf-8", "replace")
        ):
            return _denied("The request signature does not match")
        region, _, sha256 = name.partition("/")
        blobs = self._blobs(region)
        try:
            body = await asyncio.to_thread(blobs.path(sha256).read_bytes) if blobs else None
        except FileNotFoundError:
            body = None
        if body is None:
            return Response(404, [("Content-Type", "application/xml")], b"<Error/>")
        return Response(200, [("Content-Type", "application/zip")], body)

    def _sign(self, name: str, expires: int) -> str:
        return hmac.new(self._key, f"{name} {expires}".encode(), hashlib.sha256).hexdigest()


def _denied(text: str) -> Response:
    body = f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>".encode()
    return Response(403, [("Content-Type", "application/xml")], body)
