"""Function URLs with AuthType AWS_IAM: requests that botocore has signed, and others."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.test_function_urls import send

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ECHO = "def handler(event, context):\n    return event\n"
# What functions have, and what works without any setting.
KEY = Credentials("lambd", "lambd")


def signed(
    server: Server,
    url: str,
    method: str = "GET",
    path: str = "/",
    body: bytes = b"",
    *,
    key: Credentials = KEY,
    presigned: bool = False,
    region: str = "us-east-1",
) -> tuple[int, dict[str, str], bytes]:
    """Send a request as botocore signs it, in either form."""
    if presigned:
        # botocore takes a body for parameters there.
        body = b""
    made = AWSRequest(method=method, url=url.rstrip("/") + path, data=body)
    signer: Any = (
        SigV4QueryAuth(key, "lambda", region, expires=60)
        if presigned
        else SigV4Auth(key, "lambda", region)
    )
    signer.add_auth(made)
    ready = made.prepare()
    parts = urlsplit(ready.url)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    sent = {"Host": urlsplit(url).netloc} | {
        # botocore's stubs do not know that it writes some values as bytes.
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in dict[str, Any](ready.headers.items()).items()
    }
    connection.request(method, target, body or None, sent)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, {name.lower(): value for name, value in reply.getheaders()}, content


@pytest.fixture
def url(aws: LambdaClient, create: CreateFunction) -> str:
    """The URL of an echo that asks for a signature; no resource policy."""
    return aws.create_function_url_config(FunctionName=create(ECHO), AuthType="AWS_IAM")[
        "FunctionUrl"
    ]


@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
def test_a_signed_request_runs_the_function(url: str, server: Server, presigned: bool) -> None:
    """And the event tells who signed it."""
    status, _, content = signed(
        server, url, "POST", "/a%20b/c?x=1&y=%2F", b"body", presigned=presigned
    )
    assert status == 200
    event = json.loads(content)
    assert event["rawPath"] == "/a b/c"
    context = event["requestContext"]
    assert context["accountId"] == "000000000000"
    assert context["authorizer"]["iam"] == {
        "accessKey": "lambd",
        "accountId": "000000000000",
        "callerId": "000000000000",
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": "arn:aws:iam::000000000000:root",
        "userId": "000000000000",
    }


def test_requests_that_are_not_signed_as_they_should_be(url: str, server: Server) -> None:
    """Nothing runs, and the answer tells what is wrong."""
    status, headers, content = send(server, url)
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(content)["Message"].startswith("Forbidden. For troubleshooting")
    for key, region, error, text in (
        (Credentials("lambd", "guess"), "us-east-1", "InvalidSignature", "does not match"),
        (Credentials("nobody", "guess"), "us-east-1", "UnrecognizedClient", "security token"),
        (KEY, "eu-west-1", "InvalidSignature", "valid region, not 'eu-west-1'"),
    ):
        status, headers, content = signed(server, url, key=key, region=region)
        assert (status, headers["x-amzn-errortype"]) == (403, f"{error}Exception")
        assert text in json.loads(content)["message"]


def test_a_policy_can_refuse_who_signed(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """A public policy does not make such a URL public; a Deny refuses even the account's root."""
    name = create(ECHO)
    url = aws.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
    for number, action in enumerate(("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")):
        aws.add_permission(
            FunctionName=name, StatementId=f"s{number}", Action=action, Principal="*"
        )
    assert send(server, url)[0] == 403
    assert signed(server, url)[0] == 200
    arn = aws.get_function_configuration(FunctionName=name)["FunctionArn"]
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "no",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "Resource": arn,
                "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}},
            }
        ],
    }
    aws.put_resource_policy(ResourceArn=arn, Policy=json.dumps(deny))
    assert signed(server, url)[0] == 403


def test_an_update_makes_a_url_ask_for_a_signature(
    aws: LambdaClient, create: CreateFunction, server: Server
) -> None:
    """At once, both ways."""
    name = create(ECHO)
    url = aws.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    assert signed(server, url)[0] == 403
    changed = aws.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert changed["AuthType"] == "AWS_IAM"
    assert signed(server, url)[0] == 200


SIGNING = """
import http.client
import os
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

def handler(event, context):
    request = AWSRequest(method="GET", url=event["url"])
    SigV4Auth(Session().get_credentials(), "lambda", os.environ["AWS_REGION"]).add_auth(request)
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(endpoint.hostname, endpoint.port)
    headers = {"Host": urlsplit(event["url"]).netloc, **dict(request.headers.items())}
    connection.request("GET", "/", headers=headers)
    reply = connection.getresponse()
    return {
        "token": os.environ["AWS_SESSION_TOKEN"],
        "sent": request.headers.get("X-Amz-Security-Token"),
        "status": reply.status,
        "functions": len(boto3.client("lambda").list_functions()["Functions"]),
    }
"""


def test_functions_have_a_session_token_and_sign_with_it(
    aws: LambdaClient, create: CreateFunction, url: str
) -> None:
    """Code asks for it on AWS; here it is part of what requests are signed with."""
    reply = aws.invoke(FunctionName=create(SIGNING), Payload=json.dumps({"url": url}))
    result = json.loads(reply["Payload"].read())
    assert result["token"]
    assert result["sent"] == result["token"]
    assert result["status"] == 200
    assert result["functions"] >= 2
