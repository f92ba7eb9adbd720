"""What functions find around them: certificates and locales."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.function_logs import wait_for_log
from tests.acceptance.packages import archive
from tests.acceptance.world import call

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def test_the_certificate_bundle_is_where_aws_has_it(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Programs for Amazon Linux name it so."""
    name = create(
        """
        import ssl

        def handler(event, context):
            found = []
            for path in event:
                loaded = ssl.create_default_context(cafile=path).cert_store_stats()
                found.append(loaded["x509_ca"] > 10)
            return found
        """
    )
    paths = [
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/tls/cert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/certs/ca-certificates.crt",
    ]
    assert call(aws, name, paths) == [True] * 4


@pytest.mark.parametrize("runtime", ["nodejs24.x", "nodejs22.x"])
def test_node_takes_certificates_from_its_runtime(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """AWS's guide tells to set the variable to that path; it is not set by itself."""
    source = """
        import fs from "node:fs";
        import tls from "node:tls";
        export const handler = async () => {
          const path = "/var/runtime/ca-cert.pem";
          const pems = fs.readFileSync(path, "utf8").split("-----END CERTIFICATE-----").length;
          tls.createSecureContext({ ca: fs.readFileSync(path) });
          return [process.env.NODE_EXTRA_CA_CERTS ?? null, pems > 10];
        };
    """
    arguments = {
        "Runtime": runtime,
        "Handler": "index.handler",
        "Timeout": 10,
        "Code": {"ZipFile": archive({"index.mjs": source})},
    }
    assert call(aws, create("", **arguments)) == [None, True]
    variables = {"NODE_EXTRA_CA_CERTS": "/var/runtime/ca-cert.pem"}
    name = create("", **arguments, Environment={"Variables": variables})
    assert call(aws, name) == ["/var/runtime/ca-cert.pem", True]


@pytest.mark.parametrize(
    "variables",
    [{}, {"LANG": "C.UTF-8"}, {"LC_ALL": "en_US.UTF-8"}],
    ids=["as it is", "C.UTF-8", "en_US.UTF-8"],
)
def test_locales_that_the_variables_name_exist(
    aws: LambdaClient, create: CreateFunction, variables: dict[str, str]
) -> None:
    """Whatever locales this machine has."""
    name = create(
        """
        import locale

        def handler(event, context):
            named = locale.setlocale(locale.LC_ALL, "")
            return [bool(named), locale.nl_langinfo(locale.CODESET)]
        """,
        Environment={"Variables": variables},
    )
    assert call(aws, name, 1) == [True, "UTF-8"]


def test_levels_and_the_runtime_version_are_logged(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """What is printed below the level is left out, whoever prints it."""
    name = create(
        """
        import json

        def handler(event, context):
            for level in ("DEBUG", "INFO", "WARN"):
                stamp = "2024-11-02T16:51:31.587Z"
                print(json.dumps({"timestamp": stamp, "level": level, "message": "m"}))
            print()
            print("text")
        """,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"},
    )
    call(aws, name, 1)

    lines = wait_for_log(server, name, "platform.report").splitlines()

    (start,) = [json.loads(line) for line in lines if "platform.initStart" in line]
    version = start["record"]["runtimeVersion"]
    assert re.fullmatch(r"python:3\.\d+\.v[1-9]\d*", version), version
    printed = [line for line in lines if '"type"' not in line]
    assert [json.loads(line)["level"] for line in printed[:-1]] == ["WARN"]
    assert printed[-1] == "text"
