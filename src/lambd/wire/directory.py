"""All of AWS's services by what names them on the wire; whether they are served here or not.

From `data/services.json`, which the vendoring tool makes of botocore's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownService:
    """One service, as botocore knows it."""

    # As its users call it: `Amazon S3`.
    name: str
    # As botocore and the AWS CLI call it: `s3`.
    identifier: str
    # In the credential scope of signatures.
    signing_name: str
    # Of its host names on AWS.
    endpoint_prefix: str
    # `rest-xml`, `rest-json`, `json`, `query`, `ec2` or `smithy-rpc-v2-cbor`.
    protocol: str
    # Of `X-Amz-Target`; "" where there is none.
    target_prefix: str
    api_version: str
    # The variable by which the AWS SDKs take an endpoint for this service alone.
    endpoint_variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Services by name."""

    by_signing_name: Mapping[str, KnownService]
    by_target_prefix: Mapping[str, KnownService]
    # Of the query protocol and EC2's: by API version, which no two of them share by chance.
    by_query_version: Mapping[str, KnownService]


@cache
def load_directory() -> Directory:
    """The directory; of services that share a name, the one that is called by it comes first."""
    text = resources.files("lambd.wire").joinpath("data", "services.json").read_text("utf-8")
    services = list(_services(json.loads(text)["services"]))
    by_signing_name: dict[str, KnownService] = {}
    by_query_version: dict[str, KnownService] = {}
    for service in sorted(services, key=lambda each: each.identifier != each.signing_name):
        by_signing_name.setdefault(service.signing_name, service)
        if service.protocol in ("query", "ec2"):
            by_query_version.setdefault(service.api_version, service)
    return Directory(
        by_signing_name=by_signing_name,
        by_target_prefix={each.target_prefix: each for each in services if each.target_prefix},
        by_query_version=by_query_version,
    )


def _services(services: Mapping[str, Mapping[str, Any]]) -> Iterator[KnownService]:
    for identifier, told in services.items():
        yield KnownService(
            name=told.get("serviceAbbreviation") or told["serviceFullName"],
            identifier=identifier,
            signing_name=told.get("signingName") or told["endpointPrefix"],
            endpoint_prefix=told["endpointPrefix"],
            protocol=told["protocol"],
            target_prefix=told.get("targetPrefix", ""),
            api_version=told["apiVersion"],
            endpoint_variable=f"AWS_ENDPOINT_URL_{told['serviceId'].upper().replace(' ', '_')}",
        )
