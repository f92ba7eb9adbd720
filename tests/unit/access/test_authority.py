"""One judgement for every request: by who sends it, the function's policy, and how it comes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lambd.access import principals
from lambd.access.actions import INVOKE_FUNCTION
from lambd.access.authority import Authority
from lambd.access.context_keys import OnBehalf, Origin
from lambd.http.messages import Peer, Request
from lambd.model.arns import FunctionReference, Scope
from lambd.model.errors import AccessDeniedError
from lambd.model.function_controls import FunctionControls
from lambd.model.policies import Policy, Principal, parse_policy
from lambd.store.controls_cache import ControlsCache

SCOPE = Scope(account_id="000000000000", region="us-east-1")
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
RULE = "arn:aws:events:us-east-1:000000000000:rule/r"
ROOT = principals.root_of(SCOPE)
ROLE = principals.role("arn:aws:iam::000000000000:role/r", SCOPE)
EVENTS = principals.service("events.amazonaws.com")
OF_EVENTS = {"Service": "events.amazonaws.com"}
REQUEST = Request("POST", "/", "", {"user-agent": "Boto3/1"}, b"", Peer("127.0.0.2"))
BY_RULE = OnBehalf(
    source_arn=RULE, account_id="000000000000", now=datetime(2026, 11, 24, tzinfo=UTC)
)

Policies = dict[str, Policy]


def policy(
    principal: object, *, effect: str = "Allow", condition: dict[str, object] | None = None
) -> Policy:
    """A policy of one statement on invoking the function, unqualified or not."""
    statement: dict[str, object] = {
        "Effect": effect,
        "Principal": principal,
        "Action": INVOKE_FUNCTION,
        "Resource": [FUNCTION, f"{FUNCTION}:live"],
    }
    if condition is not None:
        statement["Condition"] = condition
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def from_source(arn: str) -> dict[str, object]:
    """That a request comes from a resource."""
    return {"ArnLike": {"AWS:SourceArn": arn}}


async def ask(
    policies: Policies,
    principal: Principal,
    origin: Origin,
    *,
    qualifier: str | None = None,
    keys: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """Ask whether a principal may invoke the function, before and after its policies are known."""

    async def read(_: str) -> FunctionControls | None:
        return FunctionControls(policies=policies)

    settings = ControlsCache(read)
    authority = Authority(SCOPE, settings)
    function = FunctionReference(name="f", qualifier=qualifier)
    asked = (principal, INVOKE_FUNCTION, function, origin, keys or {})
    pending = authority.authorise(*asked)
    assert pending is not None
    try:
        await pending
    except AccessDeniedError:
        with pytest.raises(AccessDeniedError):
            authority.authorise(*asked)
        raise
    assert authority.authorise(*asked) is None


@pytest.mark.parametrize(
    ("principal", "origin", "policies", "qualifier"),
    [
        pytest.param(ROOT, REQUEST, {}, None, id="root"),
        pytest.param(ROOT, REQUEST, {"$LATEST": policy(OF_EVENTS)}, None, id="root, of others"),
        pytest.param(
            *(ROOT, REQUEST, {"live": policy("*", effect="Deny")}, None), id="root, other scope"
        ),
        pytest.param(ROLE, BY_RULE, {}, None, id="role"),
        pytest.param(EVENTS, BY_RULE, {"$LATEST": policy(OF_EVENTS)}, None, id="service"),
        pytest.param(
            *(EVENTS, BY_RULE, {"$LATEST": policy(OF_EVENTS, condition=from_source(RULE))}, None),
            id="service, this rule",
        ),
        pytest.param(EVENTS, BY_RULE, {"live": policy(OF_EVENTS)}, "live", id="alias"),
        pytest.param(
            *(EVENTS, BY_RULE, {"$LATEST": policy(OF_EVENTS)}, "$LATEST"), id="$LATEST's own"
        ),
        pytest.param(principals.ANYONE, REQUEST, {"$LATEST": policy("*")}, None, id="anyone"),
    ],
)
async def test_lets_pass(
    principal: Principal, origin: Origin, policies: Policies, qualifier: str | None
) -> None:
    """Root and roles by their own policies, others by the function's alone."""
    await ask(policies, principal, origin, qualifier=qualifier)


@pytest.mark.parametrize(
    ("principal", "origin", "policies", "why"),
    [
        pytest.param(EVENTS, BY_RULE, {}, "no resource-based policy allows", id="no policy"),
        pytest.param(
            EVENTS,
            BY_RULE,
            {"$LATEST": policy(OF_EVENTS, condition=from_source("arn:aws:events:x"))},
            "no resource-based policy allows",
            id="another rule",
        ),
        pytest.param(
            EVENTS,
            BY_RULE,
            {"$LATEST": policy({"Service": "s3.amazonaws.com"})},
            "no resource-based policy allows",
            id="another service",
        ),
        pytest.param(
            EVENTS,
            BY_RULE,
            {"live": policy(OF_EVENTS)},
            "no resource-based policy allows",
            id="another scope",
        ),
        pytest.param(
            principals.ANYONE, REQUEST, {}, "no resource-based policy allows", id="anyone"
        ),
        pytest.param(
            *(ROLE, BY_RULE, {"$LATEST": policy("*", effect="Deny")}),
            "with an explicit deny in a resource-based policy",
            id="role denied",
        ),
        pytest.param(
            *(ROOT, REQUEST, {"$LATEST": policy("*", effect="Deny")}),
            "with an explicit deny in a resource-based policy",
            id="root denied",
        ),
    ],
)
async def test_refuses(principal: Principal, origin: Origin, policies: Policies, why: str) -> None:
    """With AWS's text, which names caller, action and resource."""
    with pytest.raises(AccessDeniedError) as refusal:
        await ask(policies, principal, origin)
    assert refusal.value.message.startswith(
        f"User: {principal.name} is not authorized to perform: {INVOKE_FUNCTION} on resource: "
        f"{FUNCTION} {'with' if why.startswith('with') else 'because'} "
    )
    assert why in refusal.value.message


@pytest.mark.parametrize(
    ("auth_type", "is_denied"), [pytest.param("NONE", True), pytest.param("AWS_IAM", False)]
)
async def test_an_actions_own_keys_are_seen(auth_type: str, is_denied: bool) -> None:
    """Beside the global ones."""
    condition: dict[str, object] = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    policies = {"$LATEST": policy("*", condition=condition)}
    asked = ask(
        policies, principals.ANYONE, REQUEST, keys={"lambda:functionurlauthtype": (auth_type,)}
    )
    if not is_denied:
        await asked
        return
    with pytest.raises(AccessDeniedError):
        await asked


@pytest.mark.parametrize(
    ("principal", "passes"),
    [
        pytest.param(ROOT, True, id="root"),
        pytest.param(ROLE, True, id="role"),
        pytest.param(EVENTS, False, id="service"),
        pytest.param(principals.ANYONE, False, id="anyone"),
    ],
)
def test_what_is_on_no_function_is_judged_by_the_callers_policies(
    principal: Principal, passes: bool
) -> None:
    """Requests of other services, and those that no function's policy governs."""

    async def read(_: str) -> FunctionControls | None:
        return None

    authority = Authority(SCOPE, ControlsCache(read))
    if passes:
        assert authority.authorise(principal, "logs:GetLogEvents", None, REQUEST) is None
        return
    with pytest.raises(AccessDeniedError, match=r"perform: logs:GetLogEvents on resource: \* "):
        authority.authorise(principal, "logs:GetLogEvents", None, REQUEST)


def test_who_sends_a_request_is_the_accounts_root() -> None:
    """Until there are identities."""

    async def read(_: str) -> FunctionControls | None:
        return None

    assert Authority(SCOPE, ControlsCache(read)).authenticate(REQUEST) == ROOT
