"""Whether a schedule or a rule may invoke a function.

A rule comes as the service `events.amazonaws.com`, which only the function's resource policy can
allow. A schedule comes as its execution role: until there are identity policies, every role of the
account may do everything, so that only an explicit Deny of the function's policy refuses it.
"""

from __future__ import annotations

from datetime import datetime

from lambd.model.arns import LATEST, Scope
from lambd.model.errors import AccessDeniedError
from lambd.model.policies import (
    FULL_ACCESS,
    AccessRequest,
    Decision,
    Principal,
    PrincipalKind,
    evaluate,
)
from lambd.model.settings import FunctionSettings
from lambd.services.dispatch.model import Dispatch, Source

_ACTION = "lambda:InvokeFunction"
_EVENTS = Principal(kind=PrincipalKind.SERVICE, name="events.amazonaws.com")


def check_permission(
    dispatch: Dispatch, settings: FunctionSettings, scope: Scope, now: datetime
) -> None:
    """Raise AccessDeniedError unless a dispatch may become an invocation."""
    qualifier = None if dispatch.qualifier == LATEST else dispatch.qualifier
    resource = scope.function_arn(dispatch.function_name, qualifier)
    is_rule = dispatch.source is Source.RULE
    principal = _EVENTS if is_rule else _role(dispatch, scope)
    request = AccessRequest(
        principal=principal,
        action=_ACTION,
        resource=resource,
        account_id=scope.account_id,
        context=_context(dispatch, principal, scope, now),
    )
    policies = [
        policy
        for scope_name, policy in settings.policies.items()
        if scope_name in (LATEST, qualifier)
    ]
    decision = evaluate(request, () if is_rule else (FULL_ACCESS,), policies)
    if decision is not Decision.ALLOW:
        why = (
            "with an explicit deny in a resource-based policy"
            if decision is Decision.EXPLICIT_DENY
            else f"because no resource-based policy allows the {_ACTION} action"
        )
        raise AccessDeniedError(
            f"User: {principal.name} is not authorized to perform: {_ACTION} on resource: "
            f"{resource} {why}"
        )


def _role(dispatch: Dispatch, scope: Scope) -> Principal:
    return Principal(
        kind=PrincipalKind.ROLE, name=dispatch.role_arn or "", account_id=scope.account_id
    )


def _context(
    dispatch: Dispatch, principal: Principal, scope: Scope, now: datetime
) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (f"{now:%Y-%m-%dT%H:%M:%SZ}",),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:securetransport": ("true",),
    }
    if principal.account_id is None:
        context["aws:sourcearn"] = (dispatch.source_arn,)
        context["aws:sourceaccount"] = (scope.account_id,)
        context["aws:principalservicename"] = (principal.name,)
        context["aws:principalisawsservice"] = ("true",)
    else:
        context["aws:principalarn"] = (principal.name,)
        context["aws:principalaccount"] = (principal.account_id,)
        context["aws:principaltype"] = ("AssumedRole",)
    return context
