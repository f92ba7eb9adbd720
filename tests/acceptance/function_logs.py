"""A function's log through the CloudWatch Logs API, and waiting for what it will say."""

from __future__ import annotations

import time

from tests.acceptance.conftest import Server

_TIMEOUT_S = 30.0


def log_of(server: Server, name: str) -> str:
    """The whole log of a function, a line each record; empty if there is none yet."""
    logs = server.logs_client()
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
    try:
        messages = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return ""
    return "".join(message.rstrip("\n") + "\n" for message in messages)


def wait_for_log(server: Server, name: str, *texts: str, count: int = 1) -> str:
    """Wait until a function's log has all of these, so often; the log."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not all((found := log_of(server, name)).count(text) >= count for text in texts):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
