"""Function URLs of a domain of one's own, by TLS: with Python's client and with curl."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from tests.acceptance.conftest import LAMBD, ROLE, RUNTIME, Server, free_port, wait_at_rest, zipped
from tests.acceptance.test_function_urls import open_to_all

DOMAIN = "functions.test"


@dataclass(frozen=True, slots=True)
class Secured:
    """A platform with a certificate, and whom clients have to trust."""

    server: Server
    authority: Path
    port: int


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One platform for the module."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert(f"*.lambda-url.us-east-1.{DOMAIN}")
    authority.cert_pem.write_to_path(directory / "authority.pem")
    certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    port = free_port()
    server = Server(
        directory / "data",
        environ={
            "LAMBD_URL_DOMAIN": DOMAIN,
            "LAMBD_TLS_CERTIFICATE": str(directory / "certificate.pem"),
            "LAMBD_TLS_KEY": str(directory / "key.pem"),
            "LAMBD_TLS_PORT": str(port),
        },
    )
    server.start()
    yield Secured(server, directory / "authority.pem", port)
    assert server.stop() == 0


@pytest.fixture(scope="module")
def url(secured: Secured) -> str:
    """The URL of an echo."""
    aws = secured.server.lambda_client()
    aws.create_function(
        FunctionName="echo",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped("def handler(event, context):\n    return event\n")},
    )
    wait_at_rest(aws, "echo")
    return open_to_all(aws, "echo")


def test_a_client_that_trusts_the_certificate(secured: Secured, url: str) -> None:
    """The URL is the domain's, by TLS, and the event says so."""
    host = urlsplit(url)
    assert (host.scheme, host.port) == ("https", secured.port)
    assert (host.hostname or "").endswith(f".lambda-url.us-east-1.{DOMAIN}")
    context = ssl.create_default_context(cafile=secured.authority)
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=host.hostname) as connection,
    ):
        connection.sendall(f"GET /a HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        event = json.loads(answer.read())
        answer.close()
    assert event["headers"]["x-forwarded-proto"] == "https"
    assert event["headers"]["x-forwarded-port"] == str(secured.port)
    assert event["headers"]["x-amzn-tls-version"] == "TLSv1.3"
    assert event["headers"]["x-amzn-tls-cipher-suite"].startswith("TLS_")
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["domainName"] == host.hostname


def test_curl(secured: Secured, url: str) -> None:
    """With a body that does not fit one TLS record."""
    host = urlsplit(url)
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail"),
            *("--cacert", str(secured.authority)),
            *("--resolve", f"{host.hostname}:{secured.port}:127.0.0.1"),
            *("--header", "Content-Type: text/plain", "--data-binary", "@-", f"{url}b?c=d"),
        ],
        input=b"x" * 500_000,
        stdout=subprocess.PIPE,
        check=True,
    )
    event = json.loads(done.stdout)
    assert (event["rawPath"], event["rawQueryString"]) == ("/b", "c=d")
    assert event["body"] == "x" * 500_000


def test_the_plain_port_goes_on(secured: Secured, url: str) -> None:
    """Both serve the same."""
    connection = http.client.HTTPConnection("127.0.0.1", secured.server.port, timeout=60)
    connection.request("GET", "/", headers={"Host": urlsplit(url).netloc})
    event = json.loads(connection.getresponse().read())
    connection.close()
    assert event["headers"]["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param({"CERTIFICATE": "authority.pem"}, "TLS needs both", id="half"),
        pytest.param(
            {"CERTIFICATE": "authority.pem", "KEY": "key.pem"}, "cannot be served", id="other-key"
        ),
        pytest.param(
            {"CERTIFICATE": "nothing.pem", "KEY": "key.pem"}, "No such file", id="no-file"
        ),
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(
    secured: Secured, tmp_path: Path, settings: dict[str, str], problem: str
) -> None:
    """Clearly, and with status 1."""
    directory = secured.authority.parent
    environ = {f"LAMBD_TLS_{name}": str(directory / file) for name, file in settings.items()}
    done = subprocess.run(
        [str(LAMBD), "serve", "--port", str(free_port()), "--data-dir", str(tmp_path / "data")],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **environ},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert problem in done.stderr
