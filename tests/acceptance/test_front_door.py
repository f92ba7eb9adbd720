"""What the port answers to whom, by sockets: hosts, web pages, bodies that are too large."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.acceptance.conftest import (
    ROLE,
    RUNTIME,
    CreateFunction,
    Server,
    wait_at_rest,
    zipped,
)
from tests.acceptance.test_function_urls import ECHO, open_to_all

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

FUNCTIONS = "/2015-03-31/functions"


def ask(server: Server, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Send a head (lines) as it is, and a body."""
    text = head.replace("\n", "\r\n") + "\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(text.encode("latin-1") + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        content = answer.read()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, content


@pytest.fixture
def host(aws: LambdaClient, create: CreateFunction) -> str:
    """The host of a public URL of an echo."""
    return urlsplit(open_to_all(aws, create(ECHO))).netloc


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("", id="none"),
        pytest.param("\nHost: localhost\nHost: localhost", id="twice"),
        pytest.param("\nHost: localhost\nHost: {}", id="url-second"),
        pytest.param("\nHost: {}\nHost: localhost", id="url-first"),
        pytest.param("\nHost: localhost, {}", id="list"),
    ],
)
@pytest.mark.parametrize("path", [FUNCTIONS, "/_lambd/health"])
def test_exactly_one_host_is_needed(server: Server, host: str, lines: str, path: str) -> None:
    """Whoever is in front may have chosen by another one."""
    status, headers, _ = ask(server, f"GET {path} HTTP/1.1{lines.format(host)}")
    assert (status, headers["connection"]) == (400, "close")


def test_a_url_is_found_in_any_case_and_by_absolute_targets(server: Server, host: str) -> None:
    """Names have no case, and a client of a proxy sends scheme and authority."""
    status, _, content = ask(server, f"GET http://{host}/a?b=c HTTP/1.1\nHost: {host.upper()}")
    event = json.loads(content)
    assert (status, event["rawPath"], event["rawQueryString"]) == (200, "/a", "b=c")
    assert event["requestContext"]["domainName"] == host.partition(":")[0]
    assert ask(server, f"GET http://localhost HTTP/1.1\nHost: {host}")[0] == 200
    absolute = f"GET http://localhost{FUNCTIONS} HTTP/1.1\nHost: localhost"
    assert "Functions" in json.loads(ask(server, absolute)[2])


def test_names_like_urls_are_not_the_api(server: Server, host: str) -> None:
    """Another region or domain: such a URL does not exist."""
    for other in (
        host.replace("us-east-1", "eu-west-1"),
        host.replace("localhost", "localhost.example"),
        f"x.{host}",
    ):
        status, _, content = ask(server, f"GET {FUNCTIONS} HTTP/1.1\nHost: {other}")
        assert (status, content) == (403, b'{"Message":null}')


@pytest.mark.parametrize("path", [f"{FUNCTIONS}/none/invocations", "/_lambd/health", "/nowhere"])
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param("Host: localhost\nOrigin: https://evil.example", "Origin", id="page"),
        pytest.param("Host: localhost\nOrigin: null", "Origin", id="file"),
        pytest.param("Host: evil.example:4566", "evil.example", id="rebinding"),
    ],
)
def test_the_api_does_not_answer_web_pages(
    server: Server, path: str, lines: str, message: str
) -> None:
    """Neither those that say so nor those whose name leads here."""
    for method in ("POST", "GET", "OPTIONS"):
        status, headers, content = ask(
            server, f"{method} {path} HTTP/1.1\n{lines}\nContent-Length: 0"
        )
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert headers["x-amzn-requestid"]
        assert message in json.loads(content)["Message"]
        assert "access-control-allow-origin" not in headers


def test_function_urls_are_there_for_web_pages(server: Server, host: str) -> None:
    """Who may read the answer is their CORS configuration's matter."""
    assert ask(server, f"GET / HTTP/1.1\nHost: {host}\nOrigin: https://a.example")[0] == 200


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[Server]:
    """A platform that has a name."""
    made = Server(tmp_path / "data", environ={"LAMBD_ALLOWED_HOSTS": "lambda.example"})
    made.start()
    yield made
    assert made.stop() == 0


def test_the_api_has_the_names_that_are_allowed(behind_proxy: Server) -> None:
    """In any case and at any port; others are refused as before."""
    for name, expected in (("Lambda.Example:80", 200), ("localhost", 200), ("example", 403)):
        assert ask(behind_proxy, f"GET {FUNCTIONS} HTTP/1.1\nHost: {name}")[0] == expected


def test_listens_on_an_ipv6_address(tmp_path: Path) -> None:
    """Clients reach it there, links to code lead there, and functions run."""
    made = Server(tmp_path / "data", "--host", "::1")
    made.url = f"http://[::1]:{made.port}"
    with made:
        aws = made.lambda_client()
        aws.create_function(
            FunctionName="echo",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(ECHO)},
        )
        wait_at_rest(aws, "echo")
        assert aws.invoke(FunctionName="echo", Payload=b"[1]")["Payload"].read() == b"[1]"
        location = aws.get_function(FunctionName="echo")["Code"]["Location"]
        assert location.startswith(made.url)
        with urllib.request.urlopen(location, timeout=30) as reply:
            assert reply.status == 200
        assert made.stop() == 0


CALLS_BACK = """
import os, urllib.request
import boto3
def handler(event, context):
    url = os.environ["AWS_ENDPOINT_URL"] + "/_lambd/health"
    boto3.client("lambda").list_functions()
    return urllib.request.urlopen(url).status
"""


def test_functions_reach_the_api(aws: LambdaClient, create: CreateFunction) -> None:
    """At the address that they are given."""
    name = create(CALLS_BACK, Timeout=60, MemorySize=512)
    assert aws.invoke(FunctionName=name)["Payload"].read() == b"200"


@pytest.mark.parametrize("line", ["", "\nExpect: 100-continue"], ids=["at-once", "asking"])
def test_a_body_is_too_large_for_a_url_as_for_an_invocation(
    server: Server, host: str, line: str
) -> None:
    """It is not collected, and a client that asks first does not send it."""
    size = 6_291_457
    head = f"POST / HTTP/1.1\nHost: {host}\nContent-Length: {size}{line}"
    status, headers, content = ask(server, head, b"" if line else b"x" * size)
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestTooLargeException")
    assert "smaller than 6291456 bytes" in json.loads(content)["message"]


@pytest.mark.parametrize(
    ("path", "lines", "limit"),
    [
        pytest.param("/2015-03-31/functions/a/invocations", "", 6_291_456, id="request"),
        pytest.param(
            "/2015-03-31/functions/a/invocations",
            "\nX-Amz-Invocation-Type: Event",
            1_048_576,
            id="event",
        ),
        pytest.param("/2014-11-13/functions/a/invoke-async/", "", 1_048_576, id="invoke-async"),
    ],
)
def test_which_limit_a_payload_is_over(server: Server, path: str, lines: str, limit: int) -> None:
    """AWS's text names the one that counts, however much larger the payload is."""
    head = f"POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 7000000{lines}"
    status, _, content = ask(server, head, b"1" * 7_000_000)
    assert status == 413
    assert f"smaller than {limit} bytes" in json.loads(content)["message"]


def test_curl_that_would_like_http_2(server: Server, host: str) -> None:
    """It offers h2c with the body right behind, and takes an answer in HTTP/1.1."""
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "--http2", "--verbose"),
            *("--header", f"Host: {host}", "--header", "Content-Type: text/plain"),
            *("--data-binary", "body", f"{server.url}/a", f"{server.url}/b"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "> Upgrade: h2c" in done.stderr
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(done.stdout)
    second, _ = decoder.raw_decode(done.stdout, end)
    assert [(event["rawPath"], event["body"]) for event in (first, second)] == [
        ("/a", "body"),
        ("/b", "body"),
    ]
