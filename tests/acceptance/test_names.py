"""The forms of a function's name through boto3: what each operation takes and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, CreateFunction, zipped
from tests.acceptance.test_aliases import ARN, error_of

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ECHO = "def handler(event, context):\n    return event\n"
FORMS = ("{name}", "function:{name}", "000000000000:function:{name}", ARN + "{name}")


@pytest.fixture
def name(aws: LambdaClient, create: CreateFunction) -> str:
    """A function with version 1 and alias `live`."""
    made = create(ECHO)
    aws.publish_version(FunctionName=made)
    aws.create_alias(FunctionName=made, Name="live", FunctionVersion="1")
    return made


@pytest.mark.parametrize("form", FORMS, ids=["bare", "type", "partial", "full"])
def test_operations_on_a_qualifier_take_every_form(aws: LambdaClient, name: str, form: str) -> None:
    """Unqualified, and with each kind of qualifier in the name, beside it or both."""
    text = form.format(name=name)
    for qualifier, version in (("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")):
        named: tuple[dict[str, Any], ...] = (
            {"FunctionName": f"{text}:{qualifier}"},
            {"FunctionName": text, "Qualifier": qualifier},
            {"FunctionName": f"{text}:{qualifier}", "Qualifier": qualifier},
        )
        for arguments in named:
            found: Any = aws.get_function(**arguments)["Configuration"]
            assert (found["FunctionArn"], found["Version"]) == (f"{ARN}{name}:{qualifier}", version)
            assert aws.get_function_configuration(**arguments)["Version"] == version
            assert aws.invoke(**arguments)["ExecutedVersion"] == version
    assert aws.get_function(FunctionName=text)["Configuration"]["FunctionArn"] == f"{ARN}{name}"
    assert aws.invoke(FunctionName=text)["ExecutedVersion"] == "$LATEST"


@pytest.mark.parametrize("form", FORMS, ids=["bare", "type", "partial", "full"])
def test_operations_on_the_function_take_every_form(
    aws: LambdaClient, name: str, form: str
) -> None:
    """Without a qualifier."""
    text = form.format(name=name)
    assert aws.get_alias(FunctionName=text, Name="live")["AliasArn"] == f"{ARN}{name}:live"
    assert len(aws.list_aliases(FunctionName=text)["Aliases"]) == 1
    assert len(aws.list_versions_by_function(FunctionName=text)["Versions"]) == 2
    assert aws.publish_version(FunctionName=text)["Version"] == "1"
    aws.update_alias(FunctionName=text, Name="live", Description="d")
    aws.delete_alias(FunctionName=text, Name="live")
    aws.update_function_configuration(FunctionName=text, Description="d")


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_operations_on_latest_refuse_other_qualifiers(
    aws: LambdaClient, name: str, qualifier: str
) -> None:
    """With AWS's text; `$LATEST` may be said."""
    text = f"{name}:{qualifier}"
    expected = (
        400,
        "InvalidParameterValueException",
        "Current operation does not support versions other than $LATEST",
    )
    code = {"ZipFile": zipped(ECHO)}
    assert error_of(aws.update_function_code, FunctionName=text, **code) == expected
    assert error_of(aws.update_function_configuration, FunctionName=text) == expected
    assert error_of(aws.publish_version, FunctionName=text) == expected
    creation = {"Runtime": RUNTIME, "Role": ROLE, "Handler": "app.handler", "Code": code}
    assert error_of(aws.create_function, FunctionName=text, **creation) == expected
    assert aws.publish_version(FunctionName=f"{name}:$LATEST")["Version"] == "1"


@pytest.mark.parametrize("qualifier", ["1", "live", "$LATEST"])
def test_operations_on_the_function_refuse_qualifiers(
    aws: LambdaClient, name: str, qualifier: str
) -> None:
    """All of those on aliases, and listing versions."""
    text = f"{name}:{qualifier}"
    for operation, arguments in (
        (aws.create_alias, {"Name": "a", "FunctionVersion": "1"}),
        (aws.get_alias, {"Name": "live"}),
        (aws.update_alias, {"Name": "live"}),
        (aws.delete_alias, {"Name": "live"}),
        (aws.list_aliases, {}),
        (aws.list_versions_by_function, {}),
    ):
        status, kind, message = error_of(operation, FunctionName=text, **arguments)
        assert (status, kind) == (400, "InvalidParameterValueException")
        assert message.startswith("This operation is permitted on Lambda functions only.")


def test_other_regions_and_accounts_are_out_of_reach(aws: LambdaClient, name: str) -> None:
    """404 with AWS's text, and 403."""
    other_region = f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"
    other_account = f"arn:aws:lambda:us-east-1:999999999999:function:{name}"
    calls: tuple[tuple[Any, dict[str, str]], ...] = (
        (aws.get_function, {}),
        (aws.get_function_configuration, {}),
        (aws.update_function_configuration, {}),
        (aws.publish_version, {}),
        (aws.delete_function, {}),
        (aws.invoke, {}),
        (aws.list_aliases, {}),
        (aws.get_alias, {"Name": "live"}),
    )
    for operation, arguments in calls:
        assert error_of(operation, FunctionName=other_region, **arguments) == (
            404,
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        )
        status, kind, _ = error_of(operation, FunctionName=other_account, **arguments)
        assert (status, kind) == (403, "AccessDeniedException")


def test_a_contradiction_is_refused(aws: LambdaClient, name: str) -> None:
    """One qualifier in the name and another beside it."""
    for operation in (aws.get_function, aws.get_function_configuration, aws.delete_function):
        assert error_of(operation, FunctionName=f"{name}:1", Qualifier="$LATEST") == (
            400,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )


def test_names_that_can_not_be(aws: LambdaClient) -> None:
    """Too long to create, too long for the model, and with characters that the model refuses."""
    creation: Any = {
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(ECHO)},
    }
    name = "n" * 65
    assert error_of(aws.create_function, FunctionName=name, **creation) == (
        400,
        "InvalidParameterValueException",
        (
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64"
        ),
    )
    assert error_of(aws.get_function, FunctionName=name)[:2] == (404, "ResourceNotFoundException")
    for text in ("n" * 141, "na me", "na.me", f"{ARN}n!"):
        assert error_of(aws.create_function, FunctionName=text, **creation)[:2] == (
            400,
            "ValidationException",
        )
    # The namespaced variant of the pattern takes a dot.
    assert error_of(aws.get_function, FunctionName="na.me")[:2] == (
        404,
        "ResourceNotFoundException",
    )
