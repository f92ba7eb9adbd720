"""One AWS CLI script over the whole control plane; each command's output is checked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, Server, zipped
from tests.acceptance.test_command_lines import AWS, run

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SOURCE = "def handler(event, context):\n    return {number}\n"


class Script:
    """`aws lambda ...` for one function; counts its commands."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self.directory = directory
        self.name = f"cli-{uuid.uuid4().hex[:8]}"
        self.arn = ARN + self.name
        self.commands = 0

    def __call__(self, command: str, *arguments: str, function: str | None = "") -> Any:
        """Run a command on the function (None: on none); its JSON output, or None."""
        self.commands += 1
        target = () if function is None else ("--function-name", function or self.name)
        text = run(self._server, AWS, "--output", "json", "lambda", command, *target, *arguments)
        return json.loads(text) if text.strip() else None

    def wait(self, what: str, *arguments: str) -> None:
        """A waiter of the CLI."""
        assert self("wait", what, "--function-name", self.name, *arguments, function=None) is None

    def package(self, number: int) -> str:
        """A deployment package, as the CLI wants it named."""
        path = self.directory / f"{number}.zip"
        path.write_bytes(zipped(SOURCE.format(number=number)))
        return f"fileb://{path}"

    def invoke(self, qualifier: str) -> tuple[str, Any]:
        """Invoke by a qualifier; the version that ran and its result."""
        out = self.directory / "out.json"
        reply = self("invoke", "--qualifier", qualifier, str(out))
        return reply["ExecutedVersion"], json.loads(out.read_text())


@pytest.fixture
def aws_cli(server: Server, tmp_path: Path) -> Iterator[Script]:
    """A script whose function is gone after the test."""
    script = Script(server, tmp_path)
    yield script
    names = [item["FunctionName"] for item in script("list-functions", function=None)["Functions"]]
    assert script.name not in names


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(300)
def test_a_script_over_the_whole_control_plane(aws_cli: Script) -> None:
    """From the first function to the last alias, as an operator would type it."""
    create(aws_cli)
    publish_and_alias(aws_cli)
    configure(aws_cli)
    permit_and_tag(aws_cli)
    layers(aws_cli)
    delete(aws_cli)
    assert aws_cli.commands >= 30


def create(aws: Script) -> None:
    """A function, read in every way, changed in every way."""
    made = aws(
        "create-function",
        *("--runtime", RUNTIME, "--role", ROLE, "--handler", "app.handler"),
        *("--zip-file", aws.package(1), "--tags", "stage=test"),
    )
    assert (made["State"], made["FunctionArn"]) == ("Pending", aws.arn)
    aws.wait("function-active-v2")
    assert aws("get-function")["Tags"] == {"stage": "test"}
    assert aws("get-function-configuration", function=aws.arn)["Version"] == "$LATEST"
    names = [item["FunctionName"] for item in aws("list-functions", function=None)["Functions"]]
    assert aws.name in names
    changed = aws("update-function-configuration", "--timeout", "7", "--memory-size", "256")
    assert (changed["Timeout"], changed["LastUpdateStatus"]) == (7, "InProgress")
    aws.wait("function-updated-v2")


def publish_and_alias(aws: Script) -> None:
    """Two versions, an alias that shifts from one to the other, invocations by all of them."""
    assert aws("publish-version", "--description", "first")["Version"] == "1"
    aws("update-function-code", "--zip-file", aws.package(2))
    aws.wait("function-updated-v2")
    assert aws("publish-version")["Version"] == "2"
    versions = aws("list-versions-by-function")["Versions"]
    assert [item["Version"] for item in versions] == ["$LATEST", "1", "2"]
    alias = ("--name", "live")
    made = aws("create-alias", *alias, "--function-version", "1")
    assert made["AliasArn"] == f"{aws.arn}:live"
    assert aws.invoke("live") == ("1", 1)
    routing = ("--routing-config", '{"AdditionalVersionWeights": {"2": 1.0}}')
    shifted = aws("update-alias", *alias, *routing, "--revision-id", made["RevisionId"])
    assert shifted["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 1.0}}
    assert aws.invoke("live") == ("2", 2)
    aws("update-alias", *alias, "--function-version", "2", "--routing-config", "{}")
    assert aws("get-alias", *alias)["FunctionVersion"] == "2"
    found = aws("list-aliases", "--function-version", "2")["Aliases"]
    assert [item["Name"] for item in found] == ["live"]
    configuration = aws("get-function-configuration", "--qualifier", "live")
    assert (configuration["FunctionArn"], configuration["Version"]) == (f"{aws.arn}:live", "2")


def configure(aws: Script) -> None:
    """Concurrency, asynchronous invocation, recursion, runtime management, account."""
    put = aws("put-function-concurrency", "--reserved-concurrent-executions", "5")
    assert put == aws("get-function-concurrency") == {"ReservedConcurrentExecutions": 5}
    aws("delete-function-concurrency")
    assert not aws("get-function-concurrency")
    aws("put-function-event-invoke-config", "--maximum-retry-attempts", "0")
    assert aws("get-function-event-invoke-config")["MaximumRetryAttempts"] == 0
    aws("update-function-event-invoke-config", "--maximum-event-age-in-seconds", "60")
    configs = aws("list-function-event-invoke-configs")["FunctionEventInvokeConfigs"]
    assert [item["MaximumEventAgeInSeconds"] for item in configs] == [60]
    aws("delete-function-event-invoke-config")
    aws("put-function-recursion-config", "--recursive-loop", "Allow")
    assert aws("get-function-recursion-config") == {"RecursiveLoop": "Allow"}
    assert aws("get-runtime-management-config")["UpdateRuntimeOn"] == "Auto"
    assert aws("get-account-settings", function=None)["AccountUsage"]["FunctionCount"] >= 1


def permit_and_tag(aws: Script) -> None:
    """A statement in a policy, tags on the function."""
    statement = ("--statement-id", "s3", "--qualifier", "live")
    action = ("--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com")
    added = json.loads(aws("add-permission", *statement, *action)["Statement"])
    assert added["Resource"] == f"{aws.arn}:live"
    policy = json.loads(aws("get-policy", "--qualifier", "live")["Policy"])
    assert policy["Statement"] == [added]
    aws("remove-permission", *statement)
    resource = ("--resource", aws.arn)
    aws("tag-resource", *resource, "--tags", "owner=me,stage=live", function=None)
    aws("untag-resource", *resource, "--tag-keys", "stage", function=None)
    assert aws("list-tags", *resource, function=None) == {"Tags": {"owner": "me"}}


def layers(aws: Script) -> None:
    """A layer, published, attached, listed, detached, deleted."""
    layer = ("--layer-name", f"{aws.name}-layer")
    made = aws("publish-layer-version", *layer, "--zip-file", aws.package(3), function=None)
    listed = aws("list-layer-versions", *layer, function=None)["LayerVersions"]
    assert [item["Version"] for item in listed] == [made["Version"]] == [1]
    attached = aws("update-function-configuration", "--layers", made["LayerVersionArn"])
    assert [item["Arn"] for item in attached["Layers"]] == [made["LayerVersionArn"]]
    aws.wait("function-updated-v2")
    aws("delete-layer-version", *layer, "--version-number", "1", function=None)
    assert aws.invoke("$LATEST") == ("$LATEST", 2)


def delete(aws: Script) -> None:
    """The alias, a version, the function."""
    aws("delete-alias", "--name", "live")
    aws("delete-function", "--qualifier", "1")
    versions = aws("list-versions-by-function")["Versions"]
    assert [item["Version"] for item in versions] == ["$LATEST", "2"]
    aws("delete-function")
