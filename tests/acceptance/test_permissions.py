"""Resource policies through boto3, and what an explicit Deny does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = "def handler(event, context):\n    return event\n"


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Code and status of an error."""
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def deny(name: str, **members: Any) -> str:
    """A document that denies everyone to invoke a function."""
    statement = {
        "Sid": "no",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "lambda:InvokeFunction",
        "Resource": ARN + name,
        **members,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_permissions(aws: LambdaClient, create: CreateFunction) -> None:
    """Add, get, remove, with and without a qualifier."""
    name = create(ECHO, Publish=True)
    added = aws.add_permission(
        FunctionName=name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="000000000000",
    )
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = json.loads(added["Statement"])
    assert statement["Condition"] == {
        "StringEquals": {"AWS:SourceAccount": "000000000000"},
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
    }
    aws.add_permission(
        FunctionName=f"{name}:1", StatementId="s3", Action="lambda:*", Principal="111122223333"
    )
    found = aws.get_policy(FunctionName=name)
    assert json.loads(found["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement],
    }
    assert found["RevisionId"] == aws.get_function_configuration(FunctionName=name)["RevisionId"]
    qualified = json.loads(aws.get_policy(FunctionName=name, Qualifier="1")["Policy"])
    assert qualified["Statement"][0]["Resource"] == f"{ARN}{name}:1"
    removed = aws.remove_permission(
        FunctionName=name, StatementId="s3", RevisionId=found["RevisionId"]
    )
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        aws.get_policy(FunctionName=name)
    assert error_of(caught) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"StatementId": "a b"}, "ValidationException", id="id"),
        pytest.param({"Action": "s3:GetObject"}, "ValidationException", id="action"),
        pytest.param({"Principal": "nobody"}, "InvalidParameterValueException", id="principal"),
        pytest.param({"Qualifier": "$LATEST"}, "InvalidParameterValueException", id="latest"),
        pytest.param({"Qualifier": "none"}, "ResourceNotFoundException", id="alias"),
        pytest.param({"RevisionId": "x"}, "PreconditionFailedException", id="revision"),
        pytest.param({"FunctionUrlAuthType": "x"}, "ValidationException", id="auth type"),
    ],
)
def test_permissions_that_are_refused(
    aws: LambdaClient, create: CreateFunction, members: dict[str, Any], code: str
) -> None:
    """With the code that AWS gives."""
    request: dict[str, Any] = {
        "FunctionName": create(ECHO),
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
        **members,
    }
    with pytest.raises(ClientError) as caught:
        aws.add_permission(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_a_policy_that_is_too_long(aws: LambdaClient, create: CreateFunction) -> None:
    """20 KB at most."""
    name = create(ECHO)
    request: dict[str, Any] = {
        "FunctionName": name,
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
        "SourceArn": "arn:aws:s3:::" + "b" * 9000,
    }
    aws.add_permission(StatementId="a", **request)
    aws.add_permission(StatementId="b", **request)
    with pytest.raises(ClientError) as caught:
        aws.add_permission(StatementId="c", **request)
    assert error_of(caught) == ("PolicyLengthExceededException", 400)


def test_an_explicit_deny_takes_effect_at_once(aws: LambdaClient, create: CreateFunction) -> None:
    """Root included; by every form of the name, for events and dry runs too; until it is gone."""
    name = create(ECHO)
    aws.invoke(FunctionName=name)
    put = aws.put_resource_policy(ResourceArn=ARN + name, Policy=deny(name))
    assert aws.get_resource_policy(ResourceArn=ARN + name)["Policy"] == put["Policy"]
    requests: tuple[dict[str, Any], ...] = (
        {"FunctionName": name},
        {"FunctionName": ARN + name},
        {"FunctionName": name, "Qualifier": "$LATEST"},
        {"FunctionName": name, "InvocationType": "Event"},
        {"FunctionName": name, "InvocationType": "DryRun"},
    )
    for request in requests:
        with pytest.raises(ClientError) as caught:
            aws.invoke(**request)
        assert error_of(caught) == ("AccessDeniedException", 403)
        assert caught.value.response["Error"]["Message"] == (
            "User: arn:aws:iam::000000000000:root is not authorized to perform: "
            f"lambda:InvokeFunction on resource: {ARN}{name} with an explicit deny in a "
            "resource-based policy"
        )
    aws.get_function(FunctionName=name)
    aws.delete_resource_policy(ResourceArn=ARN + name, RevisionId=put["RevisionId"])
    assert aws.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"


def test_a_deny_of_a_version(aws: LambdaClient, create: CreateFunction) -> None:
    """The scope's own policy, or the function's by a wildcard; no other version."""
    name = create(ECHO, Publish=True)
    aws.put_resource_policy(
        ResourceArn=f"{ARN}{name}:1", Policy=deny(name, Resource=f"{ARN}{name}:1")
    )
    aws.invoke(FunctionName=name)
    with pytest.raises(ClientError):
        aws.invoke(FunctionName=name, Qualifier="1")
    aws.delete_resource_policy(ResourceArn=f"{ARN}{name}:1")
    aws.invoke(FunctionName=name, Qualifier="1")
    aws.put_resource_policy(ResourceArn=ARN + name, Policy=deny(name, Resource=f"{ARN}{name}:*"))
    aws.invoke(FunctionName=name)
    with pytest.raises(ClientError):
        aws.invoke(FunctionName=name, Qualifier="1")


def test_a_deny_with_conditions(aws: LambdaClient, create: CreateFunction) -> None:
    """Only requests that meet them are denied."""
    name = create(ECHO)
    for principal, denied in (("000000000000", True), ("111122223333", False)):
        condition = {"StringEquals": {"aws:PrincipalAccount": principal}}
        aws.put_resource_policy(ResourceArn=ARN + name, Policy=deny(name, Condition=condition))
        if denied:
            with pytest.raises(ClientError):
                aws.invoke(FunctionName=name)
        else:
            aws.invoke(FunctionName=name)


def test_a_deny_never_locks_out(aws: LambdaClient, create: CreateFunction) -> None:
    """Other operations are denied as well, those on the policy itself are not."""
    name = create(ECHO)
    aws.put_resource_policy(ResourceArn=ARN + name, Policy=deny(name, Action="*"))
    with pytest.raises(ClientError) as caught:
        aws.get_function(FunctionName=name)
    assert error_of(caught) == ("AccessDeniedException", 403)
    with pytest.raises(ClientError):
        aws.list_tags(Resource=ARN + name)
    aws.remove_permission(FunctionName=name, StatementId="no")
    aws.get_function(FunctionName=name)


def test_documents_that_are_refused(aws: LambdaClient, create: CreateFunction) -> None:
    """No policy, another function's, too long, a stale revision."""
    name = create(ECHO)
    for policy, code in (
        ("{}", "InvalidParameterValueException"),
        (deny("other"), "InvalidParameterValueException"),
        (deny(name, Sid="x" * 21_000), "ValidationException"),
    ):
        with pytest.raises(ClientError) as caught:
            aws.put_resource_policy(ResourceArn=ARN + name, Policy=policy)
        assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError) as caught:
        aws.put_resource_policy(
            ResourceArn=ARN + name,
            Policy=deny(name),
            RevisionId="00000000-0000-0000-0000-000000000000",
        )
    assert error_of(caught) == ("PreconditionFailedException", 412)
    with pytest.raises(ClientError) as caught:
        aws.get_resource_policy(ResourceArn=ARN + name)
    assert error_of(caught) == ("ResourceNotFoundException", 404)
