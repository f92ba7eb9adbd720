"""Application Auto Scaling of provisioned concurrency through boto3 and the AWS CLI."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import pytest
from botocore.exceptions import ClientError
from tests.acceptance import world
from tests.acceptance.conftest import Server

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient
    from types_boto3_application_autoscaling.literals import (
        ScalableDimensionType,
        ServiceNamespaceType,
    )
    from types_boto3_application_autoscaling.type_defs import (
        ScalableTargetTypeDef,
        ScalingActivityTypeDef,
        TargetTrackingScalingPolicyConfigurationTypeDef,
    )
    from types_boto3_lambda import LambdaClient

SLEEPER = """
import time
def handler(event, context):
    time.sleep(event.get("s", 0))
"""
DIMENSION: ScalableDimensionType = "lambda:function:ProvisionedConcurrency"
# Fifteen of them are three seconds.
PERIOD_S = 0.2
_TIMEOUT_S = 40.0


class Resource(TypedDict):
    """What names a scalable target in every request."""

    ServiceNamespace: ServiceNamespaceType
    ScalableDimension: ScalableDimensionType
    ResourceId: str


def resource(name: str, qualifier: str = "live") -> Resource:
    """The target of a function's alias."""
    return {
        "ServiceNamespace": "lambda",
        "ScalableDimension": DIMENSION,
        "ResourceId": f"function:{name}:{qualifier}",
    }


def tracking(value: float = 0.5, **more: Any) -> TargetTrackingScalingPolicyConfigurationTypeDef:
    """A policy's configuration."""
    config: Any = {
        "TargetValue": value,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"
        },
        **more,
    }
    return cast("TargetTrackingScalingPolicyConfigurationTypeDef", config)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform with short periods of measurement."""
    made = Server(
        tmp_path_factory.mktemp("autoscaling") / "data",
        environ={"LAMBD_AUTOSCALING_PERIOD_S": str(PERIOD_S)},
    )
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def aws(quick: Server) -> LambdaClient:
    """Its Lambda client."""
    return quick.lambda_client()


@pytest.fixture(scope="module")
def scaling(quick: Server) -> ApplicationAutoScalingClient:
    """Its Application Auto Scaling client."""
    return quick.autoscaling_client()


def make(aws: LambdaClient, name: str) -> None:
    """A function with version 1 and the alias `live`."""
    world.make(aws, name, SLEEPER, Timeout=30, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")


def capacity(aws: LambdaClient, name: str) -> int:
    """The provisioned concurrency that there is; 0 without any, -1 while it is allocated."""
    try:
        found = aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    except aws.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return 0
    is_ready = found["Status"] == "READY"
    return found["AllocatedProvisionedConcurrentExecutions"] if is_ready else -1


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def target_of(scaling: ApplicationAutoScalingClient, name: str) -> ScalableTargetTypeDef:
    """The target of a function's alias."""
    (found,) = scaling.describe_scalable_targets(
        ServiceNamespace="lambda", ResourceIds=[f"function:{name}:live"]
    )["ScalableTargets"]
    return found


def activities_of(
    scaling: ApplicationAutoScalingClient, name: str, **more: Any
) -> list[ScalingActivityTypeDef]:
    """Its activities, the oldest first."""
    found = scaling.describe_scaling_activities(**resource(name), **more)["ScalingActivities"]
    return found[::-1]


def at_maximum(scaling: ApplicationAutoScalingClient, name: str) -> bool:
    """Whether an alarm has found no room above."""
    found = activities_of(scaling, name, IncludeNotScaledActivities=True)
    reasons = [each.get("NotScaledReasons", []) for each in found]
    return [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 3}] in reasons


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    """Status, code and message."""
    response = error.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


class Load:
    """So many invocations at a time, until the block ends."""

    def __init__(self, aws: LambdaClient, name: str, number: int) -> None:
        self._aws, self._name, self._number = aws, name, number
        self._stop = threading.Event()
        self._threads = concurrent.futures.ThreadPoolExecutor(number)
        self._running: list[concurrent.futures.Future[None]] = []

    def __enter__(self) -> None:
        self._running = [self._threads.submit(self._call) for _ in range(self._number)]

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._threads.shutdown()
        for each in self._running:
            each.result()

    def _call(self) -> None:
        while not self._stop.is_set():
            self._aws.invoke(FunctionName=self._name, Qualifier="live", Payload=b'{"s": 0.3}')


def test_load_scales_out_and_silence_scales_in(
    aws: LambdaClient, scaling: ApplicationAutoScalingClient
) -> None:
    """Within the bounds; the activities tell why, alarms have the names that AWS gives them."""
    make(aws, "tracked")
    scaling.register_scalable_target(**resource("tracked"), MinCapacity=1, MaxCapacity=3)
    wait_for(lambda: capacity(aws, "tracked") == 1)
    policy = scaling.put_scaling_policy(
        **resource("tracked"),
        PolicyName="half",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking(),
    )
    assert policy["PolicyARN"].endswith(":resource/lambda/function:tracked:live:policyName/half")
    high, low = (alarm["AlarmName"] for alarm in policy["Alarms"])
    assert high.startswith("TargetTracking-function:tracked:live-AlarmHigh-")
    assert low.startswith("TargetTracking-function:tracked:live-AlarmLow-")

    with Load(aws, "tracked", 3):
        wait_for(lambda: capacity(aws, "tracked") == 3)
        wait_for(lambda: at_maximum(scaling, "tracked"))
    wait_for(lambda: capacity(aws, "tracked") == 1)
    # An activity ends a moment after the allocation that it waits for.
    wait_for(lambda: activities_of(scaling, "tracked")[-1]["StatusCode"] == "Successful")

    done = [
        each for each in activities_of(scaling, "tracked") if each["StatusCode"] == "Successful"
    ]
    assert [each["Description"] for each in done if "minimum" in each["Cause"]] == [
        "Setting provisioned concurrency to 1."
    ]
    causes = {each["Cause"] for each in done}
    for alarm in (high, low):
        assert f"monitor alarm {alarm} in state ALARM triggered policy half" in causes
    last = done[-1]
    assert last["Description"] == "Setting provisioned concurrency to 1."
    assert last["StatusMessage"] == (
        "Successfully set provisioned concurrency to 1. Change successfully fulfilled by lambda."
    )
    assert last["EndTime"] >= last["StartTime"]


def test_registering_brings_the_capacity_within_the_bounds(
    aws: LambdaClient, scaling: ApplicationAutoScalingClient
) -> None:
    """Up to the minimum, down to the maximum, away with 0; what is not said stays."""
    make(aws, "bounded")
    arn = scaling.register_scalable_target(
        **resource("bounded"), MinCapacity=2, MaxCapacity=3, Tags={"team": "a"}
    )["ScalableTargetARN"]
    wait_for(lambda: capacity(aws, "bounded") == 2)
    scaling.register_scalable_target(**resource("bounded"), MinCapacity=0, MaxCapacity=1)
    wait_for(lambda: capacity(aws, "bounded") == 1)
    scaling.register_scalable_target(**resource("bounded"), MaxCapacity=0)
    assert capacity(aws, "bounded") == 0
    found = target_of(scaling, "bounded")
    assert (found["MinCapacity"], found["MaxCapacity"]) == (0, 0)
    assert found["ScalableTargetARN"] == arn
    assert found["RoleARN"].endswith("/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency")
    scaling.tag_resource(ResourceARN=arn, Tags={"stage": "b"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "b"}
    causes = [each["Cause"] for each in activities_of(scaling, "bounded")]
    assert causes == [
        f"{which} capacity was set to {n}"
        for which, n in (("minimum", 2), ("maximum", 1), ("maximum", 0))
    ]


def test_a_schedule_sets_bounds_and_capacity(
    aws: LambdaClient, scaling: ApplicationAutoScalingClient
) -> None:
    """Once at its second; suspended, it passes without effect."""
    make(aws, "scheduled")
    scaling.register_scalable_target(**resource("scheduled"), MinCapacity=0, MaxCapacity=1)
    soon = datetime.now(UTC) + timedelta(seconds=2)  # noqa: TID251 - an edge
    scaling.put_scheduled_action(
        **resource("scheduled"),
        ScheduledActionName="morning",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 4},
    )
    wait_for(lambda: capacity(aws, "scheduled") == 2)
    found = target_of(scaling, "scheduled")
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 4)
    told = [(each["Description"], each["Cause"]) for each in activities_of(scaling, "scheduled")]
    assert told == [
        (
            "Setting min capacity to 2 and max capacity to 4",
            "scheduled action name morning was triggered",
        ),
        ("Setting provisioned concurrency to 2.", "minimum capacity was set to 2"),
    ]

    scaling.register_scalable_target(
        **resource("scheduled"), SuspendedState={"ScheduledScalingSuspended": True}
    )
    scaling.put_scheduled_action(
        **resource("scheduled"),
        ScheduledActionName="evening",
        Schedule="cron(0 18 ? * MON-FRI *)",
        Timezone="Europe/Berlin",
        ScalableTargetAction={"MaxCapacity": 0},
    )
    (action,) = scaling.describe_scheduled_actions(
        ServiceNamespace="lambda",
        ResourceId="function:scheduled:live",
        ScheduledActionNames=["evening"],
    )["ScheduledActions"]
    assert action["Timezone"] == "Europe/Berlin"
    assert action["ScalableTargetAction"] == {"MaxCapacity": 0}
    scaling.delete_scheduled_action(**resource("scheduled"), ScheduledActionName="evening")
    with pytest.raises(ClientError) as caught:
        scaling.delete_scheduled_action(**resource("scheduled"), ScheduledActionName="evening")
    assert refused(caught)[1] == "ObjectNotFoundException"


def test_a_function_that_is_gone_fails_activities_and_keeps_its_target(
    aws: LambdaClient, scaling: ApplicationAutoScalingClient
) -> None:
    """The target outlives its function, as on AWS."""
    make(aws, "doomed")
    scaling.register_scalable_target(**resource("doomed"), MinCapacity=0, MaxCapacity=1)
    aws.delete_function(FunctionName="doomed")
    soon = datetime.now(UTC) + timedelta(seconds=1)  # noqa: TID251 - an edge
    scaling.put_scheduled_action(
        **resource("doomed"),
        ScheduledActionName="up",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 1},
    )
    wait_for(lambda: len(activities_of(scaling, "doomed")) == 2)
    last = activities_of(scaling, "doomed")[-1]
    assert last["StatusCode"] == "Failed"
    assert last["StatusMessage"].startswith(
        "Failed to set provisioned concurrency to 1. Reason: Cannot find alias arn: arn:aws:lambda:"
    )
    assert target_of(scaling, "doomed")["MinCapacity"] == 1
    scaling.deregister_scalable_target(**resource("doomed"))


def test_a_restart_keeps_all_of_it(tmp_path: Path) -> None:
    """Targets, policies, actions, tags and activities; a missed time is not made up for."""
    server = Server(tmp_path / "data", environ={"LAMBD_AUTOSCALING_PERIOD_S": str(PERIOD_S)})
    server.start()
    aws, scaling = server.lambda_client(), server.autoscaling_client()
    make(aws, "kept")
    scaling.register_scalable_target(
        **resource("kept"), MinCapacity=1, MaxCapacity=2, Tags={"a": "b"}
    )
    scaling.put_scaling_policy(
        **resource("kept"),
        PolicyName="half",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking(ScaleInCooldown=7),
    )
    scaling.put_scheduled_action(
        **resource("kept"),
        ScheduledActionName="yearly",
        Schedule="cron(0 0 1 1 ? *)",
        ScalableTargetAction={"MinCapacity": 0},
    )
    wait_for(lambda: [a["StatusCode"] for a in activities_of(scaling, "kept")] == ["Successful"])
    soon = datetime.now(UTC) + timedelta(seconds=3)  # noqa: TID251 - an edge
    scaling.put_scheduled_action(
        **resource("kept"),
        ScheduledActionName="missed",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MaxCapacity": 9},
    )
    before = _everything(scaling)
    server.kill()
    wait_for(lambda: datetime.now(UTC) > soon)  # noqa: TID251 - an edge
    server.start()
    try:
        assert _everything(scaling) == before
        with Load(aws, "kept", 2):
            wait_for(lambda: capacity(aws, "kept") == 2)
        assert target_of(scaling, "kept")["MaxCapacity"] == 2
    finally:
        assert server.stop() == 0


def _everything(scaling: ApplicationAutoScalingClient) -> list[Any]:
    targets = scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
    arn = targets[0]["ScalableTargetARN"]
    return [
        targets,
        scaling.list_tags_for_resource(ResourceARN=arn)["Tags"],
        scaling.describe_scaling_policies(ServiceNamespace="lambda")["ScalingPolicies"],
        scaling.describe_scheduled_actions(ServiceNamespace="lambda")["ScheduledActions"],
        scaling.describe_scaling_activities(ServiceNamespace="lambda")["ScalingActivities"],
    ]


def test_pages_and_paginators(aws: LambdaClient, scaling: ApplicationAutoScalingClient) -> None:
    """Every list goes on where its token says."""
    make(aws, "paged")
    scaling.register_scalable_target(**resource("paged"), MinCapacity=0, MaxCapacity=1)
    for number in range(5):
        scaling.put_scheduled_action(
            **resource("paged"),
            ScheduledActionName=f"action-{number}",
            Schedule="rate(1 day)",
            ScalableTargetAction={"MinCapacity": 0},
        )
    pages = scaling.get_paginator("describe_scheduled_actions").paginate(
        ServiceNamespace="lambda",
        ResourceId="function:paged:live",
        PaginationConfig={"PageSize": 2},
    )
    names = [[each["ScheduledActionName"] for each in page["ScheduledActions"]] for page in pages]
    assert names == [["action-0", "action-1"], ["action-2", "action-3"], ["action-4"]]
    with pytest.raises(ClientError) as caught:
        scaling.describe_scheduled_actions(ServiceNamespace="lambda", NextToken="made-up")
    assert refused(caught)[1] == "InvalidNextTokenException"


UNSUPPORTED = "Unsupported service namespace, resource type or scalable dimension"


@pytest.mark.parametrize(
    ("operation", "arguments", "code", "message"),
    [
        pytest.param(
            "register_scalable_target",
            {
                "ServiceNamespace": "ecs",
                "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceId": "service/a/b",
                "MinCapacity": 1,
                "MaxCapacity": 2,
            },
            "ValidationException",
            UNSUPPORTED,
            id="other service",
        ),
        pytest.param(
            "register_scalable_target",
            {**resource("refused", "$LATEST"), "MinCapacity": 1, "MaxCapacity": 2},
            "ValidationException",
            UNSUPPORTED,
            id="latest",
        ),
        pytest.param(
            "register_scalable_target",
            {**resource("refused", "nothing"), "MinCapacity": 1, "MaxCapacity": 2},
            "ValidationException",
            "Lambda function doesn't exist: function:refused:nothing",
            id="no alias",
        ),
        pytest.param(
            "register_scalable_target",
            {**resource("refused"), "MinCapacity": 3, "MaxCapacity": 2},
            "ValidationException",
            "Maximum capacity cannot be less than minimum capacity",
            id="bounds crossed",
        ),
        pytest.param(
            "register_scalable_target",
            {**resource("refused", "1"), "MaxCapacity": 2},
            "ValidationException",
            "Minimum capacity and maximum capacity must be specified",
            id="no minimum",
        ),
        pytest.param(
            "deregister_scalable_target",
            resource("other"),
            "ObjectNotFoundException",
            "No scalable target found for service namespace: lambda, resource ID: "
            f"function:other:live, scalable dimension: {DIMENSION}",
            id="no target",
        ),
        pytest.param(
            "put_scaling_policy",
            {
                **resource("other"),
                "PolicyName": "p",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": tracking(),
            },
            "ObjectNotFoundException",
            "No scalable target registered for service namespace: lambda, resource ID: "
            f"function:other:live, scalable dimension: {DIMENSION}",
            id="policy without target",
        ),
        pytest.param(
            "put_scaling_policy",
            {**resource("refused"), "PolicyName": "p", "PolicyType": "StepScaling"},
            "ValidationException",
            "The policy type StepScaling is not supported",
            id="steps",
        ),
        pytest.param(
            "put_scaling_policy",
            {
                **resource("refused"),
                "PolicyName": "p",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": tracking(0.95),
            },
            "ValidationException",
            "TargetValue must be between 0.1 and 0.9",
            id="target value",
        ),
        pytest.param(
            "put_scaling_policy",
            {
                **resource("refused"),
                "PolicyName": "second",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": tracking(),
            },
            "ValidationException",
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
            id="second policy",
        ),
        pytest.param(
            "put_scheduled_action",
            {
                **resource("refused"),
                "ScheduledActionName": "a",
                "Schedule": "cron(0 0 * * *)",
                "ScalableTargetAction": {"MinCapacity": 1},
            },
            "ValidationException",
            "Invalid schedule: cron(0 0 * * *): six fields are needed, not 5",
            id="schedule",
        ),
        pytest.param(
            "put_scheduled_action",
            {**resource("refused"), "ScheduledActionName": "a", "Schedule": "rate(1 day)"},
            "ValidationException",
            "At least one of minimum capacity and maximum capacity should be provided",
            id="no bounds",
        ),
        pytest.param(
            "put_scheduled_action",
            {**resource("refused"), "ScheduledActionName": "a:b", "Schedule": "rate(1 day)"},
            "ValidationException",
            "1 validation error detected: Value 'a:b' at 'scheduledActionName'",
            id="name",
        ),
        pytest.param(
            "list_tags_for_resource",
            {"ResourceARN": "arn:aws:application-autoscaling:us-east-1:1:scalable-target/1"},
            "ResourceNotFoundException",
            "No scalable target found for resource ARN",
            id="no such ARN",
        ),
        pytest.param(
            "get_predictive_scaling_forecast",
            {
                **resource("refused"),
                "PolicyName": "p",
                "StartTime": datetime(2026, 1, 1, tzinfo=UTC),
                "EndTime": datetime(2026, 1, 2, tzinfo=UTC),
            },
            "NotImplementedException",
            "GetPredictiveScalingForecast",
            id="not built",
        ),
    ],
)
def test_refusals_change_nothing(
    refusing: ApplicationAutoScalingClient,
    operation: str,
    arguments: dict[str, Any],
    code: str,
    message: str,
) -> None:
    """Error codes, and texts where AWS's are known."""
    before = _everything(refusing)
    with pytest.raises(ClientError) as caught:
        getattr(refusing, operation)(**arguments)
    status, found, text = refused(caught)
    assert (status, found) == (501 if code == "NotImplementedException" else 400, code)
    assert message in text
    assert _everything(refusing) == before


@pytest.fixture(scope="module")
def refusing(
    aws: LambdaClient, scaling: ApplicationAutoScalingClient
) -> ApplicationAutoScalingClient:
    """With a target that has a policy."""
    make(aws, "refused")
    scaling.register_scalable_target(**resource("refused"), MinCapacity=0, MaxCapacity=1)
    scaling.put_scaling_policy(
        **resource("refused"),
        PolicyName="first",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking(),
    )
    return scaling


def test_the_aws_command_line_works(quick: Server, aws: LambdaClient) -> None:
    """Unmodified, with an endpoint in its environment."""
    make(aws, "by-cli")
    named = [
        *("--service-namespace", "lambda", "--scalable-dimension", DIMENSION),
        *("--resource-id", "function:by-cli:live"),
    ]

    def run(command: str, *flags: str) -> Any:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("aws")),
                "application-autoscaling",
                command,
                *flags,
            ],
            capture_output=True,
            text=True,
            check=True,
            env=quick.cli_environment(),
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    arn = run("register-scalable-target", *named, "--min-capacity", "0", "--max-capacity", "3")
    (found,) = run(
        "describe-scalable-targets",
        *("--service-namespace", "lambda", "--resource-ids", "function:by-cli:live"),
    )["ScalableTargets"]
    assert found["ScalableTargetARN"] == arn["ScalableTargetARN"]
    assert found["MaxCapacity"] == 3
    run("deregister-scalable-target", *named)
