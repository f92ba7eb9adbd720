"""What requests tell of the AWS clients that send them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from lambd.frontend.callers import read_caller
from lambd.http.messages import Request
from lambd.wire.dialects import Dialect
from lambd.wire.directory import load_directory

DIRECTORY = load_directory()
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def scope(service: str) -> dict[str, str]:
    """The header of a signature for a service."""
    credential = f"AKID/20260102/us-east-1/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host"}


class Sent(NamedTuple):
    """A request."""

    headers: dict[str, str]
    target: str = "/"
    body: bytes = b""


CASES: dict[str, tuple[Sent, str | None, Dialect]] = {
    "s3": (Sent(scope("s3"), "/bucket/key"), "s3", Dialect.S3_XML),
    "s3-express": (Sent(scope("s3express"), "/bucket"), "s3", Dialect.S3_XML),
    "s3-presigned": (
        Sent({}, "/b/k?X-Amz-Credential=AKID%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz=1"),
        "s3",
        Dialect.S3_XML,
    ),
    "s3-presigned-as-of-old": (
        Sent({}, "/b/k?AWSAccessKeyId=AKID&Signature=x&Expires=1"),
        "s3",
        Dialect.S3_XML,
    ),
    "s3-signed-as-of-old": (Sent({"authorization": "AWS AKID:x"}, "/b"), "s3", Dialect.S3_XML),
    "s3-by-host": (Sent({"host": "bucket.s3.localhost:4566"}), "s3", Dialect.S3_XML),
    "without-a-region": (
        Sent({"authorization": "AWS4-ECDSA-P256-SHA256 Credential=A/20260102/s3/aws4_request"}),
        "s3",
        Dialect.S3_XML,
    ),
    "other-xml": (Sent(scope("route53"), "/2013-04-01/hostedzone"), "route53", Dialect.REST_XML),
    "json-1.0": (
        Sent(
            {
                "content-type": "application/x-amz-json-1.0",
                "x-amz-target": "DynamoDB_20120810.ListTables",
            },
            body=b"{}",
        ),
        "dynamodb",
        Dialect.JSON_1_0,
    ),
    "json-1.1": (
        Sent({"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.Get"}),
        "ssm",
        Dialect.JSON_1_1,
    ),
    "cbor": (
        Sent(
            {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"},
            "/service/GraniteServiceVersion20100801/operation/ListMetrics",
        ),
        "cloudwatch",
        Dialect.CBOR,
    ),
    "query-signed": (
        Sent({**scope("sns"), "content-type": FORM}, body=b"Action=ListTopics&Version=2010-03-31"),
        "sns",
        Dialect.QUERY,
    ),
    "query-unsigned": (
        Sent({"content-type": FORM}, body=b"Action=AssumeRoleWithSAML&Version=2011-06-15"),
        "sts",
        Dialect.QUERY,
    ),
    "query-in-the-url": (
        Sent({}, "/?Action=ListRoles&Version=2010-05-08"),
        "iam",
        Dialect.QUERY,
    ),
    # SQS before its clients spoke JSON.
    "query-of-a-json-service": (
        Sent({**scope("sqs"), "content-type": FORM}, body=b"Action=ListQueues&Version=2012-11-05"),
        "sqs",
        Dialect.QUERY,
    ),
    "ec2": (
        Sent({**scope("ec2"), "content-type": FORM}, body=b"Action=DescribeVpcs"),
        "ec2",
        Dialect.EC2,
    ),
    "rest-json": (Sent(scope("apigateway"), "/restapis"), "apigateway", Dialect.REST_JSON),
    "lambda": (Sent(scope("lambda"), "/nowhere"), "lambda", Dialect.REST_JSON),
    "nobody": (Sent({"content-type": FORM}, body=b"a=b"), None, Dialect.REST_JSON),
    "broken": (Sent({"authorization": "AWS4-HMAC-SHA256 Credential=x"}), None, Dialect.REST_JSON),
}


@pytest.mark.parametrize(("sent", "identifier", "dialect"), CASES.values(), ids=CASES)
def test_reads_service_and_protocol(sent: Sent, identifier: str | None, dialect: Dialect) -> None:
    """From whatever of it names them."""
    path, _, query = sent.target.partition("?")
    caller = read_caller(Request("POST", path, query, sent.headers, sent.body), DIRECTORY)
    found = None if caller.service is None else caller.service.identifier
    assert (found, caller.dialect) == (identifier, dialect)


def test_a_service_that_is_not_known_has_its_name() -> None:
    """Of a newer release, or of somebody else."""
    request = Request("GET", "/", "", scope("teleport"), b"")
    caller = read_caller(request, DIRECTORY)
    assert (caller.service, caller.name) == (None, "teleport")
