"""Errors in each of AWS's protocols, for requests to services that have no model here.

Sources: the AWS protocols of Smithy (awsJson1_0 and 1_1, restJson1, restXml, awsQuery, ec2Query,
rpcv2Cbor), and what botocore's parsers of them read.
"""

from __future__ import annotations

from enum import Enum
from xml.sax.saxutils import escape

from lambd.http.messages import Response
from lambd.wire.codec_response import json_bytes


class Dialect(Enum):
    """A protocol, as far as its errors tell it from others."""

    JSON_1_0 = "application/x-amz-json-1.0"
    JSON_1_1 = "application/x-amz-json-1.1"
    REST_JSON = "application/json"
    # S3: the error is the root.
    S3_XML = "application/xml"
    REST_XML = "text/xml; rest"
    QUERY = "text/xml; query"
    EC2 = "text/xml; ec2"
    CBOR = "application/cbor"


_JSON = frozenset({Dialect.JSON_1_0, Dialect.JSON_1_1, Dialect.REST_JSON})


def encode_plain_error(
    dialect: Dialect, *, status: int, code: str, message: str, request_id: str
) -> Response:
    """An error response.

    Args:
        dialect: in which protocol.
        status: of HTTP.
        code: as in JSON, `AccessDeniedException`; the XML protocols leave the last word out.
        message: what the client's user reads.
        request_id: the XML protocols have it in the body.
    """
    if dialect in _JSON:
        headers = [("Content-Type", dialect.value), ("x-amzn-ErrorType", code)]
        members = {"message": message}
        if dialect is not Dialect.REST_JSON:
            members = {"__type": code, **members}
        return Response(status, headers, json_bytes(members))
    if dialect is Dialect.CBOR:
        headers = [("Content-Type", dialect.value), ("smithy-protocol", "rpc-v2-cbor")]
        return Response(status, headers, _cbor({"__type": code, "message": message}))
    text = _xml(dialect, code.removesuffix("Exception"), escape(message), status, request_id)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Response(status, [("Content-Type", dialect.value.partition(";")[0])], body)


def _xml(dialect: Dialect, code: str, message: str, status: int, request_id: str) -> str:
    told = f"<Code>{code}</Code><Message>{message}</Message>"
    if dialect is Dialect.S3_XML:
        return f"<Error>{told}<RequestId>{request_id}</RequestId></Error>"
    if dialect is Dialect.EC2:
        errors = f"<Errors><Error>{told}</Error></Errors>"
        return f"<Response>{errors}<RequestID>{request_id}</RequestID></Response>"
    fault = "Sender" if status < 500 else "Receiver"
    error = f"<Error><Type>{fault}</Type>{told}</Error>"
    return f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"


def _cbor(members: dict[str, str]) -> bytes:
    """A map of text (RFC 8949): a head of type and length before each, lengths in 16 bits."""
    encoded = bytes([0xA0 | len(members)])
    for pair in members.items():
        for text in pair:
            data = text.encode()
            encoded += b"\x79" + len(data).to_bytes(2, "big") + data
    return encoded
