"""EventBridge Scheduler and scheduled rules through boto3 and the AWS CLI: functions run on time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance import world
from tests.acceptance.conftest import ROLE, Server
from tests.integration.moto_process import Moto, moto_server

from lambd.store.database import create_sqlite_engine

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

# Tells the log what it was sent.
TELL = """
import json
def handler(event, context):
    print("EVENT", json.dumps([context.aws_request_id, context.invoked_function_arn, event]))
"""
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SCHEDULE_ARN = "arn:aws:scheduler:us-east-1:000000000000:schedule"
OFF = {"Mode": "OFF"}
_TIMEOUT_S = 40.0


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """The other services."""
    with moto_server() as made:
        yield made


def platform_with(moto: Moto, directory: Path) -> Server:
    """A platform that finds all other services at one endpoint."""
    config = directory / "lambd.toml"
    config.write_text(f'aws_endpoint_url = "{moto.url}"\n')
    return Server(
        directory / "data",
        *("--config", str(config)),
        environ={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, moto: Moto) -> Iterator[Server]:
    """One for all tests that kill none."""
    made = platform_with(moto, tmp_path_factory.mktemp("schedules"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def scheduler(platform: Server) -> Any:
    """Its EventBridge Scheduler client."""
    return platform.scheduler_client()


def make(aws: LambdaClient, name: str, **arguments: Any) -> str:
    """A function that tells what it is sent; its ARN."""
    return ARN + world.make(aws, name, TELL, **arguments)


def told(server: Server, name: str) -> list[Any]:
    """What a function has told so far: request id, function ARN, event."""
    logs = server.logs_client()
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="EVENT")
    except logs.exceptions.ResourceNotFoundException:
        return []
    lines = [event["message"] for event in found["events"]]
    return [json.loads(line.removeprefix("EVENT ")) for line in lines if line.startswith("EVENT ")]


def wait_for(condition: Callable[[], Any]) -> Any:
    """What a condition gives once it holds."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def soon(seconds: float) -> datetime:
    """A whole second from now on."""
    now = datetime.now(UTC)  # noqa: TID251 - an edge
    return now.replace(microsecond=0) + timedelta(seconds=seconds)


def at(moment: datetime) -> str:
    """The expression of one time."""
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str]:
    """Status, code and message of what is refused."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def test_a_one_time_schedule_runs_a_function_and_deletes_itself(
    platform: Server, scheduler: Any
) -> None:
    """With its input verbatim but for the keywords; other clocks than UTC are told from it."""
    aws = platform.lambda_client()
    arn = make(aws, "once", Publish=True)
    aws.create_alias(FunctionName="once", Name="live", FunctionVersion="1")
    moment = soon(2)
    expression = at(moment + timedelta(hours=9))
    reply = scheduler.create_schedule(
        Name="once",
        ScheduleExpression=expression,
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow=OFF,
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": f"{arn}:live",
            "RoleArn": ROLE,
            "Input": '{"n": 1.50, "all": "<aws.scheduler.schedule-arn> '
            '<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>", '
            '"id": "<aws.scheduler.execution-id>"}',
        },
    )
    assert reply["ScheduleArn"] == f"{SCHEDULE_ARN}/default/once"
    found = scheduler.get_schedule(Name="once")
    assert found["ScheduleExpression"] == expression
    assert found["Target"]["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 86400,
        "MaximumRetryAttempts": 185,
    }

    ((_, invoked, event),) = wait_for(lambda: told(platform, "once"))

    assert invoked == f"{arn}:live"
    assert len(event.pop("id")) == 16
    assert event == {
        "n": 1.5,
        "all": f"{SCHEDULE_ARN}/default/once {moment:%Y-%m-%dT%H:%M:%SZ} 1",
    }
    assert refusal(scheduler.get_schedule, Name="once") == (
        404,
        "ResourceNotFoundException",
        "Schedule once does not exist.",
    )


def test_a_rate_begins_at_once_and_a_disabled_schedule_does_not(
    platform: Server, scheduler: Any
) -> None:
    """Without an input the event is the Scheduler's own."""
    arn = make(platform.lambda_client(), "often")
    request: dict[str, Any] = {
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": OFF,
        "Target": {"Arn": arn, "RoleArn": ROLE},
    }
    scheduler.create_schedule(Name="disabled", State="DISABLED", **request)
    scheduler.create_schedule(Name="often", **request)

    ((request_id, _, event),) = wait_for(lambda: told(platform, "often"))

    assert event.pop("id") == request_id
    assert datetime.fromisoformat(event.pop("time")) <= soon(1)
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "region": "us-east-1",
        "resources": [f"{SCHEDULE_ARN}/default/often"],
        "detail": "{}",
    }
    # Enabled, it is due a whole minute after it was created, like the one that ran.
    scheduler.update_schedule(Name="disabled", State="ENABLED", **request)
    assert [event[2]["resources"] for event in told(platform, "often")] == [
        [f"{SCHEDULE_ARN}/default/often"]
    ]
    listed = scheduler.list_schedules(State="ENABLED", NamePrefix="disa")["Schedules"]
    assert [each["Name"] for each in listed] == ["disabled"]
    for name in ("disabled", "often"):
        scheduler.delete_schedule(Name=name)


def test_the_universal_target_invokes_too(platform: Server, scheduler: Any) -> None:
    """With the request of Lambda's Invoke as its input."""
    make(platform.lambda_client(), "universal")
    request = {
        "FunctionName": "universal",
        "InvocationType": "Event",
        "Payload": '{"at": "<aws.scheduler.scheduled-time>"}',
    }
    moment = soon(1)
    scheduler.create_schedule(
        Name="universal",
        ScheduleExpression=at(moment),
        FlexibleTimeWindow=OFF,
        Target={
            "Arn": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
            "RoleArn": ROLE,
            "Input": json.dumps(request),
        },
    )
    ((_, _, event),) = wait_for(lambda: told(platform, "universal"))
    assert event == {"at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    # It stays, and is not run again.
    assert scheduler.get_schedule(Name="universal")["ActionAfterCompletion"] == "NONE"


def test_what_cannot_be_handed_over_is_a_dead_letter(
    platform: Server, scheduler: Any, moto: Moto
) -> None:
    """A function that is gone: at once, with the attributes that AWS documents."""
    queue, url = moto.queue("schedule-dead-letters")
    moment = soon(1)
    scheduler.create_schedule(
        Name="lost",
        ScheduleExpression=at(moment),
        FlexibleTimeWindow=OFF,
        Target={
            "Arn": f"{ARN}nobody",
            "RoleArn": ROLE,
            "Input": '{"attempt": "<aws.scheduler.attempt-number>"}',
            "DeadLetterConfig": {"Arn": queue},
            "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
        },
    )
    (message,) = moto.messages(url)
    assert message["Body"] == '{"attempt": "1"}'
    attributes = {
        name: value["StringValue"] for name, value in message["MessageAttributes"].items()
    }
    assert len(attributes.pop("EXECUTION_ID")) == 16
    assert attributes == {
        "ERROR_CODE": "ResourceNotFoundException",
        "ERROR_MESSAGE": f"Function not found: {ARN}nobody",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "SCHEDULE_ARN": f"{SCHEDULE_ARN}/default/lost",
        "TARGET_ARN": f"{ARN}nobody",
    }


def test_rules_run_what_their_permission_allows(tmp_path: Path, moto: Moto) -> None:
    """What a rule missed while the platform was killed is run once, with the time that it was for.

    The rows are set back, since no rule can be due in less than a minute.
    """
    queue, url = moto.queue("rule-dead-letters")
    server = platform_with(moto, tmp_path)
    server.start()
    aws, events = server.lambda_client(), server.events_client()
    rule = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")["RuleArn"]
    assert rule == "arn:aws:events:us-east-1:000000000000:rule/hourly"
    events.put_rule(Name="off", ScheduleExpression="rate(1 hour)", State="DISABLED")
    for name in ("allowed", "forbidden", "other"):
        make(aws, name)
    for name, source in (("allowed", rule), ("other", f"{rule}-other")):
        aws.add_permission(
            FunctionName=name,
            StatementId="rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=source,
        )
    transformer = {
        "InputPathsMap": {"time": "$.time", "rule": "$.resources[0]"},
        "InputTemplate": '{"when": <time>, "text": "from <rule>", "rule": <aws.events.rule-name>}',
    }
    dead: dict[str, Any] = {"DeadLetterConfig": {"Arn": queue}}
    targets: list[Any] = [
        {"Id": "whole", "Arn": f"{ARN}allowed"},
        {"Id": "made", "Arn": f"{ARN}allowed", "InputTransformer": transformer},
        {"Id": "no", "Arn": f"{ARN}forbidden", "Input": "[1]", **dead},
        {"Id": "not-this", "Arn": f"{ARN}other", "InputPath": "$.detail", **dead},
    ]
    reply = events.put_targets(Rule="hourly", Targets=targets)
    assert reply["FailedEntryCount"] == 0
    events.put_targets(Rule="off", Targets=[{"Id": "1", "Arn": f"{ARN}allowed", "Input": '"off"'}])
    server.kill()
    due = soon(-30)
    engine = create_sqlite_engine(server.data_dir / "lambd.sqlite3")
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(
            "UPDATE rules SET anchor_at=?, next_at=? WHERE name='hourly'",
            (int((due - timedelta(hours=1)).timestamp()) * 10**6, int(due.timestamp()) * 10**6),
        )
    engine.dispose()

    server.start()
    found = wait_for(lambda: (got := told(server, "allowed")) and len(got) == 2 and got)
    whole, made = sorted((event for _, _, event in found), key=len, reverse=True)
    assert len(whole.pop("id")) == 36
    written = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    assert whole == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": written,
        "region": "us-east-1",
        "resources": [rule],
        "detail": {},
    }
    assert made == {"when": written, "text": f"from {rule}", "rule": "hourly"}
    messages = {each["Body"]: each["MessageAttributes"] for each in moto.messages(url, 2)}
    assert messages.keys() == {"[1]", "{}"}
    attributes = {name: value["StringValue"] for name, value in messages["[1]"].items()}
    assert attributes.pop("ERROR_MESSAGE").startswith("User: events.amazonaws.com is not auth")
    assert attributes == {
        "ERROR_CODE": "NO_PERMISSIONS",
        "RETRY_ATTEMPTS": "0",
        "RULE_ARN": rule,
        "TARGET_ARN": f"{ARN}forbidden",
    }
    assert told(server, "forbidden") == told(server, "other") == []
    assert server.stop() == 0


@pytest.mark.timeout(120)
def test_no_occurrence_is_lost_to_kills(tmp_path: Path, moto: Moto) -> None:
    """Killed again and again while they come due: each is run, though one may be run twice."""
    with platform_with(moto, tmp_path) as server:
        aws = server.lambda_client()
        arn = make(aws, "survivor")
        # The function's log may lose its last moment; what the queue was told is there.
        queue, url = moto.queue("survivors")
        aws.put_function_event_invoke_config(
            FunctionName="survivor", DestinationConfig={"OnSuccess": {"Destination": queue}}
        )
        scheduler = server.scheduler_client()
        names = [f"s{number}" for number in range(12)]
        for number, name in enumerate(names):
            scheduler.create_schedule(
                Name=name,
                ScheduleExpression=at(soon(2 + number // 3)),
                FlexibleTimeWindow=OFF,
                ActionAfterCompletion="DELETE",
                Target={"Arn": arn, "RoleArn": ROLE, "Input": f'"{name}"'},
            )
        for _ in range(4):
            wait_for(lambda: datetime.now(UTC).microsecond < 60_000)  # noqa: TID251 - an edge
            server.kill()
            server.start()
        wait_for(lambda: scheduler.list_schedules()["Schedules"] == [])
        ran: dict[str, set[str]] = {}
        while len(ran) < len(names):
            for message in moto.messages(url):
                record = json.loads(message["Body"])
                request_id = record["requestContext"]["requestId"]
                ran.setdefault(record["requestPayload"], set()).add(request_id)
        # A repeated run is the same invocation.
        assert {name: len(ids) for name, ids in ran.items()} == dict.fromkeys(names, 1)
        assert server.stop() == 0


def test_groups_tags_pages_and_repeated_requests(platform: Server, scheduler: Any) -> None:
    """A group has the tags and goes with its schedules; a client token is served once."""
    arn = scheduler.create_schedule_group(Name="g", Tags=[{"Key": "a", "Value": "1"}])[
        "ScheduleGroupArn"
    ]
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    request: dict[str, Any] = {
        "GroupName": "g",
        "ScheduleExpression": "cron(0 6 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "Description": "mornings",
        "Target": {"Arn": f"{ARN}nobody", "RoleArn": ROLE},
    }
    for number in range(5):
        scheduler.create_schedule(Name=f"s{number}", **request)
    paginator = scheduler.get_paginator("list_schedules")
    pages = list(paginator.paginate(GroupName="g", PaginationConfig={"PageSize": 2}))
    names = [each["Name"] for page in pages for each in page["Schedules"]]
    assert (len(pages), sorted(names)) == (3, [f"s{number}" for number in range(5)])
    found = scheduler.get_schedule(GroupName="g", Name="s1")
    assert found["FlexibleTimeWindow"] == request["FlexibleTimeWindow"]
    assert found["Description"] == "mornings"

    assert refusal(scheduler.create_schedule, Name="s1", **request) == (
        409,
        "ConflictException",
        "Schedule s1 already exists.",
    )
    for _ in range(2):
        scheduler.create_schedule(Name="twice", ClientToken="token", **request)
    assert refusal(scheduler.create_schedule, Name="third", ClientToken="token", **request)[:2] == (
        409,
        "ConflictException",
    )
    groups = scheduler.list_schedule_groups()["ScheduleGroups"]
    assert [(group["Name"], group["State"]) for group in groups] == [
        ("default", "ACTIVE"),
        ("g", "ACTIVE"),
    ]
    scheduler.delete_schedule_group(Name="g")
    assert refusal(scheduler.list_schedules, GroupName="g") == (
        404,
        "ResourceNotFoundException",
        "Schedule group g does not exist.",
    )


REQUEST: dict[str, Any] = {
    "Name": "bad",
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": OFF,
    "Target": {"Arn": f"{ARN}f", "RoleArn": ROLE},
}


def target(**members: Any) -> dict[str, Any]:
    """The change of a request's target."""
    return {"Target": {**REQUEST["Target"], **members}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"ScheduleExpression": "rate(0 minutes)"},
            "Invalid Schedule Expression rate(0 minutes).",
            id="rate",
        ),
        pytest.param(
            {"ScheduleExpression": "at(2020-01-01T00:00:00)"},
            "Invalid Schedule Expression at(2020-01-01T00:00:00).",
            id="past",
        ),
        pytest.param(
            {"ScheduleExpressionTimezone": "Mars/Base"},
            "Invalid ScheduleExpressionTimezone Mars/Base.",
            id="zone",
        ),
        pytest.param(
            {"StartDate": datetime(2020, 1, 1, tzinfo=UTC)},
            "The StartDate you specify cannot be earlier than 5 minutes ago.",
            id="start",
        ),
        pytest.param(
            {
                "StartDate": datetime(2190, 1, 1, tzinfo=UTC),
                "EndDate": datetime(2190, 1, 1, tzinfo=UTC),
            },
            "The StartDate you specify must come before the EndDate.",
            id="end",
        ),
        pytest.param(
            {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
            "MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to "
            "FLEXIBLE",
            id="no window",
        ),
        pytest.param(
            {"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 1}},
            "MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF",
            id="window",
        ),
        pytest.param(
            {"KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"},
            "KmsKeyArn is not supported by lambd: nothing is encrypted.",
            id="key",
        ),
        pytest.param(
            target(Arn="arn:aws:sqs:us-east-1:000000000000:q"),
            "lambd invokes Lambda functions only: arn:aws:sqs:us-east-1:000000000000:q is none.",
            id="queue",
        ),
        pytest.param(
            target(Arn="arn:aws:lambda:eu-west-1:000000000000:function:f"),
            "The target ARN provided does not match the current region us-east-1.",
            id="region",
        ),
        pytest.param(target(Input="{"), "JSON syntax error in input for the target.", id="input"),
        pytest.param(
            target(SqsParameters={"MessageGroupId": "g"}),
            "Parameters SqsParameters not supported for the target.",
            id="parameters",
        ),
        pytest.param(
            target(Arn="arn:aws:scheduler:::aws-sdk:lambda:invoke"),
            "You must provide an input to set this target for your schedule.",
            id="universal",
        ),
        pytest.param(
            target(Arn="arn:aws:scheduler:::aws-sdk:lambda:invoke", Input='{"FunctionName": "f"}'),
            "InvocationType of lambda:invoke must be Event: lambd does not wait.",
            id="synchronous",
        ),
    ],
)
def test_bad_schedules_are_refused(scheduler: Any, changes: dict[str, Any], message: str) -> None:
    """With AWS's error where it is known, and without a trace."""
    refused = refusal(scheduler.create_schedule, **{**REQUEST, **changes})
    assert refused == (400, "ValidationException", message)
    assert refusal(scheduler.get_schedule, Name="bad")[0] == 404


def test_rules_are_described_as_they_were_put(platform: Server) -> None:
    """States, tags, lists; the whole rule is replaced but for tags and targets."""
    events = platform.events_client()
    rule = events.put_rule(
        Name="described",
        ScheduleExpression="cron(0 8 1 * ? *)",
        Description="monthly",
        Tags=[{"Key": "a", "Value": "1"}],
    )["RuleArn"]
    found: Any = events.describe_rule(Name="described", EventBusName="default")
    del found["ResponseMetadata"]
    assert found == {
        "Name": "described",
        "Arn": rule,
        "ScheduleExpression": "cron(0 8 1 * ? *)",
        "State": "ENABLED",
        "Description": "monthly",
        "EventBusName": "default",
        "CreatedBy": "000000000000",
    }
    events.disable_rule(Name="described")
    assert events.list_rules(NamePrefix="desc")["Rules"][0]["State"] == "DISABLED"
    events.enable_rule(Name="described")
    events.tag_resource(ResourceARN=rule, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=rule, TagKeys=["a"])
    events.put_rule(Name="described", ScheduleExpression="rate(2 hours)")
    assert events.list_tags_for_resource(ResourceARN=rule)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert "Description" not in events.describe_rule(Name="described")
    entry: Any = {
        "Id": "1",
        "Arn": f"{ARN}f:live",
        "InputTransformer": {"InputTemplate": '"<aws.events.rule-arn>"'},
        "RetryPolicy": {"MaximumRetryAttempts": 2},
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"},
    }
    events.put_targets(Rule="described", Targets=[entry])
    assert events.list_targets_by_rule(Rule="described")["Targets"] == [entry]
    names = events.list_rule_names_by_target(TargetArn=f"{ARN}f:live")["RuleNames"]
    assert names == ["described"]
    assert refusal(events.delete_rule, Name="described") == (
        400,
        "ValidationException",
        "Rule can't be deleted since it has targets.",
    )
    removed = events.remove_targets(Rule="described", Ids=["1", "2"])
    assert [each["TargetId"] for each in removed["FailedEntries"]] == ["2"]
    events.delete_rule(Name="described")
    assert refusal(events.describe_rule, Name="described") == (
        400,
        "ResourceNotFoundException",
        "Rule described does not exist on EventBus default.",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"ScheduleExpression": "rate(1 minutes)"},
            "Parameter ScheduleExpression is not valid.",
            id="number",
        ),
        pytest.param(
            {"ScheduleExpression": "at(2190-01-01T00:00:00)"},
            "Parameter ScheduleExpression is not valid.",
            id="one time",
        ),
        pytest.param(
            {"EventPattern": '{"source":["a"]}'},
            "EventPattern is not supported by lambd yet: rules are run by a ScheduleExpression.",
            id="pattern",
        ),
        pytest.param(
            {"ScheduleExpression": ""},
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
            id="neither",
        ),
        pytest.param({"RoleArn": ROLE}, "RoleArn of a rule is not supported by lambd.", id="role"),
    ],
)
def test_bad_rules_are_refused(platform: Server, changes: dict[str, Any], message: str) -> None:
    """With AWS's error where it is known, and without a trace."""
    events = platform.events_client()
    request = {"Name": "bad", "ScheduleExpression": "rate(1 hour)", **changes}
    assert refusal(events.put_rule, **request) == (400, "ValidationException", message)
    assert events.list_rules(NamePrefix="bad")["Rules"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"},
            "lambd invokes Lambda functions only: arn:aws:sqs:us-east-1:000000000000:q is none.",
            id="queue",
        ),
        pytest.param(
            {"Input": "1", "InputPath": "$"},
            "Only one of Input, InputPath, or InputTransformer must be provided for target bad.",
            id="two inputs",
        ),
        pytest.param({"Input": "{"}, "JSON syntax error in input for target bad.", id="input"),
        pytest.param({"InputPath": "detail"}, "InputPath for target bad is invalid.", id="path"),
        pytest.param(
            {"InputTransformer": {"InputTemplate": '{"a": <b>}'}},
            "InputTemplate for target bad contains invalid placeholder b.",
            id="placeholder",
        ),
        pytest.param({"RoleArn": ROLE}, f"RoleArn is not supported for target {ARN}f.", id="role"),
        pytest.param(
            {"EcsParameters": {"TaskDefinitionArn": "a"}},
            "Parameter(s) EcsParameters not supported for target: bad.",
            id="parameters",
        ),
        pytest.param(
            {"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:000000000000:t"}},
            "sns is not supported as a dead letter resource.",
            id="dead letters",
        ),
    ],
)
def test_bad_targets_are_refused(platform: Server, changes: dict[str, Any], message: str) -> None:
    """With AWS's error where it is known; the good ones beside them are not put either."""
    events = platform.events_client()
    events.put_rule(Name="kept", ScheduleExpression="rate(1 hour)")
    targets = [{"Id": "good", "Arn": f"{ARN}f"}, {"Id": "bad", "Arn": f"{ARN}f", **changes}]
    refused = refusal(events.put_targets, Rule="kept", Targets=targets)
    assert refused == (400, "ValidationException", message)
    assert events.list_targets_by_rule(Rule="kept")["Targets"] == []


def test_other_operations_and_buses(platform: Server) -> None:
    """A clean refusal: what is not served, and buses that there are not."""
    events = platform.events_client()
    assert refusal(events.list_event_buses) == (
        501,
        "NotImplementedException",
        "The operation ListEventBuses is not implemented by lambd yet",
    )
    refused = refusal(events.list_rules, EventBusName="mine")
    assert refused == (400, "ResourceNotFoundException", "Event bus mine does not exist.")


def test_the_command_line_client_works_unchanged(platform: Server) -> None:
    """Both services at the platform's one port."""

    def aws(*arguments: str) -> Any:
        command = [str(Path(sys.executable).with_name("aws")), *arguments, "--output", "json"]
        done = subprocess.run(
            command, env=platform.cli_environment(), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout or "null")

    aws(
        *("scheduler", "create-schedule", "--name", "cli"),
        *("--schedule-expression", "rate(5 days)", "--flexible-time-window", "Mode=OFF"),
        *("--start-date", "2190-01-01T00:00:00Z"),
        *("--target", json.dumps({"Arn": f"{ARN}f", "RoleArn": ROLE})),
    )
    found = aws("scheduler", "get-schedule", "--name", "cli")
    assert found["Arn"] == f"{SCHEDULE_ARN}/default/cli"
    assert found["ScheduleExpression"] == "rate(5 days)"
    aws("scheduler", "delete-schedule", "--name", "cli")
    rule = aws("events", "put-rule", "--name", "cli", "--schedule-expression", "rate(5 days)")
    assert rule == {"RuleArn": "arn:aws:events:us-east-1:000000000000:rule/cli"}
    aws("events", "delete-rule", "--name", "cli")
