"""What answers at a host."""

from __future__ import annotations

import pytest

from lambd.frontend.hosts import Host, HostKind, Hosts

ID = "a1" * 16
HOSTS = Hosts(url_domain="functions.test", allowed=["Lambda.example"])


@pytest.mark.parametrize(("suffix", "port"), [("", None), (":443", 443), (":4566", 4566)])
def test_a_function_url_is_matched_whole_and_in_any_case(suffix: str, port: int | None) -> None:
    """With a port or without one."""
    name = f"{ID}.lambda-url.eu-west-1.functions.test"
    expected = Host(kind=HostKind.FUNCTION_URL, name=name, port=port, url_id=ID, region="eu-west-1")
    assert HOSTS.find(name + suffix) == expected
    assert HOSTS.find(name.upper() + suffix) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"{ID}.lambda-url.eu-west-1.functions.test.evil", id="longer"),
        pytest.param(f"{ID}.lambda-url.eu-west-1.localhost", id="other-domain"),
        pytest.param(f"{ID}.lambda-url.eu-west-1.more.functions.test", id="more-labels"),
        pytest.param(f"{ID}.lambda-url.eu-west-1.functionsxtest", id="dot-is-a-dot"),
        pytest.param(f"x.{ID}.lambda-url.eu-west-1.functions.test", id="label-in-front"),
        pytest.param("short.lambda-url.eu-west-1.functions.test", id="id"),
    ],
)
def test_other_names_of_that_kind_are_urls_that_do_not_exist(value: str) -> None:
    """Never the API, though a name below localhost is one of its own."""
    found = HOSTS.find(value)
    assert (found.kind, found.url_id) == (HostKind.FUNCTION_URL, None)


@pytest.mark.parametrize(
    "value",
    [
        *("localhost", "LOCALHOST:4566", "a.localhost:1", "127.0.0.1", "127.0.0.1:4566"),
        *("127.1.2.3", "[::1]", "[::1]:4566", "lambda.example", "LAMBDA.EXAMPLE:80"),
    ],
)
def test_the_api_is_at_loopback_names_and_those_that_are_allowed(value: str) -> None:
    """Whatever the port: it may be forwarded."""
    assert HOSTS.find(value).kind is HostKind.API


@pytest.mark.parametrize(
    "value",
    [
        *("evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example"),
        *("10.0.0.1", "[fe80::1]", "0.0.0.1", "notlambda.example"),
    ],
)
def test_all_other_names_are_foreign(value: str) -> None:
    """A page that has its own name lead here does not get far."""
    assert HOSTS.find(value).kind is HostKind.FOREIGN


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "localhost, localhost", "localhost,evil.example", "a b", "localhost:", ":80"),
        *("user@localhost", "localhost:x", "[::1", "http://localhost"),
    ],
)
def test_no_host_and_several_are_malformed(value: str | None) -> None:
    """Repeated headers arrive joined by commas."""
    assert HOSTS.find(value).kind is HostKind.MALFORMED


def test_forgets_before_it_has_remembered_too_many() -> None:
    """Names cost an attacker nothing."""
    hosts = Hosts(url_domain="localhost")
    kinds = {hosts.find(f"{number}.example").kind for number in range(5000)}
    assert kinds == {HostKind.FOREIGN}
