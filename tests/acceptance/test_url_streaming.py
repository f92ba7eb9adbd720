"""Function URLs in RESPONSE_STREAM mode: bytes as they come, from Python, Node.js and by hand."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.test_function_urls import open_to_all, send

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def streaming_url(aws: LambdaClient, name: str, **members: Any) -> str:
    """A public URL that streams."""
    return open_to_all(aws, name, InvokeMode="RESPONSE_STREAM", **members)


@contextlib.contextmanager
def opened(server: Server, url: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request, of which only the head has been read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": urlsplit(url).netloc})
        with connection.getresponse() as answer:
            yield answer


WAITING = """
import boto3, time
def handler(event, context):
    yield {"statusCode": 201, "headers": {"X-Mine": "yes"}, "cookies": ["a=1", "b=2"]}
    yield "first"
    client = boto3.client("lambda")
    deadline = time.monotonic() + 50
    while not client.list_tags(Resource="GATE")["Tags"] and time.monotonic() < deadline:
        time.sleep(0.05)
    yield "second" if time.monotonic() < deadline else "nobody came"
"""


def test_the_first_part_is_there_before_the_handler_ends(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """Head and part have been read when the handler is let go on."""
    gate = create("def handler(event, context):\n    return 1\n")
    arn = aws.get_function_configuration(FunctionName=gate)["FunctionArn"]
    url = streaming_url(aws, create(WAITING.replace("GATE", arn), Timeout=60, MemorySize=512))
    with opened(server, url) as answer:
        assert (answer.status, answer.getheader("X-Mine")) == (201, "yes")
        assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert answer.getheader("Content-Type") == "application/octet-stream"
        assert answer.getheader("Transfer-Encoding") == "chunked"
        assert answer.getheader("x-amzn-RequestId")
        assert answer.read(5) == b"first"
        aws.tag_resource(Resource=arn, Tags={"open": "yes"})
        assert answer.read() == b"second"


@pytest.mark.parametrize(
    ("source", "status", "content_type", "body"),
    [
        pytest.param(
            "def handler(e, c):\n    yield b'a'\n    yield b'b'\n",
            200,
            "application/octet-stream",
            b"ab",
            id="no-head",
        ),
        pytest.param(
            "def handler(e, c):\n    return {'statusCode': 404, 'body': 'x'}\n",
            200,
            "application/json",
            b'{"statusCode": 404, "body": "x"}',
            id="not-streamed",
        ),
        pytest.param(
            "def handler(e, c):\n    yield {'statusCode': 204}\n",
            204,
            None,
            b"",
            id="no-body",
        ),
        pytest.param(
            "def handler(e, c):\n    yield {'headers': {'Content-Type': 'text/html'}}\n"
            "    yield '<p>'\n",
            200,
            "text/html",
            b"<p>",
            id="type",
        ),
        pytest.param(
            "def handler(e, c):\n    raise ValueError\n    yield\n",
            502,
            "text/plain",
            b"Internal Server Error",
            id="error",
        ),
        pytest.param(
            "def handler(e, c):\n    yield {'statusCode': 99}\n",
            502,
            "text/plain",
            b"Internal Server Error",
            id="bad-head",
        ),
    ],
)
def test_what_the_answer_is(
    aws: LambdaClient,
    create: CreateFunction,
    server: Server,
    source: str,
    status: int,
    content_type: str | None,
    body: bytes,
) -> None:
    """By what the function sends; a result that does not stream is not interpreted."""
    url = streaming_url(aws, create(source))
    found = send(server, url)
    assert (found[0], found[1].get("content-type"), found[2]) == (status, content_type, body)
    # The environment serves the next one as well.
    assert send(server, url)[0] == status


def test_an_error_in_the_middle_cuts_the_answer_off(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """What came before is there, and the client sees that it is not all."""
    url = streaming_url(
        aws, create("def handler(e, c):\n    yield b'x' * 1000\n    raise ValueError\n")
    )
    with opened(server, url) as answer:
        assert answer.status == 200
        assert answer.read(1000) == b"x" * 1000
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_the_other_mode_gives_the_parts_joined(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """A function that streams behind a BUFFERED URL: its head is interpreted all the same."""
    name = create(
        "def handler(e, c):\n    yield {'statusCode': 202, 'headers': {'X-A': 'b'}}\n    yield 'ab'\n"
    )
    url = open_to_all(aws, name)
    status, headers, content = send(server, url)
    assert (status, headers["x-a"], content) == (202, "b", b"ab")
    aws.update_function_url_config(FunctionName=name, InvokeMode="RESPONSE_STREAM")
    assert send(server, url)[0] == 202


def test_cors_and_head(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """The URL's headers take the place of the function's; HEAD has no body."""
    name = create(
        "def handler(e, c):\n"
        "    yield {'headers': {'Access-Control-Allow-Origin': 'mine'}}\n"
        "    yield 'body'\n"
    )
    url = streaming_url(aws, name, Cors={"AllowOrigins": ["https://a.example"]})
    status, headers, content = send(server, url, Origin="https://a.example")
    assert (status, content) == (200, b"body")
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert send(server, url, "HEAD")[::2] == (200, b"")


def test_throttles_are_ordinary_answers(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """429 with its reason, as without streaming."""
    name = create("def handler(e, c):\n    yield 'a'\n")
    url = streaming_url(aws, name)
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    status, _, content = send(server, url)
    assert status == 429
    assert json.loads(content)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
