"""Errors in each protocol, as botocore's own parsers read them."""

from __future__ import annotations

import pytest
from botocore.model import StructureShape
from botocore.parsers import create_parser

from lambd.wire.dialects import Dialect, encode_plain_error

PARSERS = {
    Dialect.JSON_1_0: "json",
    Dialect.JSON_1_1: "json",
    Dialect.REST_JSON: "rest-json",
    Dialect.S3_XML: "rest-xml",
    Dialect.REST_XML: "rest-xml",
    Dialect.QUERY: "query",
    Dialect.EC2: "ec2",
    Dialect.CBOR: "smithy-rpc-v2-cbor",
}


@pytest.mark.parametrize("dialect", Dialect)
def test_botocore_reads_code_and_message(dialect: Dialect) -> None:
    """Whatever characters are in the message, and however long it is."""
    message = "1 < 2 & 'ü' " * 30
    response = encode_plain_error(
        dialect,
        status=403,
        code="AccessDeniedException",
        message=message,
        request_id="00000000-0000-4000-8000-000000000000",
    )
    parsed = create_parser(PARSERS[dialect]).parse(
        {
            "body": response.body,
            "headers": {name.lower(): value for name, value in response.headers},
            "status_code": response.status,
        },
        StructureShape("Reply", {"type": "structure", "members": {}}),
    )
    is_xml = "xml" in dialect.value
    code = "AccessDenied" if is_xml else "AccessDeniedException"
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == (code, message)
    if is_xml and dialect is not Dialect.S3_XML:
        assert parsed["ResponseMetadata"]["RequestId"].startswith("00000000-")
