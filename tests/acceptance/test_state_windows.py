"""States in transition, as callers who do not wait meet them on AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.test_aliases import error_of

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

REASON = ("The function is being created.", "Creating")
LONG = {"LAMBD_STATE_WINDOW_S": "60"}
SHORT = {"LAMBD_STATE_WINDOW_S": "1"}
SOURCE = "def handler(event, context):\n    return {!r}\n"


def make(aws: LambdaClient, name: str) -> None:
    """Create a function, and do not wait."""
    aws.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(SOURCE.format("old"))},
    )


def payload(aws: LambdaClient, name: str) -> Any:
    """What the function returns."""
    return json.loads(aws.invoke(FunctionName=name)["Payload"].read())


def test_a_transition_lasts_a_moment(tmp_path: Path) -> None:
    """Pending after creation, InProgress after changes; then the waiters are content."""
    with Server(tmp_path / "data", environ=SHORT) as server:
        aws = server.lambda_client()
        make(aws, "f")
        found: Any = aws.get_function_configuration(FunctionName="f")
        assert found["State"] == "Pending"
        assert (found["StateReason"], found["StateReasonCode"]) == REASON
        assert "LastUpdateStatus" not in found
        status, code, message = error_of(aws.invoke, FunctionName="f")
        assert (status, code) == (409, "ResourceConflictException")
        assert message.endswith("The function is currently in the following state: Pending")
        aws.get_waiter("function_active_v2").wait(FunctionName="f")
        aws.update_function_code(FunctionName="f", ZipFile=zipped(SOURCE.format("new")))
        found = aws.get_function_configuration(FunctionName="f")
        assert (found["State"], found["LastUpdateStatus"]) == ("Active", "InProgress")
        assert (found["LastUpdateStatusReason"], found["LastUpdateStatusReasonCode"]) == REASON
        # The old code goes on, and the next change has to wait.
        assert payload(aws, "f") == "old"
        refused = error_of(aws.publish_version, FunctionName="f")
        assert refused[:2] == (409, "ResourceConflictException")
        aws.get_waiter("function_updated_v2").wait(FunctionName="f")
        assert payload(aws, "f") == "new"
        found = aws.publish_version(FunctionName="f")
        assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
        assert server.stop() == 0


@pytest.mark.slow
def test_a_transition_outlives_a_crash(tmp_path: Path) -> None:
    """The next server carries it on, for the rest of its own window."""
    server = Server(tmp_path / "data", environ=LONG)
    with server:
        make(server.lambda_client(), "f")
        assert server.lambda_client().get_function(FunctionName="f")["Configuration"]["State"] == (
            "Pending"
        )
        server.kill()
    with Server(tmp_path / "data") as server:
        found = wait_at_rest(server.lambda_client(), "f")
        assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
        assert server.stop() == 0
