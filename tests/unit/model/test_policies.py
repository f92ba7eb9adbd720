"""Policy documents, and the decision that follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.policies import (
    FULL_ACCESS,
    AccessRequest,
    Decision,
    MalformedPolicyError,
    Policy,
    Principal,
    PrincipalKind,
    evaluate,
    parse_document,
    parse_policy,
)

ACCOUNT = "111122223333"
OTHER = "444455556666"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
ROOT = Principal(kind=PrincipalKind.ROOT, name=f"arn:aws:iam::{ACCOUNT}:root", account_id=ACCOUNT)
USER = Principal(kind=PrincipalKind.USER, name=f"arn:aws:iam::{ACCOUNT}:user/u", account_id=ACCOUNT)
FOREIGN = Principal(kind=PrincipalKind.ROLE, name=f"arn:aws:iam::{OTHER}:role/r", account_id=OTHER)
S3 = Principal(kind=PrincipalKind.SERVICE, name="s3.amazonaws.com")
NOBODY = Principal(kind=PrincipalKind.ANONYMOUS, name="*")
INVOKE = "lambda:InvokeFunction"


def statement(**members: Any) -> dict[str, Any]:
    """A statement that lets anyone invoke, with other members in place."""
    made: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": INVOKE,
        "Resource": ARN,
        **members,
    }
    return {key: value for key, value in made.items() if value is not None}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A whole document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def decide(
    principal: Principal,
    *statements: dict[str, Any],
    identity: tuple[Policy, ...] = (),
    action: str = INVOKE,
    resource: str = ARN,
    context: Mapping[str, str] | None = None,
) -> Decision:
    """The decision on a request by a resource policy."""
    request = AccessRequest(
        principal=principal,
        action=action,
        resource=resource,
        account_id=ACCOUNT,
        context={key: (value,) for key, value in (context or {}).items()},
    )
    resource_policies = [parse_document(document(*statements))] if statements else []
    return evaluate(request, identity, resource_policies)


@pytest.mark.parametrize("principal", [ROOT, USER, S3, NOBODY], ids=lambda item: item.kind.name)
def test_anyone_may(principal: Principal) -> None:
    """A statement about `*` is enough within the account, for services and without a name."""
    assert decide(principal, statement()) is Decision.ALLOW
    assert decide(principal) is Decision.IMPLICIT_DENY


def test_across_accounts_both_must_allow() -> None:
    """The resource's policy alone does not let another account's role in, nor its own alone."""
    assert decide(FOREIGN, statement()) is Decision.IMPLICIT_DENY
    assert decide(FOREIGN, identity=(FULL_ACCESS,)) is Decision.IMPLICIT_DENY
    assert decide(FOREIGN, statement(), identity=(FULL_ACCESS,)) is Decision.ALLOW


def test_a_deny_wins_over_everything() -> None:
    """Over other statements, and over root's full access."""
    deny = statement(Effect="Deny")
    for principal in (ROOT, USER, FOREIGN, S3, NOBODY):
        decision = decide(principal, statement(), deny, identity=(FULL_ACCESS,))
        assert decision is Decision.EXPLICIT_DENY


def test_the_account_as_principal() -> None:
    """Root is let in by it; a user needs an identity policy besides; a Deny meets both."""
    for name in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"):
        allow = statement(Principal={"AWS": name})
        assert decide(ROOT, allow) is Decision.ALLOW
        assert decide(USER, allow) is Decision.IMPLICIT_DENY
        assert decide(USER, allow, identity=(FULL_ACCESS,)) is Decision.ALLOW
        deny = statement(Principal={"AWS": name}, Effect="Deny")
        assert decide(USER, deny, identity=(FULL_ACCESS,)) is Decision.EXPLICIT_DENY
        assert decide(NOBODY, deny, statement()) is Decision.ALLOW


def test_a_user_by_name() -> None:
    """The statement is about that user only."""
    allow = statement(Principal={"AWS": [USER.name]})
    assert decide(USER, allow) is Decision.ALLOW
    assert decide(ROOT, allow) is Decision.IMPLICIT_DENY
    assert decide(S3, allow) is Decision.IMPLICIT_DENY


def test_services_with_their_source() -> None:
    """As AddPermission writes it for S3."""
    allow = statement(
        Principal={"Service": "s3.amazonaws.com"},
        Condition={
            "StringEquals": {"AWS:SourceAccount": ACCOUNT},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b*"},
        },
    )
    right = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": "arn:aws:s3:::bucket"}
    wrong = {**right, "aws:sourceaccount": OTHER}
    assert decide(S3, allow, context=right) is Decision.ALLOW
    assert decide(S3, allow, context=wrong) is Decision.IMPLICIT_DENY
    assert decide(S3, allow) is Decision.IMPLICIT_DENY
    assert decide(USER, allow, context=right) is Decision.IMPLICIT_DENY


def test_the_not_forms() -> None:
    """`NotAction`, `NotResource` and `NotPrincipal` are about all others."""
    full = (FULL_ACCESS,)
    other_action = statement(Effect="Deny", Action=None, NotAction="lambda:Get*")
    assert decide(ROOT, other_action, identity=full) is Decision.EXPLICIT_DENY
    assert decide(ROOT, other_action, identity=full, action="lambda:GetPolicy") is Decision.ALLOW
    other_resource = statement(Effect="Deny", Resource=None, NotResource=f"{ARN}:1")
    assert decide(ROOT, other_resource, identity=full) is Decision.EXPLICIT_DENY
    assert decide(ROOT, other_resource, identity=full, resource=f"{ARN}:1") is Decision.ALLOW
    other_caller = statement(Effect="Deny", Principal=None, NotPrincipal={"AWS": USER.name})
    assert decide(ROOT, other_caller, identity=full) is Decision.EXPLICIT_DENY
    assert decide(USER, other_caller, identity=full) is Decision.ALLOW


def test_actions_have_no_case_and_may_have_stars() -> None:
    """As in IAM; resources do have case."""
    assert decide(NOBODY, statement(Action="LAMBDA:invoke*")) is Decision.ALLOW
    assert decide(NOBODY, statement(Resource=f"{ARN}:*")) is Decision.IMPLICIT_DENY
    assert decide(NOBODY, statement(Resource=f"{ARN}:*"), resource=f"{ARN}:1") is Decision.ALLOW
    assert decide(NOBODY, statement(Resource=ARN.upper())) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{", "not valid JSON", id="no JSON"),
        pytest.param("[" * 100_000, "not valid JSON", id="too deep"),
        pytest.param("[]", "must be a JSON object", id="no object"),
        pytest.param('{"Statement": []}', "Version must be 2012-10-17", id="no version"),
        pytest.param(json.dumps(document()), "at least one statement", id="no statement"),
        pytest.param(
            json.dumps(document() | {"Statements": 1}), "policy element: Statements", id="member"
        ),
        pytest.param(json.dumps(document(1)), "statement must be", id="statement"),  # type: ignore[arg-type]  # on purpose
        *(
            pytest.param(json.dumps(document(statement(**members))), problem, id=problem)
            for members, problem in (
                ({"Effect": "allow"}, "Effect must be Allow or Deny"),
                ({"Principle": "*"}, "Unknown statement element: Principle"),
                ({"Principal": None}, "either Principal or NotPrincipal"),
                ({"NotPrincipal": "*"}, "either Principal or NotPrincipal"),
                ({"Action": None}, "either Action or NotAction"),
                ({"Resource": None}, "either Resource or NotResource"),
                ({"Action": "invoke"}, "Invalid action: invoke"),
                ({"Action": []}, "Action must be a string"),
                ({"Resource": [1]}, "Resource must be a string"),
                ({"Principal": "me"}, "Principal must be"),
                ({"Principal": {"AWS": "me"}}, "Invalid principal in policy: me"),
                ({"Principal": {"Service": "s3"}}, "Invalid principal in policy: s3"),
                ({"Principal": {"Federated": "x"}}, "Principal type Federated"),
                ({"Resource": "${aws:username}"}, "policy variables are not supported"),
                ({"Condition": []}, "Condition must be an object"),
                ({"Condition": {"Bool": {}}}, "Condition Bool must be"),
                ({"Condition": {"Like": {"a": "b"}}}, "Invalid condition operator: Like"),
                ({"Condition": {"Bool": {"a": "b"}}}, "Invalid value for condition operator Bool"),
                ({"Sid": 1}, "Sid must be a string"),
                (
                    {"Principal": None, "NotPrincipal": {"AWS": ACCOUNT}},
                    "NotPrincipal can only be used with Deny",
                ),
            )
        ),
        pytest.param(
            json.dumps(document(statement(Sid="a"), statement(Sid="a"))), "unique", id="twice"
        ),
    ],
)
def test_refuses_what_is_no_policy(text: str, problem: str) -> None:
    """Nothing that cannot be evaluated becomes a policy."""
    with pytest.raises(MalformedPolicyError, match=problem):
        parse_policy(text)


def test_booleans_and_numbers_of_conditions() -> None:
    """As text or as JSON has them."""
    condition = {"Bool": {"lambda:InvokedViaFunctionUrl": True}, "NumericLessThan": {"n": [3]}}
    allow = statement(Condition=condition)
    context = {"lambda:invokedviafunctionurl": "true", "n": "2"}
    assert decide(NOBODY, allow, context=context) is Decision.ALLOW


EFFECTS = st.sampled_from(["Allow", "Deny"])
STATEMENTS = st.builds(
    lambda effect, principal, action, resource: statement(
        Effect=effect, Principal=principal, Action=action, Resource=resource
    ),
    EFFECTS,
    st.sampled_from(
        ["*", {"AWS": ACCOUNT}, {"AWS": USER.name}, {"Service": S3.name}, {"AWS": OTHER}]
    ),
    st.sampled_from([INVOKE, "lambda:*", "lambda:GetFunction"]),
    st.sampled_from([ARN, f"{ARN}:*", "*"]),
)
PRINCIPALS = st.sampled_from([ROOT, USER, FOREIGN, S3, NOBODY])


@given(st.lists(STATEMENTS, min_size=1, max_size=5), PRINCIPALS, st.booleans())
def test_order_does_not_matter(
    statements: list[dict[str, Any]], principal: Principal, has_identity: bool
) -> None:
    """The decision is the same in any order; a Deny more never opens, an Allow more never closes."""
    identity = (FULL_ACCESS,) if has_identity else ()
    decision = decide(principal, *statements, identity=identity)
    assert decide(principal, *reversed(statements), identity=identity) is decision
    deny = statement(Effect="Deny")
    assert decide(principal, *statements, deny, identity=identity) is Decision.EXPLICIT_DENY
    opened = decide(principal, *statements, statement(), identity=identity)
    assert opened is decision or decision is Decision.IMPLICIT_DENY


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.sampled_from(["2012-10-17", "Allow", "*", INVOKE, ARN]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Version",
                        "Statement",
                        "Effect",
                        "Principal",
                        "Action",
                        "Resource",
                        "AWS",
                        "Condition",
                        "Bool",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_policy_or_refused(value: object) -> None:
    """Whatever the shape, nothing else comes out."""
    try:
        policy = parse_document(value)
    except MalformedPolicyError:
        return
    assert policy.statements
