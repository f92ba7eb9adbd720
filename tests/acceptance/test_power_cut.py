"""A power cut: the disk as it is at one moment, without what the kernel had still to write to it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.disks import Disk
from tests.acceptance.function_logs import wait_for_log

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

pytestmark = [pytest.mark.slow, pytest.mark.oci]

EVENTS = 5
# Its module and its layer have to be there; an event says that it was run.
SOURCE = """
    import time
    from value import VALUE

    def handler(event, context):
        time.sleep(event.get("hold", 0))
        print(f"ran {event.get('number')};")
        return VALUE
"""


@pytest.mark.timeout(180)
def test_functions_and_events_survive_a_power_cut(tmp_path: Path) -> None:
    """A moment after the function is Active and its events are accepted, the power goes."""
    disk = Disk.made(tmp_path / "first.img")
    no_drain = {"LAMBD_DRAIN_TIMEOUT_S": "0"}
    with disk.mounted() as directory, Server(directory / "data", environ=no_drain) as server:
        aws = server.lambda_client()
        _create(aws)
        holder = _hold_the_only_slot(server)
        for number in range(EVENTS):
            event = json.dumps({"number": number}).encode()
            aws.invoke(FunctionName="f", InvocationType="Event", Payload=event)
        copy = disk.copied_as_after_a_power_cut(tmp_path / "second.img")
        # What it does from now on, the copy does not know.
        assert server.stop() == 0
        holder.join()
    with copy.mounted() as directory, Server(directory / "data") as server:
        aws = server.lambda_client()
        assert wait_at_rest(aws, "f")["State"] == "Active"
        for number in range(EVENTS):
            wait_for_log(server, "f", f"ran {number};")
        reply = aws.invoke(FunctionName="f", Payload=b"{}")
        assert reply["Payload"].read() == b"42"
        assert server.stop() == 0


def _create(aws: LambdaClient) -> None:
    """A function with two layers, Active."""
    layers = [
        aws.publish_layer_version(
            LayerName=name, Content={"ZipFile": zipped(**{f"python/{name}__py": text})}
        )["LayerVersionArn"]
        for name, text in (("value", "from other import VALUE"), ("other", "VALUE = 42"))
    ]
    aws.create_function(
        FunctionName="f",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(SOURCE)},
        Layers=layers,
        Timeout=120,
    )
    assert wait_at_rest(aws, "f")["State"] == "Active"


def _hold_the_only_slot(server: Server) -> threading.Thread:
    """Keep the function busy, so that its events stay where they are."""
    aws = server.lambda_client()
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)

    def hold() -> None:
        with contextlib.suppress(BotoCoreError, ClientError):
            aws.invoke(FunctionName="f", Payload=b'{"hold": 110}')

    thread = threading.Thread(target=hold)
    thread.start()
    deadline = time.monotonic() + 30
    while True:
        # Refused once the slot is taken.
        with contextlib.suppress(ClientError):
            aws.invoke(FunctionName="f", Payload=b"{}")
            assert time.monotonic() < deadline
            continue
        return thread
