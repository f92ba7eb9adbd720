"""Deployments as tools do them: package, create or update, publish, shift the alias; twice.

The steps are those of `sam deploy` with `AutoPublishAlias` and a canary: what the stack says is
brought about whatever is there, and saying it again changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, wait_at_rest, zipped

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ALIAS = "live"


@pytest.fixture
def name(aws: LambdaClient) -> Iterator[str]:
    """A name for a function that the test deploys."""
    name = f"stack-{uuid.uuid4().hex[:8]}"
    yield name
    aws.delete_function(FunctionName=name)


def build(number: int) -> bytes:
    """A package whose function tells its number and stage; each build has other bytes."""
    return zipped(
        f"import os\ndef handler(event, context):\n    return [{number}, os.environ['STAGE']]\n"
    )


def deploy(aws: LambdaClient, name: str, package: bytes, stage: str, canary: float = 0.0) -> str:
    """Bring a function to what is wanted; the version that the alias leads to or shifts towards."""
    wanted: Any = {
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Timeout": 10,
        "Environment": {"Variables": {"STAGE": stage}},
    }
    try:
        current = aws.get_function(FunctionName=name)["Configuration"]
    except aws.exceptions.ResourceNotFoundException:
        aws.create_function(
            FunctionName=name, Code={"ZipFile": package}, Tags={"stack": name}, **wanted
        )
        aws.get_waiter("function_active_v2").wait(FunctionName=name)
    else:
        update(aws, name, current, package, wanted)
    version = aws.publish_version(FunctionName=name)["Version"]
    aws.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version)
    shift(aws, name, version, canary)
    return version


def update(
    aws: LambdaClient, name: str, current: Any, package: bytes, wanted: dict[str, Any]
) -> None:
    """Change what differs, each with the revision that was read."""
    digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
    if current["CodeSha256"] != digest:
        aws.update_function_code(
            FunctionName=name, ZipFile=package, RevisionId=current["RevisionId"]
        )
        aws.get_waiter("function_updated_v2").wait(FunctionName=name)
    found: Any = aws.get_function_configuration(FunctionName=name)
    if any(found.get(member) != value for member, value in wanted.items()):
        aws.update_function_configuration(
            FunctionName=name, RevisionId=found["RevisionId"], **wanted
        )
        aws.get_waiter("function_updated_v2").wait(FunctionName=name)


def shift(aws: LambdaClient, name: str, version: str, canary: float) -> None:
    """Point the alias at a version, or give that a share first."""
    try:
        alias = aws.get_alias(FunctionName=name, Name=ALIAS)
    except aws.exceptions.ResourceNotFoundException:
        aws.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
        return
    is_canary = canary > 0 and alias["FunctionVersion"] != version
    target = alias["FunctionVersion"] if is_canary else version
    weights = {version: canary} if is_canary else {}
    found = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    if (target, weights) != (alias["FunctionVersion"], found):
        aws.update_alias(
            FunctionName=name,
            Name=ALIAS,
            FunctionVersion=target,
            RoutingConfig={"AdditionalVersionWeights": weights},
            RevisionId=alias["RevisionId"],
        )


def everything(aws: LambdaClient, name: str) -> list[Any]:
    """All that the control plane shows of a function, RevisionIds included."""
    function: Any = aws.get_function(FunctionName=name)
    del function["Code"]["Location"]
    pages = (
        aws.list_versions_by_function(FunctionName=name),
        aws.list_aliases(FunctionName=name),
        function,
    )
    return [{k: v for k, v in page.items() if k != "ResponseMetadata"} for page in pages]


def call(aws: LambdaClient, name: str) -> tuple[str, Any]:
    """Invoke by the alias; the version that ran and its result."""
    reply = aws.invoke(FunctionName=name, Qualifier=ALIAS)
    return reply["ExecutedVersion"], json.loads(reply["Payload"].read())


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(180)
def test_a_stack_is_deployed_twice_and_changes_once(aws: LambdaClient, name: str) -> None:
    """Created, deployed again without effect, changed, and again without effect."""
    first = build(1)
    assert deploy(aws, name, first, "test") == "1"
    assert call(aws, name) == ("1", [1, "test"])
    before = everything(aws, name)
    assert deploy(aws, name, first, "test") == "1"
    assert everything(aws, name) == before

    second = build(2)
    assert deploy(aws, name, second, "test") == "2"
    assert deploy(aws, name, second, "production") == "3"
    assert call(aws, name) == ("3", [2, "production"])
    before = everything(aws, name)
    assert deploy(aws, name, second, "production") == "3"
    assert everything(aws, name) == before


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(180)
def test_a_canary_shares_and_then_takes_over(aws: LambdaClient, name: str) -> None:
    """Half the invocations, then all; rolling back is pointing the alias back."""
    first, second = build(1), build(2)
    deploy(aws, name, first, "test")
    deploy(aws, name, second, "test", canary=0.5)
    before = everything(aws, name)
    deploy(aws, name, second, "test", canary=0.5)
    assert everything(aws, name) == before
    # Sixty of one kind come by chance once in 10^18.
    answers = [call(aws, name) for _ in range(60)]
    assert {number for number, _ in answers} == {"1", "2"}
    assert all(result == [int(number), "test"] for number, result in answers)
    deploy(aws, name, second, "test")
    assert {call(aws, name)[0] for _ in range(20)} == {"2"}
    shift(aws, name, "1", 0.0)
    assert {call(aws, name)[0] for _ in range(20)} == {"1"}
    wait_at_rest(aws, name)
