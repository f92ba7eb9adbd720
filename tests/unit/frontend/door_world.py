"""A door with everything behind it replaced: what is asked of it, and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from lambd.access.authority import Authority
from lambd.api.call import Call, LambdaApi, Members
from lambd.api.operations import Handler as LambdaHandler
from lambd.control.context import ControlContext
from lambd.frontend.app import FrontDoor
from lambd.frontend.code_links import CodeLinks
from lambd.frontend.hosts import Hosts
from lambd.frontend.request_limits import RequestLimits
from lambd.frontend.routes import Contents, Route, routes
from lambd.http.exchanges import Exchange, Headers, ResponseStream
from lambd.http.messages import Request, Response
from lambd.model.arns import Scope
from lambd.model.errors import PlatformError
from lambd.model.function_controls import FunctionControls
from lambd.model.limits import Limits
from lambd.model.policies import Principal
from lambd.runtimes import catalogue
from lambd.services.eventbridge.errors import error_table as eventbridge_errors
from lambd.services.scheduler.errors import error_table as scheduler_errors
from lambd.services.service import Service
from lambd.store.controls_cache import ControlsCache
from lambd.urls.serve import FunctionUrls, UrlHost

SCOPE = Scope(account_id="000000000000", region="us-east-1")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
URL_HOST = f"{'a' * 32}.lambda-url.us-east-1.localhost"
INVOKE = "/2015-03-31/functions/f/invocations"


@dataclass
class FakeConnection:
    """Keeps what is answered; implements `lambd.http.exchanges.Connection`."""

    sent: list[Response] = field(default_factory=list)
    is_closed: bool = False
    parts: list[bytes] = field(default_factory=list)
    head: tuple[int, list[tuple[str, str]]] | None = None

    def send(self, response: Response, *, close: bool) -> None:
        """Keep it."""
        self.sent.append(response)
        self.is_closed = close

    def start_stream(
        self, stream: ResponseStream, status: int, headers: Headers, *, close: bool
    ) -> None:
        """Keep the head."""
        del stream, close
        self.head = status, list(headers)

    def write_part(self, data: bytes) -> bool:
        """Keep the part."""
        self.parts.append(data)
        return True

    def end_stream(self, trailers: Headers) -> None:
        """Nothing is sent after it."""

    def cut_stream(self) -> None:
        """Nothing is sent after it."""

    def pause_body(self) -> None:
        """Bodies are whole here."""

    def resume_body(self) -> None:
        """Bodies are whole here."""


class FakeUrls(FunctionUrls):
    """Function URLs that answer with the request id, or do as the test says."""

    def __init__(self) -> None:
        self.does: Callable[[], None] = lambda: None

    async def serve(self, exchange: Exchange, host: UrlHost, request_id: str) -> None:
        """Answer."""
        self.does()
        exchange.respond(Response(200, [], f"url {host.url_id} {request_id}".encode()))


class FakeLinks(CodeLinks):
    """Links that all lead to the same archive."""

    def __init__(self) -> None:
        self.does: Callable[[], None] = lambda: None

    async def serve(self, request: Request) -> Response:
        """Answer."""
        self.does()
        return Response(200, [], b"zip")


def invoke(api: LambdaApi, call: Call) -> None:
    """Answer at once, with the event."""
    del api
    call.reply({"StatusCode": 200, "Payload": call.params.get("Payload", b"")})


async def get_function(api: LambdaApi, call: Call) -> Members:
    """Answer after a while."""
    del api
    await asyncio.sleep(0)
    return {"Tags": {"name": call.params["FunctionName"]}}


async def _events(context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"RuleNames": [params["TargetArn"]]}


async def _schedules(context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"Name": params["Name"]}


def _context(principal: Principal) -> ControlContext:
    return ControlContext(
        principal=principal, scope=SCOPE, limits=Limits(), now=NOW, runtimes=catalogue
    )


async def _read_controls(name: str) -> FunctionControls | None:
    del name
    return FunctionControls()


class FakeRegions:
    """One region that is open, one that is not yet, and no other."""

    default = "us-east-1"

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._open = {self.default}

    def routes(self, region: str) -> Sequence[Route] | None:
        """Those of the open ones."""
        return self._contents.here if region in self._open else None

    async def open_routes(self, region: str) -> Sequence[Route]:
        """Open the second one."""
        if region != "eu-west-1":
            return self._contents.nowhere
        self._open.add(region)
        return self._contents.here


class DoorWorld:
    """Use it as a context: at its end every handler has ended."""

    def __init__(self, handlers: Mapping[str, LambdaHandler] | None = None) -> None:
        self.tasks = asyncio.TaskGroup()
        self.urls = FakeUrls()
        self.links = FakeLinks()
        hosts = Hosts(url_domain="localhost")
        limits = RequestLimits(Limits(), hosts)
        contents = routes(
            authority=Authority(SCOPE, ControlsCache(_read_controls)),
            lambda_api=cast("LambdaApi", SimpleNamespace(scope=SCOPE)),
            lambda_handlers=handlers or {"Invoke": invoke, "GetFunction": get_function},
            services=[
                Service(
                    errors=eventbridge_errors(),
                    handlers={"ListRuleNamesByTarget": _events},
                    contexts=_context,
                ),
                Service(
                    errors=scheduler_errors(),
                    handlers={"GetSchedule": _schedules},
                    contexts=_context,
                ),
            ],
            code_links=self.links,
            function_urls=self.urls,
            limits=limits,
        )
        self.regions = FakeRegions(contents)
        self.door = FrontDoor(hosts=hosts, limits=limits, regions=self.regions, tasks=self.tasks)

    async def ask(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        host: str | None = "localhost:4566",
        body_exceeded: bool = False,
    ) -> Answer:
        """What the door answers to a request."""
        connection = FakeConnection()
        path, _, query = target.partition("?")
        named = [] if host is None else [("host", host)]
        sent = [(name.encode(), value.encode()) for name, value in [*named, *headers]]
        request = Request(method, path, query, sent, body)
        async with self.tasks:
            self.door.handle(Exchange(request, connection, body_exceeded=body_exceeded))
        (response,) = connection.sent
        return Answer(response, is_closed=connection.is_closed)


class Answer:
    """One answer, taken apart."""

    def __init__(self, response: Response, *, is_closed: bool) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers}
        self.body = response.body
        self.is_closed = is_closed

    @property
    def error(self) -> str:
        """The type that it names."""
        return self.headers["x-amzn-errortype"]

    @property
    def members(self) -> dict[str, Any]:
        """The body, which is JSON."""
        members: dict[str, Any] = json.loads(self.body)
        return members


def failing(error: Exception) -> LambdaHandler:
    """A handler that fails before it gives anything to wait for."""

    def fail(api: LambdaApi, call: Call) -> Awaitable[Members]:
        raise error

    return fail


def failing_later(error: Exception) -> LambdaHandler:
    """A handler that fails while it is waited for."""

    async def fail(api: LambdaApi, call: Call) -> Members:
        await asyncio.sleep(0)
        raise error

    return fail


def replying(outcome: Members | PlatformError) -> LambdaHandler:
    """A handler that calls back."""
    return lambda api, call: call.reply(outcome)
