"""HTTP requests to function URLs as events. Pure.

Source: AWS's developer guide, "request and response payloads" of function URLs (payload format
2.0). What is not recorded: that a form's body is base64, as it is behind HTTP APIs.

This is on the warm path: what does not change from one request of a connection to the next is made
once, and the JSON is put together by hand, member by member in AWS's order.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote
from urllib.parse import parse_qsl, unquote_to_bytes

from lambd.http.messages import Peer, Request

# Bodies that go into an event as text.
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.+\+(json|xml))")
# Of a request's headers those that never reach a function: about the connection (RFC 9110, section
# 7.6.1), and what only a front end can know.
_DROPPED = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"),
        *("x-amzn-tls-version", "x-amzn-tls-cipher-suite", "x-amzn-trace-id"),
        *("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCaller:
    """Who signed a request: `authorizer.iam` of its event."""

    access_key: str
    account_id: str
    user_arn: str
    # Of the user, and the caller's, which is the same but for roles.
    user_id: str


class EventFrame:
    """What all events have in common that come from one client to one function URL."""

    __slots__ = ("_address", "_context", "_front_end", "_source")

    def __init__(
        self, *, url_id: str, domain: str, port: int, peer: Peer, caller: UrlCaller | None = None
    ) -> None:
        """Args:
        url_id: the first label of the domain.
        domain: the host that the request is for.
        port: the one of the request.
        peer: who sends.
        caller: who signed; None for URLs that anyone may call.
        """
        self._address = peer.address
        headers = {
            "x-forwarded-port": str(port),
            "x-forwarded-proto": "http" if peer.tls_version is None else "https",
        }
        if peer.tls_version is not None and peer.cipher_suite is not None:
            headers["x-amzn-tls-version"] = peer.tls_version
            headers["x-amzn-tls-cipher-suite"] = peer.cipher_suite
        self._front_end = "".join(f",{_quote(key)}:{_quote(text)}" for key, text in headers.items())
        context: dict[str, object] = {
            "accountId": "anonymous" if caller is None else caller.account_id,
            "apiId": url_id,
            **({} if caller is None else {"authorizer": {"iam": _authorizer(caller)}}),
            "domainName": domain,
            "domainPrefix": url_id,
        }
        # Without its end, since more members follow.
        self._context = json.dumps(context, separators=(",", ":"))[:-1]
        self._source = _quote(peer.address)

    def event(self, request: Request, *, request_id: str, trace_header: str, now_ms: int) -> bytes:
        """The event of a request, as JSON.

        Args:
            request: what came.
            request_id: of the invocation.
            trace_header: of the invocation.
            now_ms: milliseconds since 1970.
        """
        path = _quote(_decoded_path(request.path))
        query = request.query
        headers = request.headers
        cookies = _cookies(request) if "cookie" in headers else ()
        body, is_base64 = _body(request.body, headers.get("content-type", ""))
        return (
            '{"version":"2.0","routeKey":"$default",'
            f'"rawPath":{path},"rawQueryString":{_quote(query)},'
            f"{_cookie_list(cookies)}"
            f'"headers":{{{self._headers(headers, cookies, trace_header)}}},'
            f"{_parameters(query) if query else ''}"
            f'"requestContext":{self._context},"http":{{"method":{_quote(request.method)},'
            f'"path":{path},"protocol":"HTTP/1.1","sourceIp":{self._source},'
            f'"userAgent":{_quote(headers.get("user-agent", ""))}}},'
            f'"requestId":{_quote(request_id)},"routeKey":"$default","stage":"$default",'
            f'"time":"{_time(now_ms // 1000)}","timeEpoch":{now_ms}}},'
            f'{body}"isBase64Encoded":{is_base64}}}'
        ).encode()

    def _headers(
        self, sent: dict[str, str], cookies: tuple[str, ...] | list[str], trace_header: str
    ) -> str:
        """The members of `headers`: what was sent, and what AWS's front end adds."""
        before = sent.get("x-forwarded-for")
        address = self._address if before is None else f"{before}, {self._address}"
        text = "".join(
            [
                f"{_quote(name)}:{_quote(value)},"
                for name, value in sent.items()
                if name not in _DROPPED and name != "cookie"
            ]
        )
        if cookies:
            text += f'"cookie":{_quote("; ".join(cookies))},'
        return (
            f'{text}"x-amzn-trace-id":{_quote(trace_header)},'
            f'"x-forwarded-for":{_quote(address)}{self._front_end}'
        )


def _decoded_path(path: str) -> str:
    """The path as AWS hands it on: decoded once, whatever it is made of."""
    if "%" not in path and path.isascii():
        return path
    return unquote_to_bytes(path.encode("latin-1")).decode("utf-8", "replace")


def _cookies(request: Request) -> list[str]:
    """The cookies of all Cookie headers, each `name=value`."""
    return [
        item.strip()
        for name, value in request.header_pairs()
        if name == "cookie"
        for item in value.split(";")
        if item.strip()
    ]


def _cookie_list(cookies: tuple[str, ...] | list[str]) -> str:
    return f'"cookies":[{",".join(map(_quote, cookies))}],' if cookies else ""


def _parameters(query: str) -> str:
    """The member `queryStringParameters`, if there are any; values of one name are one."""
    if "%" in query or "+" in query:
        pairs = parse_qsl(query, keep_blank_values=True)
    else:
        parts = (item.partition("=") for item in query.split("&") if item)
        pairs = [(name, value) for name, _, value in parts]
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    members = ",".join([f"{_quote(name)}:{_quote(value)}" for name, value in found.items()])
    return f'"queryStringParameters":{{{members}}},' if members else ""


def _authorizer(caller: UrlCaller) -> dict[str, str | None]:
    return {
        "accessKey": caller.access_key,
        "accountId": caller.account_id,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.user_arn,
        "userId": caller.user_id,
    }


@lru_cache(maxsize=4)
def _time(now_s: int) -> str:
    return f"{datetime.fromtimestamp(now_s, UTC):%d/%b/%Y:%H:%M:%S +0000}"


def _body(body: bytes, content_type: str) -> tuple[str, str]:
    """The member `body`, if there is one, and the value of `isBase64Encoded`."""
    if not body:
        return "", "false"
    if _is_text(content_type):
        try:
            return f'"body":{_quote(body.decode())},', "false"
        except UnicodeDecodeError:
            pass
    return f'"body":"{base64.b64encode(body).decode()}",', "true"


@lru_cache(maxsize=256)
def _is_text(content_type: str) -> bool:
    return _TEXT.fullmatch(content_type.split(";", maxsplit=1)[0].strip().lower()) is not None
