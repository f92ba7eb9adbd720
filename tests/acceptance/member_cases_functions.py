"""Least requests of the operations on functions and aliases, and how their members are seen."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

from tests.acceptance.conftest import zipped
from tests.acceptance.member_checks import (
    INVALID,
    Check,
    Minimal,
    Operation,
    accepted,
    refused,
    seen,
    shown,
)
from tests.acceptance.member_world import (
    ACCOUNT,
    ARN,
    FUNCTION,
    LAYER,
    LAYER_ARN,
    OTHER,
    SOURCE,
    Document,
    World,
    new_function,
)

OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/other"
CUSTOM = {"a": "b"}
CLIENT_CONTEXT = base64.b64encode(json.dumps({"custom": CUSTOM}).encode()).decode()
OTHER_ZIP = zipped(SOURCE + "# other\n")


# --- functions ----------------------------------------------------------------------------------


def configuration(world: World, request: Document, _reply: Document) -> Document:
    """`$LATEST` of the request's function, with its tags."""
    found: Document = world.aws.get_function(FunctionName=request["FunctionName"])
    return {**found["Configuration"], "Tags": found.get("Tags")}


def sha256(data: bytes) -> str:
    """As AWS writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def fetches(text: str) -> Check:
    """S3 was asked for the object."""

    def check(world: World, operation: str, minimal: Minimal, path: str) -> None:
        values = {"S3Bucket": "some-bucket", "S3Key": "some-key", "S3ObjectVersion": "some-version"}
        structure, _, _ = path.rpartition(".")
        request = minimal(world)
        inner = request[structure] if structure else request
        inner.pop("ZipFile", None)
        inner.update(values)
        accepted(world.call(operation, request))
        assert text in world.fetched[-1]

    return check


FROM_S3 = {
    "S3Bucket": fetches("/some-bucket/"),
    "S3Key": fetches("/some-key?"),
    "S3ObjectVersion": fetches("versionId=some-version"),
}


CONFIGURATION: dict[str, Check] = {
    "DeadLetterConfig.TargetArn": shown(f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", read=configuration),
    "Description": shown("something", read=configuration),
    "Environment.Variables": shown({"NAME": "value"}, read=configuration),
    "EphemeralStorage.Size": shown(1024, read=configuration),
    "Handler": shown("other.handler", read=configuration),
    "Layers": seen(
        [f"{LAYER_ARN}{LAYER}:1"],
        lambda world, request, reply: (
            configuration(world, request, reply)["Layers"][0]["Arn"] == f"{LAYER_ARN}{LAYER}:1"
        ),
    ),
    "LoggingConfig.ApplicationLogLevel": shown(
        "DEBUG", read=configuration, LoggingConfig={"LogFormat": "JSON"}
    ),
    "LoggingConfig.LogFormat": shown("JSON", read=configuration),
    "LoggingConfig.LogGroup": shown("/some/group", read=configuration),
    "LoggingConfig.SystemLogLevel": shown(
        "WARN", read=configuration, LoggingConfig={"LogFormat": "JSON"}
    ),
    "MemorySize": shown(256, read=configuration),
    "Role": shown(OTHER_ROLE, read=configuration),
    "Runtime": refused("python2.7", INVALID, "python2.7"),
    "Timeout": shown(17, read=configuration),
}


def invoked_event(world: World, event: str) -> bool:
    """Whether the function has logged an event, after a while."""
    deadline = time.monotonic() + 30
    logs = world.server.logs_client()
    while time.monotonic() < deadline:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"]
        if any(f"SAID {event}" in line["message"] for line in events):
            return True
        time.sleep(0.02)
    return False


def answered(reply: Document, member: str) -> Any:
    """A member of what the function answered."""
    return json.loads(reply["Payload"].read())[member]


def streamed(reply: Document) -> tuple[Document, bytes]:
    """What the function answered in parts, and the tail of its log."""
    events = reply["EventStream"]
    parts = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    log = events[-1]["InvokeComplete"].get("LogResult", "")
    return json.loads(b"".join(parts)), base64.b64decode(log)


def deleted_version(world: World, request: Document, _reply: Document) -> bool:
    """Only the version is gone."""
    listed = world.aws.list_versions_by_function(FunctionName=request["FunctionName"])["Versions"]
    return [version["Version"] for version in listed] == ["$LATEST", "2"]


def unpublished(world: World) -> Document:
    """The name of a function that has changed since it was published."""
    name = world.new_function()
    world.aws.update_function_configuration(FunctionName=name, Description="unpublished")
    return {"FunctionName": name}


FUNCTIONS: dict[str, Operation] = {
    "CreateFunction": Operation(
        minimal=lambda world: new_function(world.new_name()),
        checks={
            **CONFIGURATION,
            **{f"Code.{member}": check for member, check in FROM_S3.items()},
            "Code.ZipFile": shown(
                OTHER_ZIP, read=configuration, at="CodeSha256", expected=sha256(OTHER_ZIP)
            ),
            "FunctionName": shown("named", read=configuration),
            "Publish": shown(True, at="Version", expected="1"),
            "Tags": shown({"a": "b"}, read=configuration),
        },
    ),
    "DeleteFunction": Operation(
        minimal=lambda world: {"FunctionName": world.new_function()},
        checks={"Qualifier": seen("1", deleted_version)},
    ),
    "GetFunction": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "GetFunctionConfiguration": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "Invoke": Operation(
        minimal=lambda _: {"FunctionName": FUNCTION, "Payload": b"1"},
        checks={
            "ClientContext": seen(
                CLIENT_CONTEXT, lambda _world, _request, reply: answered(reply, "client") == CUSTOM
            ),
            "InvocationType": shown("DryRun", at="StatusCode", expected=204),
            "LogType": seen(
                "Tail",
                lambda _world, _request, reply: b"SAID 1" in base64.b64decode(reply["LogResult"]),
            ),
            "Payload": seen(
                b'"payload"',
                lambda _world, _request, reply: answered(reply, "event") == "payload",
            ),
            "Qualifier": shown("1", at="ExecutedVersion"),
        },
    ),
    "InvokeAsync": Operation(
        minimal=lambda _: {"FunctionName": FUNCTION, "InvokeArgs": b"1"},
        checks={
            "InvokeArgs": seen(
                b'"arguments"', lambda world, _request, _reply: invoked_event(world, "arguments")
            )
        },
    ),
    "InvokeWithResponseStream": Operation(
        minimal=lambda _: {"FunctionName": FUNCTION, "Payload": b"1"},
        checks={
            "ClientContext": seen(
                CLIENT_CONTEXT,
                lambda _world, _request, reply: streamed(reply)[0]["client"] == CUSTOM,
            ),
            "InvocationType": shown("DryRun", at="StatusCode", expected=204),
            "LogType": seen(
                "Tail", lambda _world, _request, reply: b"SAID 1" in streamed(reply)[1]
            ),
            "Payload": seen(
                b'"payload"',
                lambda _world, _request, reply: streamed(reply)[0]["event"] == "payload",
            ),
            "Qualifier": shown("1", at="ExecutedVersion"),
        },
    ),
    "ListFunctions": Operation(
        minimal=lambda _: {},
        checks={
            "FunctionVersion": seen(
                "ALL",
                lambda _world, _request, reply: "1" in {f["Version"] for f in reply["Functions"]},
            ),
            "MasterRegion": shown("eu-west-1", at="Functions", expected=[], FunctionVersion="ALL"),
        },
    ),
    "ListTags": Operation(minimal=lambda _: {"Resource": ARN + FUNCTION}),
    "ListVersionsByFunction": Operation(minimal=lambda _: {"FunctionName": FUNCTION}),
    "PublishVersion": Operation(
        minimal=unpublished,
        checks={
            "CodeSha256": refused(sha256(b"other"), INVALID, "CodeSHA256"),
            "Description": shown("something"),
        },
    ),
    "TagResource": Operation(
        minimal=lambda _: {"Resource": ARN + FUNCTION, "Tags": {"kept": "1"}},
        checks={
            "Tags": seen(
                {"new": "tag"},
                lambda world, request, _reply: (
                    world.aws.list_tags(Resource=request["Resource"])["Tags"]["new"] == "tag"
                ),
            )
        },
    ),
    "UntagResource": Operation(
        minimal=lambda _: {"Resource": ARN + FUNCTION, "TagKeys": ["none"]},
        checks={
            "TagKeys": seen(
                ["removed"],
                lambda world, request, _reply: (
                    "removed" not in world.aws.list_tags(Resource=request["Resource"])["Tags"]
                ),
            )
        },
    ),
    "UpdateFunctionCode": Operation(
        minimal=lambda _: {"FunctionName": OTHER, "ZipFile": zipped(SOURCE)},
        checks={
            **FROM_S3,
            "DryRun": seen(
                True,
                lambda world, request, reply: (
                    reply["CodeSha256"] == sha256(OTHER_ZIP)
                    and configuration(world, request, reply)["CodeSha256"] != sha256(OTHER_ZIP)
                ),
                ZipFile=OTHER_ZIP,
            ),
            "Publish": seen(
                True,
                lambda _world, _request, reply: reply["Version"] != "$LATEST",
                ZipFile=zipped(SOURCE + "# published\n"),
            ),
            "ZipFile": shown(
                OTHER_ZIP, read=configuration, at="CodeSha256", expected=sha256(OTHER_ZIP)
            ),
        },
    ),
    "UpdateFunctionConfiguration": Operation(
        minimal=lambda _: {"FunctionName": OTHER}, checks=CONFIGURATION
    ),
}

# --- aliases ------------------------------------------------------------------------------------


def alias(world: World, request: Document, _reply: Document) -> Document:
    """The request's alias."""
    found: Document = world.aws.get_alias(FunctionName=FUNCTION, Name=request["Name"])
    return found


def has_alias(world: World, name: str) -> bool:
    """Whether FUNCTION has an alias."""
    return bool(world.aws.get_alias(FunctionName=FUNCTION, Name=name))


ALIAS: dict[str, Check] = {
    "Description": shown("something", read=alias),
    "FunctionVersion": shown("2", read=alias),
    "RoutingConfig.AdditionalVersionWeights": shown({"2": 0.25}, read=alias, FunctionVersion="1"),
}

ALIASES_OF_FUNCTIONS: dict[str, Operation] = {
    "CreateAlias": Operation(
        minimal=lambda world: {
            "FunctionName": FUNCTION,
            "Name": world.new_name(),
            "FunctionVersion": "1",
        },
        checks={**ALIAS, "Name": shown("named", read=alias)},
    ),
    "DeleteAlias": Operation(
        minimal=lambda world: {"FunctionName": FUNCTION, "Name": world.new_alias()},
        # One that is not there is no error.
        checks={"Name": seen("missing", lambda world, _request, _reply: has_alias(world, "one"))},
    ),
    "GetAlias": Operation(minimal=lambda _: {"FunctionName": FUNCTION, "Name": "one"}),
    "ListAliases": Operation(
        minimal=lambda _: {"FunctionName": FUNCTION},
        checks={
            "FunctionVersion": seen(
                "2",
                lambda _world, _request, reply: (
                    {"one", "two"} & {found["Name"] for found in reply["Aliases"]} == {"two"}
                ),
            )
        },
    ),
    "UpdateAlias": Operation(
        minimal=lambda world: {"FunctionName": FUNCTION, "Name": world.new_alias()}, checks=ALIAS
    ),
}
