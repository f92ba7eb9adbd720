"""CloudWatch Logs through boto3: groups, streams and events that users make."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.function_logs import wait_for_log
from tests.acceptance.world import call

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def test_a_function_logs_into_the_group_of_its_configuration(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """Made before, with retention and tags, which stay."""
    logs, group = server.logs_client(), f"/team/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group, tags={"team": "a"})
    logs.put_retention_policy(logGroupName=group, retentionInDays=14)
    name = create(
        "import os\ndef handler(event, context):\n    print('hello')\n"
        "    return os.environ['AWS_LAMBDA_LOG_GROUP_NAME']",
        LoggingConfig={"LogGroup": group},
    )

    assert call(aws, name, 1) == group

    found = logs.filter_log_events(logGroupName=group, filterPattern="hello")["events"]
    assert [event["message"] for event in found] == ["hello\n"]
    assert f"/{name}[$LATEST]" in found[0]["logStreamName"]
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert (described["retentionInDays"], described["logGroupClass"]) == (14, "STANDARD")
    assert logs.list_tags_for_resource(resourceArn=described["logGroupArn"])["tags"] == {
        "team": "a"
    }
    logs.delete_log_group(logGroupName=group)


def test_events_are_put_and_read(server: Server) -> None:
    """As an agent does that ships logs."""
    logs, group = server.logs_client(), f"app-{uuid.uuid4().hex}"
    now_ms = int(time.time() * 1000)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="host-1")
    reply = logs.put_log_events(
        logGroupName=group,
        logStreamName="host-1",
        logEvents=[
            {"timestamp": now_ms - 20 * 86_400_000 + 1, "message": "too old"},
        ],
    )
    assert reply["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    reply = logs.put_log_events(
        logGroupName=group,
        logStreamName="host-1",
        sequenceToken=reply["nextSequenceToken"],
        logEvents=[{"timestamp": now_ms, "message": "a"}, {"timestamp": now_ms, "message": "b"}],
    )
    assert "rejectedLogEventsInfo" not in set(reply)
    events = logs.get_log_events(logGroupName=group, logStreamName="host-1")["events"]
    assert [event["message"] for event in events] == ["a", "b"]
    logs.delete_log_stream(logGroupName=group, logStreamName="host-1")
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []
    logs.delete_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.describe_log_streams(logGroupName=group)


def test_tags_have_two_ways(server: Server) -> None:
    """By ARN, and by name as in the years before."""
    logs, group = server.logs_client(), f"app-{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group, tags={"a": "1"})
    arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName=group, tags={"c": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName=group, tags=["b"])

    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"c": "3"}
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "3"}
    logs.delete_log_group(logGroupName=group)


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("create_log_group", {"logGroupName": "taken"}, "ResourceAlreadyExistsException"),
        ("create_log_group", {"logGroupName": "aws/x"}, "InvalidParameterException"),
        ("create_log_group", {"logGroupName": "a b"}, "InvalidParameterException"),
        (
            "create_log_group",
            {"logGroupName": "x", "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/a"},
            "InvalidParameterException",
        ),
        ("delete_log_group", {"logGroupName": "absent"}, "ResourceNotFoundException"),
        (
            "create_log_stream",
            {"logGroupName": "absent", "logStreamName": "s"},
            "ResourceNotFoundException",
        ),
        (
            "put_retention_policy",
            {"logGroupName": "taken", "retentionInDays": 2},
            "InvalidParameterException",
        ),
        (
            "put_log_events",
            {
                "logGroupName": "taken",
                "logStreamName": "absent",
                "logEvents": [{"timestamp": 1, "message": "a"}],
            },
            "ResourceNotFoundException",
        ),
    ],
)
def test_refusals_have_awss_codes(
    server: Server, operation: str, arguments: dict[str, object], code: str
) -> None:
    """Nothing comes to be."""
    logs = server.logs_client()
    if not logs.describe_log_groups(logGroupNamePrefix="taken")["logGroups"]:
        logs.create_log_group(logGroupName="taken")

    with pytest.raises(ClientError) as caught:
        getattr(logs, operation)(**arguments)

    assert caught.value.response["Error"]["Code"] == code


def test_a_subscribed_function_gets_the_logs_of_another(
    server: Server, aws: LambdaClient, create: CreateFunction
) -> None:
    """What the filter lets pass, soon after it was printed; permission is needed first."""
    logs = server.logs_client()
    source = create("def handler(event, context):\n    print('fine')\n    print('ERROR', event)\n")
    taker = create(
        """
        import base64, gzip, json

        def handler(event, context):
            data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
            for each in data["logEvents"]:
                print("got", data["logGroup"], data["subscriptionFilters"], each["message"])
        """
    )
    group, arn = f"/aws/lambda/{source}", aws.get_function(FunctionName=taker)["Configuration"]
    call(aws, source, 0)
    wanted: Any = {
        "logGroupName": group,
        "filterName": "errors",
        "filterPattern": "ERROR",
        "destinationArn": arn["FunctionArn"],
    }
    with pytest.raises(logs.exceptions.InvalidParameterException, match="Could not execute"):
        logs.put_subscription_filter(**wanted)
    aws.add_permission(
        FunctionName=taker,
        StatementId="logs",
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*",
    )
    logs.put_subscription_filter(**wanted)
    (found,) = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert {name: found[name] for name in wanted} == wanted  # type: ignore[literal-required]  # names of wanted

    call(aws, source, 42)

    log = wait_for_log(server, taker, f"got {group} ['errors'] ERROR 42")
    assert "fine" not in log
    logs.delete_subscription_filter(logGroupName=group, filterName="errors")
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []


def test_logs_are_queried(server: Server, aws: LambdaClient, create: CreateFunction) -> None:
    """With Logs Insights, as its examples do."""
    logs = server.logs_client()
    name = create("def handler(event, context):\n    print('value', event)\n")
    for number in range(3):
        call(aws, name, number)

    def ask(query: str) -> list[dict[str, str]]:
        query_id = logs.start_query(
            logGroupName=f"/aws/lambda/{name}",
            startTime=int(time.time()) - 60,
            endTime=int(time.time()) + 60,
            queryString=query,
        )["queryId"]
        deadline = time.monotonic() + 30
        while True:
            reply = logs.get_query_results(queryId=query_id)
            if reply["status"] not in ("Scheduled", "Running"):
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert reply["status"] == "Complete"
        return [{each["field"]: each["value"] for each in row} for row in reply["results"]]

    (reports,) = ask(
        'filter @type = "REPORT" | stats count(*) as n, max(@memorySize / 1000 / 1000) as mb'
    )
    assert reports == {"n": "3", "mb": "128"}
    rows = ask("parse 'value *' as v | filter ispresent(v) | sort v desc | display v, @requestId")
    assert [row["v"] for row in rows] == ["2", "1", "0"]
    with pytest.raises(logs.exceptions.MalformedQueryException):
        ask("nonsense")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_query_results(queryId="x")
    queries = logs.describe_queries(logGroupName=f"/aws/lambda/{name}")["queries"]
    assert [query["status"] for query in queries] == ["Complete"] * 2
