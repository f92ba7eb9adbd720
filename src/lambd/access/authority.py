"""Who calls, and whether they may: before every operation is dispatched.

Until requests are authenticated every caller is the account's root, whose identity policy allows
everything, so only an explicit Deny of a function's resource policy can refuse one: AWS applies
that to root as well. Which operations such a policy governs: security.md section 3 (those that
change policies are not among them, so nobody can be locked out of a function).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

from lambd.http.messages import Request
from lambd.model.arns import LATEST, FunctionReference, Scope, parse_function_reference
from lambd.model.conditions import Context
from lambd.model.errors import AccessDeniedError
from lambd.model.policies import (
    FULL_ACCESS,
    AccessRequest,
    Decision,
    Policy,
    Principal,
    PrincipalKind,
    evaluate,
)
from lambd.model.settings import FunctionSettings
from lambd.store.settings_cache import SettingsCache

_INVOKE = "lambda:InvokeFunction"
# Operation -> action, for those that a function's resource policy governs.
_GOVERNED: Mapping[str, str] = {
    **{
        name: f"lambda:{name}"
        for name in (
            *("CreateAlias", "DeleteAlias", "DeleteFunction", "DeleteFunctionConcurrency"),
            *("DeleteFunctionEventInvokeConfig", "DeleteProvisionedConcurrencyConfig"),
            *("GetAlias", "GetFunction", "GetFunctionConcurrency", "GetFunctionConfiguration"),
            *("GetFunctionEventInvokeConfig", "GetPolicy", "GetProvisionedConcurrencyConfig"),
            *("ListAliases", "ListFunctionEventInvokeConfigs"),
            *("ListProvisionedConcurrencyConfigs", "ListTags", "ListVersionsByFunction"),
            *("PublishVersion", "PutFunctionConcurrency", "PutFunctionEventInvokeConfig"),
            *("PutProvisionedConcurrencyConfig", "TagResource", "UntagResource", "UpdateAlias"),
            *("UpdateFunctionCode", "UpdateFunctionEventInvokeConfig"),
        )
    },
    "Invoke": _INVOKE,
    "InvokeAsync": _INVOKE,
    "InvokeWithResponseStream": _INVOKE,
}


class Authority:
    """See the module header."""

    def __init__(self, scope: Scope, settings: SettingsCache) -> None:
        self._scope = scope
        self._settings = settings
        self.root = Principal(
            kind=PrincipalKind.ROOT,
            name=f"arn:{scope.partition}:iam::{scope.account_id}:root",
            account_id=scope.account_id,
        )

    def authenticate(self, request: Request) -> Principal:
        """Who sent a request: the account's root, whatever it is signed with."""
        del request
        return self.root

    def authorise(
        self, principal: Principal, operation: str, params: Mapping[str, Any], request: Request
    ) -> Awaitable[None] | None:
        """Let an operation pass, or refuse it; awaitable only if the store has to be asked.

        Raises:
            AccessDeniedError: the principal may not do this (now or when awaited).
            InvalidParameterError, NotFoundError: the function's name is not valid here.
        """
        action = _GOVERNED.get(operation)
        if action is None:
            return None
        name = params.get("FunctionName") or params.get("Resource", "")
        if ":function:" not in name and name.startswith("arn:"):
            # Tags of what is no function.
            return None
        function = parse_function_reference(name, self._scope, params.get("Qualifier"))
        settings = self._settings.get_nowait(function.name)
        if settings is None:
            return self._authorise_later(principal, action, function, request)
        if settings.policies:
            self.check(principal, action, function, settings, context_of(principal, request))
        return None

    def check(
        self,
        principal: Principal,
        action: str,
        function: FunctionReference,
        settings: FunctionSettings,
        context: Context,
    ) -> None:
        """Raise AccessDeniedError unless the principal may act on a function.

        `$LATEST` is judged as the unqualified function, whose policy it has; a version or an alias
        by its own policy, and by what the function's says of it in a wildcard.
        """
        qualifier = None if function.qualifier == LATEST else function.qualifier
        resource = self._scope.function_arn(function.name, qualifier)
        request = AccessRequest(
            principal=principal,
            action=action,
            resource=resource,
            account_id=self._scope.account_id,
            context=context,
        )
        identity: tuple[Policy, ...] = ()
        if principal.kind is PrincipalKind.ROOT and principal.account_id == self._scope.account_id:
            identity = (FULL_ACCESS,)
        policies = [
            policy
            for key, policy in settings.policies.items()
            if key in (LATEST, function.qualifier)
        ]
        decision = evaluate(request, identity, policies)
        if decision is not Decision.ALLOW:
            why = (
                "with an explicit deny in a resource-based policy"
                if decision is Decision.EXPLICIT_DENY
                else f"because no resource-based policy allows the {action} action"
            )
            raise AccessDeniedError(
                f"User: {principal.name} is not authorized to perform: {action} on resource: "
                f"{resource} {why}"
            )

    async def _authorise_later(
        self, principal: Principal, action: str, function: FunctionReference, request: Request
    ) -> None:
        settings = await self._settings.get(function.name)
        if settings.policies:
            self.check(principal, action, function, settings, context_of(principal, request))


def context_of(principal: Principal, request: Request) -> dict[str, tuple[str, ...]]:
    """The global condition keys of a request."""
    now = datetime.now(UTC)  # noqa: TID251 - an edge
    context: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (f"{now:%Y-%m-%dT%H:%M:%SZ}",),
        "aws:epochtime": (str(int(time.time())),),
        "aws:securetransport": ("true" if request.is_secure else "false",),
        "aws:sourceip": (request.peer.address,),
        "aws:useragent": (request.headers.get("user-agent", ""),),
    }
    if principal.account_id is not None:
        context["aws:principalaccount"] = (principal.account_id,)
        context["aws:principalarn"] = (principal.name,)
        context["aws:userid"] = (principal.account_id,)
        context["aws:principaltype"] = ("Account",)
    return context
