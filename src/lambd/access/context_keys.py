"""The global condition keys of a request: of who sends it, and of how it comes.

It comes over HTTP, or lambd makes it itself for a resource of a service, such as a schedule. Source:
AWS's IAM reference, "Global condition context keys".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from lambd.http.messages import Request
from lambd.model.conditions import Context
from lambd.model.policies import Principal, PrincipalKind

_TYPES = {PrincipalKind.ROOT: "Account", PrincipalKind.ROLE: "AssumedRole"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBehalf:
    """What lambd does by itself for a resource of an account: a schedule, a rule."""

    source_arn: str
    account_id: str
    now: datetime


# How a request comes.
Origin = Request | OnBehalf


def context_keys(principal: Principal, origin: Origin) -> dict[str, tuple[str, ...]]:
    """Lower-case keys and their values."""
    if isinstance(origin, OnBehalf):
        return {
            **_time(origin.now),
            **_of_principal(principal),
            **_of_source(principal, origin),
            "aws:securetransport": ("true",),
        }
    return {
        **_time(datetime.now(UTC)),  # noqa: TID251 - an edge
        **_of_principal(principal),
        "aws:securetransport": ("true" if origin.is_secure else "false",),
        "aws:sourceip": (origin.peer.address,),
        "aws:useragent": (origin.headers.get("user-agent", ""),),
    }


def _time(now: datetime) -> Context:
    return {
        "aws:currenttime": (f"{now:%Y-%m-%dT%H:%M:%SZ}",),
        "aws:epochtime": (str(int(now.timestamp())),),
    }


def _of_principal(principal: Principal) -> Context:
    if principal.kind is PrincipalKind.SERVICE:
        return {
            "aws:principalservicename": (principal.name,),
            "aws:principalisawsservice": ("true",),
        }
    if principal.account_id is None:
        return {}
    found = {
        "aws:principalaccount": (principal.account_id,),
        "aws:principalarn": (principal.name,),
    }
    if principal.kind in _TYPES:
        found["aws:principaltype"] = (_TYPES[principal.kind],)
    if principal.kind is PrincipalKind.ROOT:
        found["aws:userid"] = (principal.account_id,)
    return found


def _of_source(principal: Principal, origin: OnBehalf) -> Context:
    """For whom a service acts; a role acts for itself."""
    if principal.kind is not PrincipalKind.SERVICE:
        return {}
    return {"aws:sourcearn": (origin.source_arn,), "aws:sourceaccount": (origin.account_id,)}
