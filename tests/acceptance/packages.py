"""Deployment packages and layers for the tests: archives with modes, and short calls."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def archive(files: Mapping[str, str | bytes], *, mode: int = 0o644) -> bytes:
    """A zip archive of files, all with one mode; texts may be indented."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            data = content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n")
            packed.writestr(entry, data)
    return buffer.getvalue()


def call(aws: LambdaClient, name: str, event: object = None, **arguments: Any) -> Any:
    """Invoke and decode the payload of a success."""
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **arguments)
    payload = reply["Payload"].read()
    assert reply.get("FunctionError") is None, payload
    return json.loads(payload)


def fail(aws: LambdaClient, name: str, event: object = None) -> dict[str, Any]:
    """Invoke and decode the payload of a function error."""
    reply = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    assert reply.get("FunctionError") == "Unhandled", reply["Payload"].read()
    payload: dict[str, Any] = json.loads(reply["Payload"].read())
    return payload
