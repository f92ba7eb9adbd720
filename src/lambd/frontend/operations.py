"""Operations of AWS's models at the door: decode, judge the caller, run, encode; Lambda's and others'."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import partial

from lambd.access.actions import lambda_action
from lambd.access.authority import Authority
from lambd.api.call import Call, LambdaApi, Members
from lambd.api.operations import Handler as LambdaHandler
from lambd.api.unsupported import refuse_unsupported
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.visits import Handler, Visit
from lambd.http.messages import Response
from lambd.model.errors import (
    PlatformError,
    UnimplementedOperationError,
    UnknownOperationError,
)
from lambd.services.service import Service
from lambd.wire.errors import lambda_errors
from lambd.wire.service_model import Operation, load_model


class LambdaOperations:
    """Lambda's operations, by method and path; safe for concurrent calls."""

    def __init__(
        self,
        *,
        api: LambdaApi,
        handlers: Mapping[str, LambdaHandler],
        authority: Authority,
        limits: RequestLimits,
    ) -> None:
        """Args:
        handlers: by the operation's name; those without one are answered by 501.
        """
        self._model = load_model("lambda")
        self._handlers = {
            operation: _LambdaOperation(operation, handlers.get(name), api, authority, limits)
            for name, operation in self._model.operations.items()
        }

    def route(self, visit: Visit) -> Handler | None:
        """The handler of a request that is for one of them."""
        request = visit.request
        match = self._model.match(request.method, request.path, request.query)
        if match is None:
            return None
        operation, visit.labels = match
        return self._handlers[operation]


class _LambdaOperation:
    """One of them, as a handler."""

    __slots__ = ("_api", "_authority", "_handler", "_limits", "_operation", "_tell")

    def __init__(
        self,
        operation: Operation,
        handler: LambdaHandler | None,
        api: LambdaApi,
        authority: Authority,
        limits: RequestLimits,
    ) -> None:
        self._operation = operation
        self._handler = handler
        self._api = api
        self._authority = authority
        self._limits = limits
        self._tell = partial(lambda_errors().encode, operation=operation)

    def __call__(self, visit: Visit) -> Awaitable[Response | None] | None:
        """The warm path: nothing to wait for unless the handler, or the store, has to be asked."""
        visit.tell = self._tell
        operation, request, exchange = self._operation, visit.request, visit.exchange
        handler = self._handler
        if handler is None:
            raise UnimplementedOperationError
        if exchange.body_exceeded:
            raise self._limits.too_large(operation.name, request)
        principal = self._authority.authenticate(request)
        params = operation.decode(request, visit.labels)
        refuse_unsupported(operation.name, params)
        reply = partial(self._reply, visit)
        call = Call(operation, params, exchange, visit.request_id, principal, reply)
        asked = lambda_action(operation.name, params, self._api.scope)
        judging = self._authority.authorise(principal, *asked, request)
        if judging is not None:
            return self._run_later(judging, handler, call)
        members = handler(self._api, call)
        return None if members is None else self._encode_later(members)

    async def _run_later(
        self, judging: Awaitable[None], handler: LambdaHandler, call: Call
    ) -> Response | None:
        await judging
        members = handler(self._api, call)
        return None if members is None else self._operation.encode(await members)

    async def _encode_later(self, members: Awaitable[Members]) -> Response:
        return self._operation.encode(await members)

    def _reply(self, visit: Visit, outcome: Members | PlatformError) -> None:
        """Send what a request on the warm path came to; whoever calls this hears of no error."""
        if isinstance(outcome, PlatformError):
            visit.fail(outcome)
            return
        try:
            response = self._operation.encode(outcome)
        except Exception as error:  # noqa: BLE001 - a request root: it is answered, and logged
            visit.fail(error)
        else:
            visit.exchange.respond(response)


class OtherServices:
    """The operations of the services beside Lambda; safe for concurrent calls."""

    def __init__(
        self, services: Iterable[Service], *, authority: Authority, limits: RequestLimits
    ) -> None:
        services = tuple(services)
        # By the prefix of their targets.
        self._targeted = {
            each.model.target_prefix: each for each in services if each.model.target_prefix
        }
        self._rest = [each for each in services if not each.model.target_prefix]
        self._authority = authority
        self._limits = limits

    def route_target(self, visit: Visit) -> Handler | None:
        """The handler of a request whose X-Amz-Target names one of the JSON protocols'."""
        target = visit.request.headers.get("x-amz-target")
        if target is None:
            return None
        service = self._targeted.get(target.partition(".")[0])
        if service is None:
            return None
        return partial(self._serve, service, service.model.by_target(target))

    def route_path(self, visit: Visit) -> Handler | None:
        """The handler of a request whose method and path are one of the REST protocols'."""
        request = visit.request
        for service in self._rest:
            match = service.model.match(request.method, request.path, request.query)
            if match is not None:
                operation, visit.labels = match
                return partial(self._serve, service, operation)
        return None

    def _serve(
        self, service: Service, operation: Operation | None, visit: Visit
    ) -> Awaitable[Response]:
        """A handler; None: the service has no operation of that name."""
        visit.tell = partial(service.errors.encode, operation=operation)
        if operation is None:
            raise UnknownOperationError
        if visit.exchange.body_exceeded:
            raise self._limits.too_large(operation.name, visit.request)
        return service.call(operation, visit.labels, visit.request, self._authority)
