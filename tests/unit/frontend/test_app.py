"""The root of every request: what a handler raises, whenever it does, is answered and logged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from tests.unit.frontend.door_world import (
    INVOKE,
    URL_HOST,
    DoorWorld,
    failing,
    failing_later,
    replying,
)

from lambd.api.operations import Handler
from lambd.model.errors import ConflictError, UnavailableError

CRASH = RuntimeError("a secret of ours")


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(failing(CRASH), id="at-once"),
        pytest.param(failing_later(CRASH), id="later"),
        # No member of the operation's.
        pytest.param(replying({"Nothing": 1}), id="in-the-reply"),
    ],
)
async def test_a_fault_of_ours_is_500_and_logged_with_the_request_id(handler: Handler) -> None:
    """The client reads nothing of what it was."""
    with capture_logs() as logs:
        answer = await DoorWorld({"Invoke": handler}).ask("POST", INVOKE)
    assert (answer.status, answer.error) == (500, "ServiceException")
    assert b"secret" not in answer.body
    (entry,) = logs
    assert entry["request_id"] == answer.headers["x-amzn-requestid"]
    assert (entry["event"], entry["log_level"]) == ("request_crashed", "error")


@pytest.mark.parametrize(
    "make", [failing, failing_later, replying], ids=["at-once", "later", "in-the-reply"]
)
async def test_an_error_reaches_the_client_whenever_it_is_found(
    make: Callable[[ConflictError], Handler],
) -> None:
    """And is no matter for the log."""
    handler = make(ConflictError("Busy."))
    with capture_logs() as logs:
        answer = await DoorWorld({"Invoke": handler}).ask("POST", INVOKE)
    assert (answer.status, answer.error) == (409, "ResourceConflictException")
    assert not logs


async def test_what_the_platform_cannot_do_is_logged() -> None:
    """With the text that the client reads."""
    handler = failing(UnavailableError("The platform is stopping."))
    with capture_logs() as logs:
        answer = await DoorWorld({"Invoke": handler}).ask("POST", INVOKE)
    assert answer.status == 500
    assert [(entry["event"], entry["error"]) for entry in logs] == [
        ("request_failed", "The platform is stopping.")
    ]


def _crash() -> None:
    raise CRASH


async def test_a_fault_behind_a_function_url_is_told_as_text() -> None:
    """With the id, and in no service's protocol."""
    world = DoorWorld()
    world.urls.does = _crash
    with capture_logs() as logs:
        answer = await world.ask("GET", "/", host=URL_HOST)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert [entry["request_id"] for entry in logs] == [answer.headers["x-amzn-requestid"]]


async def test_a_fault_of_an_own_page_is_told_as_text() -> None:
    """As above."""
    world = DoorWorld()
    world.links.does = _crash
    with capture_logs() as logs:
        answer = await world.ask("GET", "/_lambd/code/0")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/plain")
    assert [entry["event"] for entry in logs] == ["request_crashed"]
