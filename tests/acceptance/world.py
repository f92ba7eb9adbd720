"""What acceptance tests do with functions: make one and wait for it, call it, see it fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.acceptance.conftest import ROLE, RUNTIME, wait_at_rest, zipped

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def make(aws: LambdaClient, name: str, source: str, **arguments: Any) -> str:
    """Create a function of one module, `app.handler`, and wait until it is active; its name."""
    request: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(source)},
        **arguments,
    }
    aws.create_function(**request)
    wait_at_rest(aws, name)
    return name


def call(aws: LambdaClient, name: str, event: object = None, **arguments: Any) -> Any:
    """Invoke and decode the payload of a success."""
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **arguments)
    payload = reply["Payload"].read()
    assert reply.get("FunctionError") is None, payload
    return json.loads(payload)


def fail(aws: LambdaClient, name: str, event: object = None) -> dict[str, Any]:
    """Invoke and decode the payload of a function error."""
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    payload = reply["Payload"].read()
    assert (reply["StatusCode"], reply.get("FunctionError")) == (200, "Unhandled"), payload
    found: dict[str, Any] = json.loads(payload)
    return found
