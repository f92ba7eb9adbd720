"""Layer ARNs, statements and policies as values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.model.arns import Scope
from lambd.model.layers import (
    LayerArn,
    LayerPermission,
    LayerPolicy,
    layer_arn,
    parse_layer_arn,
)

_SCOPE = Scope(account_id="123456789012", region="eu-west-1", partition="aws-cn")
_names = st.from_regex(r"[a-zA-Z0-9-_]{1,140}", fullmatch=True)


@given(_names, st.none() | st.integers(1, 999_999_999))
def test_arns_are_parsed_as_they_were_written(name: str, number: int | None) -> None:
    """Of a layer and of a version, with every part."""
    assert parse_layer_arn(layer_arn(_SCOPE, name, number)) == LayerArn(
        partition="aws-cn",
        region="eu-west-1",
        account_id="123456789012",
        name=name,
        number=number,
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("layer", id="name"),
        pytest.param("arn:aws:lambda:us-east-1:123456789012:function:f", id="function"),
        pytest.param("arn:aws:lambda:::awslayer:AmazonLinux1803", id="aws"),
        pytest.param("arn:aws:lambda:us-east-1:123456789012:layer:a:1\n", id="newline"),
    ],
)
def test_other_texts_are_no_layer_arns(text: str) -> None:
    """Names and other resources' ARNs."""
    assert parse_layer_arn(text) is None


def test_a_number_that_was_never_given_out_is_zero() -> None:
    """However many digits it has."""
    parsed = parse_layer_arn(layer_arn(_SCOPE, "a") + ":" + "9" * 1000)
    assert parsed is not None
    assert parsed.number == 0


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        pytest.param("*", "*", id="everybody"),
        pytest.param("210987654321", {"AWS": "arn:aws-cn:iam::210987654321:root"}, id="account"),
        pytest.param(
            "arn:aws:iam::210987654321:root", {"AWS": "arn:aws:iam::210987654321:root"}, id="root"
        ),
    ],
)
def test_principals_have_the_form_of_policies(principal: str, expected: object) -> None:
    """As AWS writes them."""
    permission = LayerPermission(statement_id="s", principal=principal)
    assert permission.statement("arn", "aws-cn") == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": expected,
        "Action": "lambda:GetLayerVersion",
        "Resource": "arn",
    }


def test_a_policy_has_all_statements_in_order() -> None:
    """And the condition of an organisation."""
    permissions = (
        LayerPermission(statement_id="b", principal="*", organization_id="o-abcdefghij"),
        LayerPermission(statement_id="a", principal="*"),
    )
    policy = LayerPolicy(permissions=permissions, revision_id="r")
    document = json.loads(policy.document("arn", "aws"))
    assert [each["Sid"] for each in document["Statement"]] == ["b", "a"]
    assert document["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}
    }
