"""What the platform's port answers, in order: the first route that has a handler has the request.

Until callers are authenticated, web pages must not be among them: a browser sends some requests of
any page without asking first, and says so by an Origin or a Sec-Fetch-Site header, or sends them to a
name of the page's own that leads here. All are refused, but for function URLs, whose owners decide by
CORS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from lambd.access.authority import Authority
from lambd.access.sigv4 import signed_region
from lambd.api.call import LambdaApi
from lambd.api.operations import HANDLERS
from lambd.api.operations import Handler as LambdaHandler
from lambd.frontend.code_links import CodeLinks
from lambd.frontend.hosts import HostKind
from lambd.frontend.operations import LambdaOperations, OtherServices
from lambd.frontend.pages import OwnPages
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.unserved import UnservedServices, speak_as
from lambd.frontend.visits import Handler, Visit, refusal
from lambd.http.messages import Response
from lambd.model.errors import AccessDeniedError, InvalidSignatureError, PlatformError
from lambd.services.service import Service
from lambd.urls.serve import FunctionUrls
from lambd.wire.directory import Directory, load_directory

# Gives the handler of a request that is its own, None for all others.
Route = Callable[[Visit], Handler | None]

_WEB_PAGE = "The API does not answer web pages: the request has"
# Values of Sec-Fetch-Site: a page of another origin has asked, by a link or as a part of itself.
_PAGES = frozenset({"cross-site", "same-site"})
_NO_REGION = "Credential should be scoped to a valid region, not '{}'. "
_FOREIGN = "The API is not served at the host {}: the setting allowed_hosts names others"


def routes(
    *,
    authority: Authority,
    lambda_api: LambdaApi,
    lambda_handlers: Mapping[str, LambdaHandler] = HANDLERS,
    services: Iterable[Service],
    code_links: CodeLinks,
    function_urls: FunctionUrls,
    limits: RequestLimits,
) -> Contents:
    """The tables of contents of a region; what no route takes is no operation."""
    lambda_operations = LambdaOperations(
        api=lambda_api, handlers=lambda_handlers, authority=authority, limits=limits
    )
    services = tuple(services)
    other_services = OtherServices(services, authority=authority, limits=limits)
    served = {"lambda", *(each.model.service for each in services)}
    directory = load_directory()
    # <id>.lambda-url.<region>...: function URLs; no name, or one that is not ours: refused.
    by_host = HostRoutes(function_urls, directory).route
    # Signed for, or otherwise named, a service that is not here: told so.
    unserved = UnservedServices(directory, served).route
    return Contents(
        here=(
            by_host,
            # An Origin header, or another sign of a web page: refused.
            web_pages,
            # /_lambd/health, /_lambd/code/...
            OwnPages(code_links).route,
            # X-Amz-Target: logs, Application Auto Scaling, EventBridge, ...
            other_services.route_target,
            # /2015-03-31/functions/...: Lambda, by method and path.
            lambda_operations.route,
            unserved,
            # /schedules/...: the other services, by method and path.
            other_services.route_path,
        ),
        nowhere=(by_host, web_pages, unserved, no_region),
    )


class Contents(NamedTuple):
    """What is answered."""

    # Requests for the region, in order.
    here: tuple[Route, ...]
    # Requests that are signed for a region that AWS has not.
    nowhere: tuple[Route, ...]


class HostRoutes:
    """What is told by the Host header alone."""

    def __init__(self, function_urls: FunctionUrls, directory: Directory) -> None:
        self._function_urls = function_urls
        self._directory = directory

    def route(self, visit: Visit) -> Handler | None:
        """None for requests to the API."""
        kind = visit.host.kind
        if kind is HostKind.API:
            return None
        if kind is HostKind.FUNCTION_URL:
            return self._serve_url
        return _refuse_malformed if kind is HostKind.MALFORMED else self._refuse_foreign

    def _serve_url(self, visit: Visit) -> Awaitable[None] | None:
        visit.tell = _tell_of_url
        return self._function_urls.serve(visit.exchange, visit.host, visit.request_id)

    def _refuse_foreign(self, visit: Visit) -> None:
        speak_as(visit, self._directory)
        raise AccessDeniedError(_FOREIGN.format(visit.host.name))


def no_region(visit: Visit) -> Handler:
    """Refuse a signature for a region that there is not."""
    return refusal(InvalidSignatureError, _NO_REGION.format(signed_region(visit.request)))


def web_pages(visit: Visit) -> Handler | None:
    """Refuse what a browser sends of a page; what its user typed himself passes."""
    headers = visit.request.headers
    if "origin" in headers:
        return _refuse_page
    return _refuse_embedding if headers.get("sec-fetch-site") in _PAGES else None


_refuse_page = refusal(AccessDeniedError, f"{_WEB_PAGE} an Origin header")
_refuse_embedding = refusal(AccessDeniedError, f"{_WEB_PAGE} a Sec-Fetch-Site header of one")


def _refuse_malformed(visit: Visit) -> None:
    # Whatever is in front may see another request in this: nothing follows it.
    text = b"Bad Request: one Host header is needed"
    visit.exchange.respond(Response(400, [("Content-Type", "text/plain")], text), close=True)


def _tell_of_url(error: PlatformError) -> Response:
    """A fault of ours, since the function URLs tell all else themselves."""
    del error
    return Response(500, [("Content-Type", "text/plain")], b"Internal Server Error")
