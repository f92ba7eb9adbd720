"""Who calls, and whether they may: one judgement for every request, of whatever service.

`authorise` is asked before an operation of Lambda or of another service is dispatched, before a
function URL runs its function, and before a schedule or a rule does. A function's resource policy
has a say where the request is on a function; AWS applies an explicit Deny of it to root as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from lambd.access.context_keys import Origin, context_keys
from lambd.access.principals import identity_policies, root_of
from lambd.http.messages import Request
from lambd.model.arns import LATEST, FunctionReference, Scope
from lambd.model.conditions import Context
from lambd.model.errors import AccessDeniedError
from lambd.model.function_controls import FunctionControls
from lambd.model.policies import AccessRequest, Decision, Policy, Principal, evaluate
from lambd.store.controls_cache import ControlsCache

_NO_KEYS: Context = {}


class Authority:
    """See the module header; safe for concurrent calls."""

    def __init__(self, scope: Scope, controls: ControlsCache) -> None:
        self._scope = scope
        self._controls = controls
        self.root = root_of(scope)

    def authenticate(self, request: Request) -> Principal:
        """Who sent a request: the account's root, whatever it is signed with."""
        del request
        return self.root

    def authorise(
        self,
        principal: Principal,
        action: str,
        function: FunctionReference | None,
        origin: Origin,
        keys: Context = _NO_KEYS,
    ) -> Awaitable[None] | None:
        """Let a request pass, or refuse it; awaitable only if the store has to be asked.

        Args:
            principal: who sends it.
            action: what it is, such as `lambda:InvokeFunction`.
            function: whose resource policy has a say, if one's has.
            origin: how it comes.
            keys: condition keys of the action itself, in lower case.

        Raises:
            AccessDeniedError: the principal may not do this (now or when awaited).
        """
        if function is None:
            # AWS names the resource here; what there is has no policies yet that would tell them.
            self._judge(principal, action, "*", (), origin, keys)
            return None
        controls = self._controls.get_nowait(function.name)
        if controls is None:
            return self._authorise_later(principal, action, function, origin, keys)
        # The warm path is the first half of this: nothing can refuse it.
        if controls.policies or principal is not self.root:
            self._check(principal, action, function, controls, origin, keys)
        return None

    async def _authorise_later(
        self,
        principal: Principal,
        action: str,
        function: FunctionReference,
        origin: Origin,
        keys: Context,
    ) -> None:
        controls = await self._controls.get(function.name)
        self._check(principal, action, function, controls, origin, keys)

    def _check(
        self,
        principal: Principal,
        action: str,
        function: FunctionReference,
        controls: FunctionControls,
        origin: Origin,
        keys: Context,
    ) -> None:
        """Judge an action on a function.

        `$LATEST` is judged as the unqualified function, whose policy it has; a version or an alias
        by its own policy, and by what the function's says of it in a wildcard.
        """
        qualifier = None if function.qualifier == LATEST else function.qualifier
        resource = self._scope.function_arn(function.name, qualifier)
        policies = [
            policy
            for key, policy in controls.policies.items()
            if key in (LATEST, function.qualifier)
        ]
        self._judge(principal, action, resource, policies, origin, keys)

    def _judge(
        self,
        principal: Principal,
        action: str,
        resource: str,
        policies: Sequence[Policy],
        origin: Origin,
        keys: Context,
    ) -> None:
        if not policies and principal is self.root:
            # Nothing can refuse it.
            return
        account_id = self._scope.account_id
        request = AccessRequest(
            principal=principal,
            action=action,
            resource=resource,
            account_id=account_id,
            context={**context_keys(principal, origin), **keys},
        )
        decision = evaluate(request, identity_policies(principal, account_id), policies)
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
