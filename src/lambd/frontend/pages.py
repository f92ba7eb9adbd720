"""The platform's own pages, below `/_lambd/`: whether it is there, and stored code."""

from __future__ import annotations

from lambd.frontend.code_links import CodeLinks
from lambd.frontend.visits import Handler, Visit
from lambd.http.messages import Response
from lambd.model.errors import PlatformError

_PLACE = "/_lambd/"
_HEALTH = "/_lambd/health"


class OwnPages:
    """See the module header."""

    def __init__(self, code_links: CodeLinks) -> None:
        self._code_links = code_links

    def route(self, visit: Visit) -> Handler | None:
        """The handler of a request below the platform's own path."""
        return self._serve if visit.request.path.startswith(_PLACE) else None

    async def _serve(self, visit: Visit) -> Response:
        visit.tell = _tell
        request = visit.request
        if request.method == "GET":
            if request.path == _HEALTH:
                return Response(200, [("Content-Type", "application/json")], b'{"status":"ok"}')
            if request.path.startswith(CodeLinks.PATH):
                return await self._code_links.serve(request)
        return Response(404, [("Content-Type", "text/plain")], b"Not Found")


def _tell(error: PlatformError) -> Response:
    return Response(500, [("Content-Type", "text/plain")], error.message.encode())
