"""What a request says of the AWS client that sent it: for which service, in which protocol. Pure.

Clients do not tell the service's name; it is in what they sign, in X-Amz-Target, or in the version
that a form names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from lambd.http.messages import Request
from lambd.wire.dialects import Dialect
from lambd.wire.directory import Directory, KnownService

_FORM = "application/x-www-form-urlencoded"
# Of SigV4 and SigV4a, in the header or in the query of a presigned URL: key, date, region (not in
# SigV4a), service.
_SCOPE = re.compile(
    r"Credential=[^/,&\s]+/\d{8}/(?:[^/,&\s]+/)?(?P<service>[^/,&\s]+)/aws4_request"
)
# S3's older signatures: no other service has them any more.
_SIGNATURE_2 = re.compile(r"(^|&)AWSAccessKeyId=")
_RPC_PATH = re.compile(r"/service/(?P<prefix>[^/]+)/operation/[^/]+")
_S3_HOST = re.compile(r"(?:.+\.)?s3[.-].+")
# The longest form whose members are looked at.
_FORM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An AWS client, as far as its request tells."""

    # None: of a service that is not known, or of none.
    service: KnownService | None
    # What names it in the request; "" if nothing does.
    name: str
    dialect: Dialect


def read_caller(request: Request, directory: Directory) -> Caller:
    """What a request tells of who sent it."""
    headers = request.headers
    form = _form(request)
    prefix = headers.get("x-amz-target", "").partition(".")[0]
    is_rpc = headers.get("smithy-protocol") == "rpc-v2-cbor"
    if is_rpc and (match := _RPC_PATH.fullmatch(request.path)):
        prefix = match["prefix"]
    signing_name = _signing_name(request)
    service = (
        directory.by_target_prefix.get(prefix)
        or directory.by_signing_name.get(signing_name)
        or directory.by_query_version.get(form.get("Version", ""))
    )
    dialect = Dialect.CBOR if is_rpc else _dialect(headers, service, is_form="Action" in form)
    return Caller(service=service, name=prefix or signing_name, dialect=dialect)


def _signing_name(request: Request) -> str:
    """The service that a request is signed for; S3's variants are S3."""
    headers = request.headers
    authorization = headers.get("authorization", "")
    match = _SCOPE.search(authorization) or _SCOPE.search(unquote(request.query))
    if match is not None:
        name = match["service"]
        return "s3" if name.startswith("s3") else name
    is_s3 = (
        authorization.startswith("AWS ")
        or _SIGNATURE_2.search(request.query)
        or _S3_HOST.fullmatch(headers.get("host", ""))
    )
    return "s3" if is_s3 else ""


def _form(request: Request) -> dict[str, str]:
    """The members of a query protocol's request, whose operation is its Action."""
    text = request.query
    if request.headers.get("content-type", "").startswith(_FORM):
        text = request.body[:_FORM_BYTES].decode("latin-1")
    if "Action=" not in text:
        return {}
    return {name: values[0] for name, values in parse_qs(text).items()}


def _dialect(headers: dict[str, str], service: KnownService | None, *, is_form: bool) -> Dialect:
    """The protocol that a request is in, which need not be the service's newest."""
    protocol = "" if service is None else service.protocol
    if is_form:
        return Dialect.EC2 if protocol == "ec2" else Dialect.QUERY
    content_type = headers.get("content-type", "")
    if content_type.startswith(Dialect.JSON_1_0.value):
        return Dialect.JSON_1_0
    if content_type.startswith(Dialect.JSON_1_1.value) or "x-amz-target" in headers:
        return Dialect.JSON_1_1
    if protocol == "rest-xml":
        is_s3 = service is not None and service.identifier == "s3"
        return Dialect.S3_XML if is_s3 else Dialect.REST_XML
    return Dialect.REST_JSON
