"""Condition keys of a request."""

from __future__ import annotations

from lambd.access.authority import context_of
from lambd.http.messages import Peer, Request
from lambd.model.policies import Principal, PrincipalKind

ANYONE = Principal(kind=PrincipalKind.ANONYMOUS, name="anonymous")


def test_conditions_see_who_connects() -> None:
    """The address of the other end, and whether TLS protects it."""
    plain = context_of(ANYONE, Request("GET", "/", "", {}, b"", Peer("127.0.0.2")))
    assert (plain["aws:sourceip"], plain["aws:securetransport"]) == (("127.0.0.2",), ("false",))
    peer = Peer("::1", "TLSv1.3", "TLS_AES_128_GCM_SHA256")
    secure = context_of(ANYONE, Request("GET", "/", "", {}, b"", peer))
    assert (secure["aws:sourceip"], secure["aws:securetransport"]) == (("::1",), ("true",))
