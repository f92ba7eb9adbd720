"""Function URLs: the operations through boto3, and requests to the URLs themselves."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = "def handler(event, context):\n    return event\n"
# Answers with what it is sent as its body.
ANSWER = "import json\ndef handler(event, context):\n    return json.loads(event['body'])\n"


def open_to_all(aws: LambdaClient, name: str, **members: Any) -> str:
    """Give a function a URL and the two statements that make it public."""
    url = aws.create_function_url_config(FunctionName=name, AuthType="NONE", **members)
    qualifier = {key: members[key] for key in ("Qualifier",) if key in members}
    aws.add_permission(
        FunctionName=name,
        StatementId="FunctionURLAllowPublicAccess",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
        **qualifier,
    )
    aws.add_permission(
        FunctionName=name,
        StatementId="FunctionURLInvokeAllowPublicAccess",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
        **qualifier,
    )
    return url["FunctionUrl"]


def send(
    server: Server,
    url: str,
    method: str = "GET",
    path: str = "/",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request as a browser that resolves *.localhost would."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    sent = {"Host": urlsplit(url).netloc}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, body, sent)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, {key.lower(): value for key, value in reply.getheaders()}, content


def test_url_configs(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """Create, get, list, update, delete; for the function and for an alias."""
    name = create(ECHO, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    made = aws.create_function_url_config(
        FunctionName=name, AuthType="NONE", Cors={"AllowOrigins": ["*"], "MaxAge": 5}
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    host = urlsplit(made["FunctionUrl"])
    url_id, rest = host.netloc.split(".", 1)
    assert (len(url_id), rest) == (32, f"lambda-url.us-east-1.localhost:{server.port}")
    assert made["FunctionArn"] == ARN + name
    assert made["Cors"] == {"AllowOrigins": ["*"], "MaxAge": 5}
    assert "InvokeMode" not in set(made)
    found = aws.get_function_url_config(FunctionName=name)
    assert (found["InvokeMode"], found["CreationTime"]) == ("BUFFERED", made["CreationTime"])
    alias = aws.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    assert alias["FunctionArn"] == f"{ARN}{name}:live"
    pages = aws.get_paginator("list_function_url_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    listed = [item["FunctionUrl"] for page in pages for item in page["FunctionUrlConfigs"]]
    assert listed == [made["FunctionUrl"], alias["FunctionUrl"]]
    updated = aws.update_function_url_config(FunctionName=name, Cors={"AllowMethods": ["GET"]})
    assert updated["Cors"] == {"AllowMethods": ["GET"]}
    assert updated["FunctionUrl"] == made["FunctionUrl"]
    aws.delete_function_url_config(FunctionName=name)
    with pytest.raises(ClientError) as caught:
        aws.get_function_url_config(FunctionName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"Qualifier": "1"}, "ValidationException", id="version"),
        pytest.param({"Qualifier": "$LATEST"}, "ValidationException", id="latest"),
        pytest.param({"Qualifier": "none"}, "ResourceNotFoundException", id="no alias"),
        pytest.param({"Cors": {"MaxAge": 86_401}}, "ValidationException", id="age"),
        pytest.param({"Cors": {"AllowMethods": ["OPTIONS"]}}, "ValidationException", id="method"),
    ],
)
def test_url_configs_that_are_refused(
    aws: LambdaClient, create: CreateFunction, members: dict[str, Any], code: str
) -> None:
    """With the code that AWS gives."""
    request: dict[str, Any] = {"FunctionName": create(ECHO), "AuthType": "NONE", **members}
    with pytest.raises(ClientError) as caught:
        aws.create_function_url_config(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_a_request_is_an_event(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """Payload format 2.0."""
    name = create(ECHO)
    url = open_to_all(aws, name)
    status, headers, content = send(
        server,
        url,
        "POST",
        "/a%20b/c?x=1&y=2&x=3",
        b'{"n":1}',
        Content_Type="application/json",
        Cookie="a=1; b=2",
        User_Agent="tests",
    )
    assert (status, headers["content-type"]) == (200, "application/json")
    event = json.loads(content)
    assert (event["version"], event["rawPath"]) == ("2.0", "/a b/c")
    assert event["rawQueryString"] == "x=1&y=2&x=3"
    assert event["queryStringParameters"] == {"x": "1,3", "y": "2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"n":1}', False)
    context = event["requestContext"]
    assert context["http"]["method"] == "POST"
    assert context["http"]["userAgent"] == "tests"
    assert url.startswith(f"http://{context['domainName']}:")
    assert context["requestId"] == headers["x-amzn-requestid"]
    binary = json.loads(send(server, url, "PUT", "/", b"\xff\x00")[2])
    assert (binary["body"], binary["isBase64Encoded"]) == ("/wA=", True)


def test_a_result_is_a_response(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """Status, headers, cookies and a binary body; other results are the body."""
    url = open_to_all(aws, create(ANSWER))

    def answer(result: object) -> tuple[int, dict[str, str], bytes]:
        body = json.dumps(result).encode()
        return send(server, url, "POST", "/", body, Content_Type="application/json")

    status, headers, content = answer(
        {
            "statusCode": 201,
            "headers": {"X-Mine": "yes", "Content-Type": "image/png"},
            "cookies": ["a=1; Secure"],
            "body": "/wA=",
            "isBase64Encoded": True,
        }
    )
    assert (status, content) == (201, b"\xff\x00")
    assert (headers["x-mine"], headers["content-type"]) == ("yes", "image/png")
    assert headers["set-cookie"] == "a=1; Secure"
    assert answer("text")[2] == b"text"
    assert json.loads(answer({"a": [1]})[2]) == {"a": [1]}
    for bad in (
        {"statusCode": "x"},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "*", "isBase64Encoded": True},
    ):
        assert answer(bad)[::2] == (502, b"Internal Server Error")


def test_head_has_no_body(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """The function runs and its headers are there, as is the length of what is left out."""
    url = open_to_all(
        aws, create("def handler(e, c):\n    return {'statusCode': 200, 'body': 'abc'}\n")
    )
    status, headers, content = send(server, url, "HEAD")
    assert (status, headers["content-length"], content) == (200, "3", b"")


def test_upgrades_are_refused(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """There are no WebSockets behind function URLs; the answer says so, and nothing runs."""
    url = open_to_all(aws, create(ECHO))
    status, headers, content = send(
        server,
        url,
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert (status, headers["connection"]) == (400, "close")
    assert content == b"WebSocket upgrades are not supported"


def test_who_may_call(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """Both permissions are needed, at once and for as long as they are there."""
    name = create(ECHO)
    url = open_to_all(aws, name)
    assert send(server, url)[0] == 200
    for sid, action in (
        ("FunctionURLAllowPublicAccess", "lambda:InvokeFunctionUrl"),
        ("FunctionURLInvokeAllowPublicAccess", "lambda:InvokeFunction"),
    ):
        aws.remove_permission(FunctionName=name, StatementId=sid)
        status, headers, content = send(server, url)
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert json.loads(content)["Message"].startswith("Forbidden. For troubleshooting")
        aws.add_permission(FunctionName=name, StatementId=sid, Action=action, Principal="*")
        assert send(server, url)[0] == 200
    aws.delete_function_url_config(FunctionName=name)
    assert send(server, url)[::2] == (403, b'{"Message":null}')


def test_what_goes_wrong(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """A function error, a stopped function, an unknown URL, a payload that is too large."""
    url = open_to_all(aws, create("def handler(event, context):\n    raise ValueError\n"))
    assert send(server, url)[::2] == (502, b"Internal Server Error")
    name = create(ECHO)
    url = open_to_all(aws, name)
    assert send(server, url, "POST", "/", b"x" * 7_000_000)[0] == 413
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    status, _, content = send(server, url)
    assert (status, json.loads(content)["Reason"]) == (
        429,
        "ReservedFunctionConcurrentInvocationLimitExceeded",
    )
    unknown = f"http://{'x' * 32}.lambda-url.us-east-1.localhost/"
    assert send(server, unknown)[::2] == (403, b'{"Message":null}')
    assert send(server, "http://x.lambda-url.y/")[::2] == (403, b'{"Message":null}')


def test_cors(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """A preflight is answered without the function; other answers get the URL's headers."""
    name = create(
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'mine'}}\n"
    )
    url = open_to_all(
        aws,
        name,
        Cors={
            "AllowOrigins": ["https://a.example"],
            "AllowMethods": ["GET", "PUT"],
            "AllowHeaders": ["x-mine"],
            "AllowCredentials": True,
            "ExposeHeaders": ["x-theirs"],
            "MaxAge": 60,
        },
    )

    def ask(origin: str) -> tuple[int, dict[str, str], bytes]:
        return send(server, url, "OPTIONS", Access_Control_Request_Method="PUT", Origin=origin)

    status, headers, content = ask("https://a.example")
    assert (status, content) == (200, b"")
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-methods"] == "GET,PUT"
    assert headers["access-control-allow-headers"] == "x-mine"
    assert headers["access-control-max-age"] == "60"
    headers = send(server, url, Origin="https://a.example")[1]
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-expose-headers"] == "x-theirs"
    # Nobody else is let in, whatever the function says.
    for answer in (send(server, url, Origin="https://b.example"), send(server, url)):
        assert not [key for key in answer[1] if key.startswith("access-control-")]
    assert "access-control-allow-origin" not in ask("https://b.example")[1]


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_cors_is_for_every_answer(
    aws: LambdaClient, create: CreateFunction, server: Server, mode: str
) -> None:
    """A page may read what went wrong: 502, 413, 429 and 403."""
    name = create("def handler(event, context):\n    raise ValueError\n")
    url = open_to_all(aws, name, Cors={"AllowOrigins": ["https://a.example"]}, InvokeMode=mode)

    def ask(origin: str, body: bytes = b"") -> tuple[int, str | None]:
        status, headers, _ = send(server, url, "POST", "/", body, Origin=origin)
        return status, headers.get("access-control-allow-origin")

    def check(status: int, body: bytes = b"") -> None:
        assert ask("https://a.example", body) == (status, "https://a.example")
        assert ask("https://b.example", body) == (status, None)

    check(502)
    check(413, b"x" * 6_291_457)
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    check(429)
    aws.remove_permission(FunctionName=name, StatementId="FunctionURLAllowPublicAccess")
    check(403)


def test_without_cors_the_functions_headers_are_its_own(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """An empty configuration is none."""
    name = create(
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'mine'}}\n"
    )
    url = open_to_all(aws, name)
    assert send(server, url, Origin="https://a")[1]["access-control-allow-origin"] == "mine"
    aws.update_function_url_config(FunctionName=name, Cors={})
    assert send(server, url, Origin="https://a")[1]["access-control-allow-origin"] == "mine"


def test_the_trace_header_is_one(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """In the event, in the function's environment and in the answer; the caller's if it sent one."""
    url = open_to_all(
        aws,
        create(
            "import os\ndef handler(event, context):\n"
            "    return [event['headers']['x-amzn-trace-id'], os.environ['_X_AMZN_TRACE_ID']]\n"
        ),
    )
    _, headers, content = send(server, url)
    in_event, in_environment = json.loads(content)
    assert in_event == headers["x-amzn-trace-id"]
    assert in_environment.startswith(in_event.partition(";")[0])
    mine = "Root=1-5759e988-bd862e3fe1be46a994272793"
    _, headers, content = send(server, url, X_Amzn_Trace_Id=mine)
    assert json.loads(content)[0] == headers["x-amzn-trace-id"] == mine


def test_the_url_of_an_alias(aws: LambdaClient, create: CreateFunction, server: Server) -> None:
    """It runs the alias's version, by the alias's own policy."""
    name = create("def handler(e, c):\n    return c.invoked_function_arn\n", Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    url = open_to_all(aws, name, Qualifier="live")
    assert send(server, url)[2].decode() == f"{ARN}{name}:live"
    aws.delete_alias(FunctionName=name, Name="live")
    for _ in range(2):
        status, _, content = send(server, url)
        assert (status, b"urls-auth" in content) == (403, True)
    assert aws.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"] == []
    for ask in (aws.get_function_url_config, aws.delete_function_url_config):
        with pytest.raises(aws.exceptions.ResourceNotFoundException):
            ask(FunctionName=name, Qualifier="live")
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_function_url_config(FunctionName=name, Qualifier="live")
    assert json.loads(send(server, url)[2]) == {"Message": None}
