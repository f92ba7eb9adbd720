"""The front door: one HTTP application for everything that the platform's port answers.

Host: <id>.lambda-url...           function URLs (hosts.py)
/_lambd/health, /_lambd/code/...   the platform's own pages
X-Amz-Target: a service's prefix   the services of JSON 1.1 (services/service.py)
everything else                    the Lambda API, by method and path, else the other REST services

Until callers are authenticated, web pages must not be among them: a browser sends some requests of
any page without asking first, and says so by an Origin header, or sends them to a name of the page's
own that leads here. Both are refused, but for function URLs, whose owners decide by CORS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

import structlog

from lambd.access.actions import lambda_action
from lambd.access.authority import Authority
from lambd.api.call import Call, LambdaApi, Members, Reply
from lambd.api.operations import (
    HANDLERS,
    IMMEDIATE_HANDLERS,
    STREAMING_HANDLERS,
    ImmediateHandler,
)
from lambd.api.unsupported import refuse_unsupported
from lambd.frontend.code_links import CodeLinks
from lambd.frontend.hosts import Host, HostKind, Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.http.exchanges import Exchange
from lambd.http.messages import RawHeaders, Response
from lambd.model.errors import (
    AccessDeniedError,
    PlatformError,
    UnavailableError,
    UnimplementedOperationError,
    UnknownOperationError,
)
from lambd.model.limits import Limits
from lambd.services.service import Service
from lambd.telemetry.ids import new_request_id
from lambd.urls.serve import FunctionUrls
from lambd.wire.errors import ErrorTable, encode_error, lambda_errors
from lambd.wire.service_model import (
    Operation,
    load_model,
)

_log = structlog.get_logger(__name__)

_OWN_PAGES = "/_lambd/"
_WEB_PAGE = "The API does not answer web pages: the request has an Origin header"
_FOREIGN = "The API is not served at the host {}: the setting allowed_hosts names others"
_CRASHED = "An error occurred and the request cannot be processed."


class FrontDoor:
    """See the module header. Implements `lambd.http.exchanges.Application`."""

    def __init__(
        self,
        *,
        hosts: Hosts,
        authority: Authority,
        lambda_api: LambdaApi,
        services: Iterable[Service],
        code_links: CodeLinks,
        function_urls: FunctionUrls,
        limits: Limits,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._hosts = hosts
        self._authority = authority
        self._lambda_api = lambda_api
        services = tuple(services)
        self._json_services = {
            each.model.target_prefix: each for each in services if each.model.protocol == "json"
        }
        self._rest_services = [each for each in services if each.model.protocol == "rest-json"]
        self._code_links = code_links
        self._function_urls = function_urls
        self._limits = RequestLimits(limits, hosts)
        self._tasks = tasks
        self._lambda_model = load_model("lambda")

    def body_limit(self, method: str, path: str, headers: RawHeaders) -> int:
        """By path and host."""
        del method
        return self._limits.body_bytes(path, headers)

    def handle(self, exchange: Exchange) -> None:
        """Route one request."""
        request = exchange.request
        headers = request.headers
        host = self._hosts.find(headers.get("host"))
        if host.kind is not HostKind.API or "origin" in headers:
            self._handle_apart(exchange, host)
            return
        if request.path.startswith(_OWN_PAGES):
            self._tasks.create_task(self._serve_page(exchange, self._own_page))
            return
        target = headers.get("x-amz-target")
        if target is not None:
            service = self._json_services.get(target.partition(".")[0])
            if service is not None:
                self._serve_other(exchange, service, service.model.by_target(target), {})
                return
        match = self._lambda_model.match(request.method, request.path, request.query)
        operation, labels = match if match is not None else (None, {})
        if operation is not None:
            handler = _immediate_handler(exchange, operation)
            if handler is not None:
                self._serve_immediate(exchange, operation, labels, handler)
                return
        elif self._serve_rest(exchange):
            return
        self._tasks.create_task(
            self._serve(exchange, operation, labels, self._call_lambda, lambda_errors())
        )

    def _serve_rest(self, exchange: Exchange) -> bool:
        """Serve a request for a REST service other than Lambda; False if it is for none."""
        request = exchange.request
        for service in self._rest_services:
            match = service.model.match(request.method, request.path, request.query)
            if match is not None:
                self._serve_other(exchange, service, *match)
                return True
        return False

    def _serve_other(
        self,
        exchange: Exchange,
        service: Service,
        operation: Operation | None,
        labels: Mapping[str, str],
    ) -> None:
        call = partial(self._call_service, service)
        self._tasks.create_task(self._serve(exchange, operation, labels, call, service.errors))

    def _handle_apart(self, exchange: Exchange, host: Host) -> None:
        """Take a request that is not for the API, or should not be."""
        if host.kind is HostKind.FUNCTION_URL:
            self._tasks.create_task(self._serve_url(exchange, host))
        elif host.kind is HostKind.MALFORMED:
            text = b"Bad Request: one Host header is needed"
            exchange.respond(Response(400, [("Content-Type", "text/plain")], text), close=True)
        else:
            message = _WEB_PAGE if host.kind is HostKind.API else _FOREIGN.format(host.name)
            response = encode_error(AccessDeniedError(message), None)
            response.headers.append(("x-amzn-RequestId", new_request_id()))
            exchange.respond(response)

    async def _serve(
        self,
        exchange: Exchange,
        operation: Operation | None,
        labels: Mapping[str, str],
        call: Callable[[Operation, Mapping[str, str], Exchange, str], Awaitable[Response]],
        errors: ErrorTable,
    ) -> None:
        """Answer one API request, whatever happens."""
        request_id = new_request_id()
        try:
            response = await call(_known(operation), labels, exchange, request_id)
        except Exception as error:  # noqa: BLE001 - a task root: whatever it is, it is answered
            response = _error_response(error, operation, request_id, errors)
        response.headers.append(("x-amzn-RequestId", request_id))
        exchange.respond(response)

    def _serve_immediate(
        self,
        exchange: Exchange,
        operation: Operation,
        labels: Mapping[str, str],
        handler: ImmediateHandler,
    ) -> None:
        """Answer a request on the warm path: no task unless the store has to be asked first."""
        request_id = new_request_id()
        try:
            call, pending = self._admit(operation, labels, exchange, request_id)
            reply = partial(self._reply, exchange, operation, call)
            if pending is None:
                handler(self._lambda_api, call, reply)
            else:
                self._tasks.create_task(self._serve_later(pending, handler, call, reply))
        except Exception as error:  # noqa: BLE001 - a request root
            response = _error_response(error, operation, request_id)
            response.headers.append(("x-amzn-RequestId", request_id))
            exchange.respond(response)

    async def _serve_later(
        self, pending: Awaitable[None], handler: ImmediateHandler, call: Call, reply: Reply
    ) -> None:
        try:
            await pending
            handler(self._lambda_api, call, reply)
        except PlatformError as error:
            reply(error)
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("request_crashed", request_id=call.request_id)
            reply(UnavailableError(_CRASHED))

    def _reply(
        self,
        exchange: Exchange,
        operation: Operation,
        call: Call,
        outcome: Members | PlatformError,
    ) -> None:
        """Send what a request on the warm path came to."""
        if isinstance(outcome, PlatformError):
            response = _error_response(outcome, operation, call.request_id)
        else:
            response = operation.encode(outcome)
            if call.extra_headers is not None:
                response.headers.extend(call.extra_headers)
        response.headers.append(("x-amzn-RequestId", call.request_id))
        exchange.respond(response)

    def _admit(
        self, operation: Operation, labels: Mapping[str, str], exchange: Exchange, request_id: str
    ) -> tuple[Call, Awaitable[None] | None]:
        """Decode a request, refuse what is not built, judge its caller.

        Awaitable if the store has to be asked.
        """
        if exchange.body_exceeded:
            raise self._limits.too_large(operation.name, exchange.request)
        request = exchange.request
        principal = self._authority.authenticate(request)
        call = Call(operation.decode(request, labels), request_id, request, principal)
        refuse_unsupported(operation.name, call.params)
        asked = lambda_action(operation.name, call.params, self._lambda_api.scope)
        return call, self._authority.authorise(principal, *asked, request)

    async def _call_lambda(
        self, operation: Operation, labels: Mapping[str, str], exchange: Exchange, request_id: str
    ) -> Response:
        handler = HANDLERS.get(operation.name)
        if handler is None:
            raise UnimplementedOperationError
        call, pending = self._admit(operation, labels, exchange, request_id)
        if pending is not None:
            await pending
        response = operation.encode(await handler(self._lambda_api, call))
        if call.extra_headers is not None:
            response.headers.extend(call.extra_headers)
        return response

    async def _call_service(
        self,
        service: Service,
        operation: Operation,
        labels: Mapping[str, str],
        exchange: Exchange,
        request_id: str,
    ) -> Response:
        del request_id
        if exchange.body_exceeded:
            raise self._limits.too_large(operation.name, exchange.request)
        return await service.call(operation, labels, exchange.request, self._authority)

    async def _serve_page(
        self, exchange: Exchange, page: Callable[[Exchange], Awaitable[Response]]
    ) -> None:
        try:
            response = await page(exchange)
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("page_failed", path=exchange.request.path)
            response = Response(500)
        exchange.respond(response)

    async def _serve_url(self, exchange: Exchange, host: Host) -> None:
        try:
            await self._function_urls.serve(exchange, host)
        except Exception:  # noqa: BLE001 - a task root
            _log.exception("function_url_crashed", path=exchange.request.path)
            exchange.respond(Response(500))

    async def _own_page(self, exchange: Exchange) -> Response:
        request = exchange.request
        if request.path == "/_lambd/health" and request.method == "GET":
            return Response(200, [("Content-Type", "application/json")], b'{"status":"ok"}')
        if request.path.startswith(CodeLinks.PATH) and request.method == "GET":
            return await self._code_links.serve(request)
        return Response(404, [("Content-Type", "text/plain")], b"Not Found")


def _immediate_handler(exchange: Exchange, operation: Operation) -> ImmediateHandler | None:
    """The handler of an operation on the warm path; None for all others."""
    immediate = IMMEDIATE_HANDLERS.get(operation.name)
    if immediate is not None:
        return immediate
    streaming = STREAMING_HANDLERS.get(operation.name)
    if streaming is None:
        return None
    return lambda api, call, reply: streaming(api, call, reply, exchange, operation)


def _known(operation: Operation | None) -> Operation:
    if operation is None:
        raise UnknownOperationError
    return operation


def _error_response(
    error: Exception,
    operation: Operation | None,
    request_id: str,
    errors: ErrorTable | None = None,
) -> Response:
    """What the caller reads of an error; faults of ours are logged with the request id."""
    errors = errors or lambda_errors()
    if not isinstance(error, PlatformError):
        _log.error("request_crashed", request_id=request_id, exc_info=error)
        error = UnavailableError(_CRASHED)
        return errors.encode(error, operation)
    response = errors.encode(error, operation)
    if response.status >= 500:
        _log.error(
            "request_failed",
            request_id=request_id,
            operation=operation.name if operation is not None else None,
            error=error.message,
        )
    return response
