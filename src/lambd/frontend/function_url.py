"""Answers requests to function URLs: `http://<id>.lambda-url.<region>.localhost:<port>/`.

Told apart from the API by the Host header. The URL decides nothing but its CORS headers: whether
anyone may call it is the function's resource policy's business, which must allow `*` both
`lambda:InvokeFunctionUrl` and `lambda:InvokeFunction` (api.md section 9.1). Answers to what goes
wrong: invoke.md section 11.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from lambd.frontend.auth import Authority, context_of
from lambd.frontend.url_events import (
    BadFunctionResponseError,
    UrlCall,
    decode_result,
    encode_event,
    preflight,
    with_cors,
)
from lambd.http.messages import Request, Response
from lambd.invoke.pipeline import InvokePipeline
from lambd.invoke.settings import SettingsCache
from lambd.model.arns import LATEST, FunctionReference
from lambd.model.errors import (
    AccessDeniedError,
    NotFoundError,
    PlatformError,
    RequestTooLargeError,
    ThrottledError,
)
from lambd.model.invocations import InvocationRequest, InvocationType
from lambd.model.policies import Principal, PrincipalKind
from lambd.model.settings import FunctionUrl
from lambd.store.database import FunctionChanged

_log = structlog.get_logger(__name__)

_HOST = re.compile(r"([a-z0-9]{32})\.lambda-url\.[a-z0-9-]+\..+")
_ANYONE = Principal(kind=PrincipalKind.ANONYMOUS, name="anonymous")
_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
# Reads a URL by its id from the store.
UrlReader = Callable[[str], Awaitable[FunctionUrl | None]]


class FunctionUrls:
    """See the module header."""

    def __init__(
        self,
        *,
        read: UrlReader,
        authority: Authority,
        settings: SettingsCache,
        pipeline: InvokePipeline,
    ) -> None:
        self._read = read
        self._authority = authority
        self._settings = settings
        self._pipeline = pipeline
        # By function name, then by id; dropped when the function changes.
        self._ids: dict[str, FunctionUrl] = {}
        self._changes = 0

    @staticmethod
    def is_for(request: Request) -> bool:
        """Whether a request is for a function URL and not for the API."""
        return ".lambda-url." in request.headers.get("host", "")

    def note(self, change: object) -> None:
        """Take a change notice of the store."""
        if isinstance(change, FunctionChanged):
            self._changes += 1
            for url in [url for url in self._ids.values() if url.function_name == change.name]:
                del self._ids[url.id]

    async def serve(self, request: Request, *, body_exceeded: bool) -> Response:
        """Answer a request."""
        request_id = str(uuid.uuid4())
        try:
            response = await self._answer(request, request_id, body_exceeded=body_exceeded)
        except AccessDeniedError as error:
            response = _denied(error.message)
        except NotFoundError:
            # The alias is gone.
            response = _denied(_FORBIDDEN)
        except ThrottledError as error:
            body = {"Reason": error.reason, "Type": "User", "message": error.message}
            response = _json(429, body, "TooManyRequestsException")
        except RequestTooLargeError as error:
            response = _json(413, {"message": error.message}, "RequestTooLargeException")
        except (BadFunctionResponseError, PlatformError) as error:
            _log.warning("function_url_failed", request_id=request_id, error=str(error))
            response = _bad_gateway()
        response.headers.append(("x-amzn-RequestId", request_id))
        return response

    async def _answer(self, request: Request, request_id: str, *, body_exceeded: bool) -> Response:
        host = request.headers["host"].rsplit(":", 1)[0].lower()
        match = _HOST.fullmatch(host)
        url = await self._find(match[1]) if match is not None else None
        if url is None:
            return _denied(None)
        if url.cors is not None and (answer := preflight(url.cors, request)) is not None:
            return answer
        qualifier = None if url.qualifier == LATEST else url.qualifier
        function = FunctionReference(name=url.function_name, qualifier=qualifier)
        await self._authorise(url, function, request)
        if body_exceeded:
            raise RequestTooLargeError
        now = datetime.now(UTC)  # noqa: TID251 - an edge
        call = UrlCall(url_id=url.id, domain=host, request_id=request_id, now=now)
        result = await self._pipeline.invoke(
            InvocationRequest(
                request_id=request_id,
                function_name=url.function_name,
                qualifier=qualifier,
                invocation_type=InvocationType.REQUEST_RESPONSE,
                payload=encode_event(request, call),
                trace_header=request.headers.get("x-amzn-trace-id"),
            )
        )
        if result is None or result.function_error is not None:
            return _bad_gateway()
        response = decode_result(result.payload)
        if request.method == "HEAD":
            response.body = b""
        return response if url.cors is None else with_cors(response, url.cors, request.headers)

    async def _authorise(
        self, url: FunctionUrl, function: FunctionReference, request: Request
    ) -> None:
        """Both actions that AWS asks for since October 2025."""
        settings = await self._settings.get(function.name)
        context = context_of(_ANYONE, request)
        context["lambda:functionurlauthtype"] = (url.auth_type.value,)
        context["lambda:invokedviafunctionurl"] = ("true",)
        try:
            for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
                self._authority.check(_ANYONE, action, function, settings, context)
        except AccessDeniedError:
            raise AccessDeniedError(_FORBIDDEN) from None

    async def _find(self, url_id: str) -> FunctionUrl | None:
        url = self._ids.get(url_id)
        if url is None:
            changes = self._changes
            url = await self._read(url_id)
            if url is not None and changes == self._changes:
                self._ids[url_id] = url
        return url


def _denied(message: str | None) -> Response:
    return _json(403, {"Message": message}, "AccessDeniedException")


def _json(status: int, body: Mapping[str, str | None], error: str) -> Response:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error)]
    return Response(status, headers, json.dumps(body, separators=(",", ":")).encode())


def _bad_gateway() -> Response:
    return Response(502, [("Content-Type", "text/plain")], b"Internal Server Error")
