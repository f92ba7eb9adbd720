"""The life of a function through boto3: create, read, list, update, publish, tag, delete."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import urllib.error
import urllib.request
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import (
    ROLE,
    RUNTIME,
    CreateFunction,
    Server,
    wait_at_rest,
    zipped,
)
from tests.acceptance.function_logs import wait_for_log

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SOURCE = "def handler(event, context):\n    return event\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function"


def refusal(raised: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    """Status, code and message of a refused request."""
    reply = raised.value.response
    status = reply["ResponseMetadata"]["HTTPStatusCode"]
    return status, reply["Error"]["Code"], reply["Error"]["Message"]


def test_creates_with_awss_defaults_and_states(aws: LambdaClient) -> None:
    """The reply is Pending; the waiter sees it Active; nothing is there that AWS leaves out."""
    package = zipped(SOURCE)
    made: Any = aws.create_function(
        FunctionName="defaults",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": package},
    )
    try:
        del made["ResponseMetadata"]
        assert made.pop("RevisionId")
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made.pop("LastModified")
        )
        runtime_version = made.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
        assert re.fullmatch("arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", runtime_version)
        assert made == {
            "FunctionName": "defaults",
            "FunctionArn": f"{ARN}:defaults",
            "Runtime": RUNTIME,
            "Role": ROLE,
            "Handler": "app.handler",
            "CodeSize": len(package),
            "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode(),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/defaults"},
        }
        aws.get_waiter("function_active_v2").wait(FunctionName="defaults")
        active = aws.get_function_configuration(FunctionName="defaults")
        assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
        assert "StateReason" not in active
    finally:
        aws.delete_function(FunctionName="defaults")


def test_tells_the_runtime_version_that_the_log_names(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """In every reply with one function's configuration, and in no list, as on AWS."""
    name = create(SOURCE)
    aws.invoke(FunctionName=name)
    (arn,) = re.findall(r"Runtime Version ARN: (\S+)", wait_for_log(server, name, "REPORT"))
    expected = {"RuntimeVersionArn": arn}
    by_name: dict[str, Any] = {"FunctionName": name}
    assert aws.get_function(**by_name)["Configuration"]["RuntimeVersionConfig"] == expected
    assert aws.get_function_configuration(**by_name)["RuntimeVersionConfig"] == expected
    updated = aws.update_function_configuration(**by_name, Description="new")
    assert updated["RuntimeVersionConfig"] == expected
    wait_at_rest(aws, name)
    updated = aws.update_function_code(**by_name, ZipFile=zipped(SOURCE, a__txt="a"))
    assert updated["RuntimeVersionConfig"] == expected
    wait_at_rest(aws, name)
    assert aws.publish_version(**by_name)["RuntimeVersionConfig"] == expected
    listed: list[Any] = [*aws.list_versions_by_function(**by_name)["Versions"]]
    assert not any("RuntimeVersionConfig" in version for version in listed)


def test_tells_why_there_is_no_runtime_version(aws: LambdaClient) -> None:
    """Of a runtime that this machine cannot run, which fails the function."""
    created: Any = aws.create_function(
        FunctionName="other-runtime",
        Runtime="java21",
        Role=ROLE,
        Handler="app.Handler",
        Code={"ZipFile": zipped(SOURCE)},
    )
    try:
        error = created["RuntimeVersionConfig"]["Error"]
        assert error["ErrorCode"] == "InvalidRuntime"
        assert "cannot run java21" in error["Message"]
        failed = wait_at_rest(aws, "other-runtime")
        assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "InvalidRuntime")
        assert failed["StateReason"] == error["Message"]
    finally:
        aws.delete_function(FunctionName="other-runtime")


def test_hands_out_the_code_as_uploaded(aws: LambdaClient, create: CreateFunction) -> None:
    """Code.Location downloads the same bytes; a changed signature does not."""
    name = create(SOURCE)
    found = aws.get_function(FunctionName=name)
    location = found["Code"]["Location"]
    assert found["Code"]["RepositoryType"] == "S3"
    with urllib.request.urlopen(location) as reply:
        package = reply.read()
    digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert digest == found["Configuration"]["CodeSha256"]
    assert zipfile.ZipFile(io.BytesIO(package)).read("app.py").decode() == SOURCE
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(location[:-4] + "0000")
    assert raised.value.code == 403
    raised.value.close()


@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        pytest.param(
            {"Code": {"ZipFile": b"no zip"}},
            400,
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
            id="corrupt",
        ),
        pytest.param(
            {"Code": {"ZipFile": zipped(**{"../escape__py": "x"})}},
            400,
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
            id="path-escape",
        ),
        pytest.param(
            {"Code": {"ZipFile": zipped(big=bytes(262_144_001))}},
            400,
            "InvalidParameterValueException",
            "Unzipped size must be smaller than 262144000 bytes",
            id="zip-bomb",
        ),
        pytest.param(
            {"Code": {"ZipFile": bytes(52_428_801)}},
            413,
            "RequestEntityTooLargeException",
            "Zipped size must be smaller than 52428800 bytes",
            id="too-large-zipped",
        ),
        pytest.param(
            {"Runtime": "python2.7"},
            400,
            "InvalidParameterValueException",
            "The runtime parameter of python2.7 is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions.",
            id="deprecated-runtime",
        ),
        pytest.param(
            {"MemorySize": 64},
            400,
            "ValidationException",
            "1 validation error detected: Value '64' at 'memorySize' failed to satisfy "
            "constraint: Member must have value greater than or equal to 128",
            id="too-little-memory",
        ),
        pytest.param(
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            400,
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            "for modification. Reserved keys used in this request: AWS_REGION",
            id="reserved-variable",
        ),
        pytest.param(
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
            400,
            "InvalidParameterValueException",
            "VpcConfig is not supported by lambd yet",
            id="unsupported-member",
        ),
    ],
)
def test_refuses_what_aws_refuses_and_stores_nothing(
    server: Server, changes: dict[str, Any], status: int, code: str, message: str
) -> None:
    """AWS's type, status and message; the function does not exist afterwards."""
    aws = server.lambda_client(parameter_validation=False)
    request: dict[str, Any] = {
        "FunctionName": "refused",
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(SOURCE)},
        **changes,
    }
    with pytest.raises(ClientError) as raised:
        aws.create_function(**request)
    assert refusal(raised) == (status, code, message)
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_function(FunctionName="refused")


def test_refuses_a_name_that_is_taken(aws: LambdaClient, create: CreateFunction) -> None:
    """409 with AWS's spelling."""
    name = create(SOURCE)
    with pytest.raises(ClientError) as raised:
        aws.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(SOURCE)},
        )
    assert refusal(raised) == (409, "ResourceConflictException", f"Function already exist: {name}")


def test_lists_functions_in_pages(aws: LambdaClient, create: CreateFunction) -> None:
    """The paginator finds each function once, without states."""
    names = {create(SOURCE) for _ in range(3)}
    pages = aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    found = [function for page in pages for function in page["Functions"]]
    assert names <= {function["FunctionName"] for function in found}
    assert len(found) == len({function["FunctionName"] for function in found})
    assert "State" not in found[0]


def test_updates_code_and_configuration_with_revisions(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """Each update changes RevisionId; an old one is refused with 412; a dry run changes nothing."""
    name = create(SOURCE)
    first = wait_at_rest(aws, name)
    dry = aws.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE + "#"), DryRun=True)
    assert dry["CodeSha256"] != first["CodeSha256"]
    assert wait_at_rest(aws, name)["RevisionId"] == first["RevisionId"]
    updated = aws.update_function_code(
        FunctionName=name, ZipFile=zipped(SOURCE + "##"), RevisionId=first["RevisionId"]
    )
    assert updated["LastUpdateStatus"] == "InProgress"
    aws.get_waiter("function_updated_v2").wait(FunctionName=name)
    with pytest.raises(aws.exceptions.PreconditionFailedException):
        aws.update_function_configuration(
            FunctionName=name, Timeout=9, RevisionId=first["RevisionId"]
        )
    second = wait_at_rest(aws, name)
    assert second["Timeout"] == 3
    aws.update_function_configuration(FunctionName=name, Timeout=9, RevisionId=second["RevisionId"])
    assert wait_at_rest(aws, name)["Timeout"] == 9


def test_a_published_version_stays_as_it_was(aws: LambdaClient, create: CreateFunction) -> None:
    """Version 1 runs its own code after $LATEST has changed; publishing twice changes nothing."""
    name = create("def handler(event, context):\n    return 'one ' + context.function_version\n")
    published = aws.publish_version(FunctionName=name, Description="first")
    assert published["Version"] == "1"
    assert published["FunctionArn"] == f"{ARN}:{name}:1"
    assert aws.publish_version(FunctionName=name)["Version"] == "1"
    aws.update_function_code(
        FunctionName=name, ZipFile=zipped("def handler(e, c):\n    return 'two'\n"), Publish=True
    )
    wait_at_rest(aws, name)
    aws.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier="2", WaiterConfig={"Delay": 1}
    )
    results = {
        qualifier: aws.invoke(FunctionName=name, Qualifier=qualifier)
        for qualifier in ("1", "2", "$LATEST")
    }
    assert results["1"]["Payload"].read() == b'"one 1"'
    assert results["1"]["ExecutedVersion"] == "1"
    assert results["2"]["Payload"].read() == b'"two"'
    assert results["$LATEST"]["ExecutedVersion"] == "$LATEST"
    versions = aws.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    assert versions[1]["Description"] == "first"


def test_tags_are_kept(aws: LambdaClient, create: CreateFunction) -> None:
    """Tags from creation, from TagResource, and without those removed."""
    name = create(SOURCE, Tags={"a": "1", "b": "2"})
    arn = f"{ARN}:{name}"
    aws.tag_resource(Resource=arn, Tags={"b": "3", "c": "4"})
    aws.untag_resource(Resource=arn, TagKeys=["a"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"b": "3", "c": "4"}
    assert aws.get_function(FunctionName=name)["Tags"] == {"b": "3", "c": "4"}


def test_deletes_for_good(aws: LambdaClient, create: CreateFunction) -> None:
    """204; then 404 for reading, invoking and deleting; version numbers go on after recreation."""
    name = create(SOURCE)
    aws.publish_version(FunctionName=name)
    aws.invoke(FunctionName=name)
    deleted = aws.delete_function(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (aws.get_function, aws.invoke, aws.delete_function):
        with pytest.raises(aws.exceptions.ResourceNotFoundException):
            call(FunctionName=name)


def test_answers_not_implemented_for_what_is_not_built(server: Server) -> None:
    """An operation without a handler answers 501 and names itself."""
    aws = server.lambda_client()
    with pytest.raises(ClientError) as raised:
        aws.list_code_signing_configs()
    status, _, message = refusal(raised)
    assert status == 501
    assert "ListCodeSigningConfigs" in message


def test_everything_survives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Functions, versions, tags and logs are there after a stop and a start."""
    server = Server(tmp_path_factory.mktemp("restart") / "data")
    server.start()
    aws = server.lambda_client()
    aws.create_function(
        FunctionName="kept",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped("def handler(e, c):\n    print('line', e)\n    return e\n")},
        Tags={"k": "v"},
    )
    before = wait_at_rest(aws, "kept")
    aws.publish_version(FunctionName="kept")
    aws.invoke(FunctionName="kept", Payload=b"1")
    assert server.stop() == 0
    server.start()
    aws = server.lambda_client()
    after = aws.get_function(FunctionName="kept")
    assert after["Configuration"]["CodeSha256"] == before["CodeSha256"]
    assert after["Tags"] == {"k": "v"}
    assert aws.invoke(FunctionName="kept", Qualifier="1", Payload=b"2")["Payload"].read() == b"2"
    events = server.logs_client().filter_log_events(logGroupName="/aws/lambda/kept")["events"]
    messages = [event["message"] for event in events]
    assert "line 1\n" in messages
    assert "line 2\n" in messages
    assert server.stop() == 0
