"""Who may come: the account's root, its roles, services, anyone; and what their own policies allow.

Until there are identities every caller with a key of the account is its root, and every role of the
account may do everything: only an explicit Deny of a resource's policy refuses them.
"""

from __future__ import annotations

from lambd.model.arns import Scope
from lambd.model.policies import FULL_ACCESS, Policy, Principal, PrincipalKind

ANYONE = Principal(kind=PrincipalKind.ANONYMOUS, name="anonymous")


def root_of(scope: Scope) -> Principal:
    """The root of the account."""
    name = f"arn:{scope.partition}:iam::{scope.account_id}:root"
    return Principal(kind=PrincipalKind.ROOT, name=name, account_id=scope.account_id)


def service(name: str) -> Principal:
    """A service of AWS, such as `events.amazonaws.com`."""
    return Principal(kind=PrincipalKind.SERVICE, name=name)


def role(arn: str, scope: Scope) -> Principal:
    """A role of the account, as which a service acts."""
    return Principal(kind=PrincipalKind.ROLE, name=arn, account_id=scope.account_id)


def identity_policies(principal: Principal, account_id: str) -> tuple[Policy, ...]:
    """The policies that a principal has itself, as far as they count in an account."""
    return (FULL_ACCESS,) if principal.account_id == account_id else ()
