"""Condition keys of a request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambd.access import principals
from lambd.access.context_keys import OnBehalf, context_keys
from lambd.http.messages import Peer, Request
from lambd.model.arns import Scope
from lambd.model.policies import Principal

SCOPE = Scope(account_id="000000000000", region="us-east-1")
REQUEST = Request("GET", "/", "", {"user-agent": "curl"}, b"", Peer("127.0.0.2"))
BY_RULE = OnBehalf(
    source_arn="arn:aws:events:r",
    account_id="000000000000",
    now=datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
)
OF_ROLE = {
    "aws:principalarn": ("arn:aws:iam::000000000000:role/r",),
    "aws:principalaccount": ("000000000000",),
    "aws:principaltype": ("AssumedRole",),
}
OF_ROOT = {
    "aws:principalarn": ("arn:aws:iam::000000000000:root",),
    "aws:principalaccount": ("000000000000",),
    "aws:principaltype": ("Account",),
    "aws:userid": ("000000000000",),
}
OF_SERVICE = {
    "aws:principalservicename": ("events.amazonaws.com",),
    "aws:principalisawsservice": ("true",),
}
OF_RULE = {"aws:sourcearn": ("arn:aws:events:r",), "aws:sourceaccount": ("000000000000",)}
MADE_HERE = {
    "aws:currenttime": ("2026-11-24T01:02:03Z",),
    "aws:epochtime": ("1795482123",),
    "aws:securetransport": ("true",),
}
SENT = {
    "aws:sourceip": ("127.0.0.2",),
    "aws:useragent": ("curl",),
    "aws:securetransport": ("false",),
}


@pytest.mark.parametrize(
    ("principal", "own"),
    [
        pytest.param(principals.root_of(SCOPE), OF_ROOT, id="root"),
        pytest.param(
            principals.role("arn:aws:iam::000000000000:role/r", SCOPE), OF_ROLE, id="role"
        ),
        pytest.param(principals.service("events.amazonaws.com"), OF_SERVICE, id="service"),
        pytest.param(principals.ANYONE, {}, id="anyone"),
    ],
)
def test_a_request_tells_who_sends_it_and_whence(
    principal: Principal, own: dict[str, tuple[str, ...]]
) -> None:
    """And when it comes."""
    keys = context_keys(principal, REQUEST)
    times = {name: keys.pop(name) for name in ("aws:currenttime", "aws:epochtime")}
    assert keys == {**SENT, **own}
    assert all(times.values())


@pytest.mark.parametrize(
    ("principal", "own"),
    [
        pytest.param(
            principals.service("events.amazonaws.com"), {**OF_SERVICE, **OF_RULE}, id="service"
        ),
        pytest.param(
            principals.role("arn:aws:iam::000000000000:role/r", SCOPE), OF_ROLE, id="role"
        ),
    ],
)
def test_what_lambd_does_itself_tells_for_whom(
    principal: Principal, own: dict[str, tuple[str, ...]]
) -> None:
    """A service acts for a resource, a role for itself."""
    assert context_keys(principal, BY_RULE) == {**MADE_HERE, **own}


def test_conditions_see_whether_tls_protects_a_request() -> None:
    """And an address of the newer protocol."""
    peer = Peer("::1", "TLSv1.3", "TLS_AES_128_GCM_SHA256")
    keys = context_keys(principals.ANYONE, Request("GET", "/", "", {}, b"", peer))
    assert (keys["aws:sourceip"], keys["aws:securetransport"]) == (("::1",), ("true",))
