"""Requests to function URLs, from the door to the pipeline, and who may send them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.unit.frontend.door_world import SCOPE, URL_HOST, FakeConnection

from lambd.access.authority import Authority
from lambd.frontend.hosts import Hosts
from lambd.http.exchanges import Exchange
from lambd.http.messages import Request, Response
from lambd.invoke.pipeline import InvokedCallback, InvokePipeline
from lambd.model.function_controls import FunctionControls, FunctionUrl, UrlAuthType
from lambd.model.invocations import InvocationRequest, InvocationResult
from lambd.model.policies import Policy, parse_document
from lambd.store.controls_cache import ControlsCache
from lambd.store.database import FunctionChanged
from lambd.urls.access import UrlAccess
from lambd.urls.serve import FunctionUrls

NOW = datetime(2026, 1, 2, tzinfo=UTC)
URL = FunctionUrl(
    id="a" * 32,
    function_name="f",
    qualifier="$LATEST",
    auth_type=UrlAuthType.NONE,
    invoke_mode=None,
    cors=None,
    created_at=NOW,
    last_modified=NOW,
)


def policy(**condition: dict[str, str]) -> Policy:
    """A policy by which anyone may call the URL; under a condition more."""
    return parse_document(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": f"lambda:{action}",
                    "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
                    "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}, **condition},
                }
                for action in ("InvokeFunctionUrl", "InvokeFunction")
            ],
        }
    )


class FakePipeline:
    """Answers each invocation with its event's body."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def start(self, request: InvocationRequest, invoked: InvokedCallback) -> None:
        """Answer at once."""
        self.events.append(json.loads(request.payload))
        invoked(InvocationResult(payload=b'{"ok": true}', executed_version="1"))


class World:
    """A function with a URL, as the test sets them."""

    def __init__(self, url: FunctionUrl | None = URL, policies: Policy | None = None) -> None:
        self.url = url
        self.settings = FunctionControls(policies={"$LATEST": policies or policy()})
        self.reads = 0
        self.pipeline = FakePipeline()
        self.hosts = Hosts(url_domain="localhost")
        cache = ControlsCache(self._read_controls)
        self.urls = FunctionUrls(
            read=self._read_url,
            access=UrlAccess(
                authority=Authority(SCOPE, cache), controls=cache, scope=SCOPE, keys={}
            ),
            pipeline=cast("InvokePipeline", self.pipeline),
            max_body_bytes=100,
        )
        self._cache = cache

    async def _read_url(self, url_id: str) -> FunctionUrl | None:
        self.reads += 1
        return self.url if self.url is not None and self.url.id == url_id else None

    async def _read_controls(self, name: str) -> FunctionControls | None:
        del name
        return self.settings

    def change(self) -> None:
        """Tell that the function has changed."""
        for note in (self.urls.note, self._cache.note):
            note(FunctionChanged(name="f"))

    def ask_nowait(self, body: bytes = b"") -> tuple[Any, FakeConnection]:
        """Send a request; what there is to wait for, and where the answer comes."""
        connection = FakeConnection()
        request = Request("POST", "/", "", {"host": URL_HOST}, body)
        exchange = Exchange(request, connection, body_exceeded=False)
        return self.urls.serve(exchange, self.hosts.find(URL_HOST), "r"), connection

    async def ask(self, body: bytes = b"") -> Response:
        """The answer to a request."""
        waiting, connection = self.ask_nowait(body)
        if waiting is not None:
            await waiting
        (response,) = connection.sent
        return response


async def test_a_url_in_memory_is_served_without_waiting() -> None:
    """The second request meets what the first one has read."""
    world = World()
    assert (await world.ask()).status == 200
    waiting, connection = world.ask_nowait()
    assert waiting is None
    assert [response.body for response in connection.sent] == [b'{"ok":true}']
    assert world.reads == 1
    assert len(world.pipeline.events) == 2


async def test_a_url_that_is_not_there_is_forbidden() -> None:
    """Without a reason."""
    response = await World(url=None).ask()
    assert (response.status, response.body) == (403, b'{"Message":null}')


async def test_a_change_of_the_policy_counts_at_once() -> None:
    """However often the URL was open before."""
    world = World()
    for _ in range(3):
        assert (await world.ask()).status == 200
    world.settings = FunctionControls()
    world.change()
    response = await world.ask()
    assert response.status == 403
    assert b"urls-auth" in response.body


async def test_a_change_of_the_url_counts_at_once() -> None:
    """A URL that is not open any more refuses who does not sign."""
    world = World()
    assert (await world.ask()).status == 200
    world.url = replace(URL, auth_type=UrlAuthType.AWS_IAM)
    world.change()
    assert (await world.ask()).status == 403


@pytest.mark.parametrize(
    ("pattern", "statuses"), [("*", [200, 200]), ("browser", [403, 403])], ids=["any", "one"]
)
async def test_conditions_on_requests_are_judged_each_time(
    pattern: str, statuses: list[int]
) -> None:
    """Here one on the client's name, which the requests do not tell."""
    world = World(policies=policy(StringLike={"aws:UserAgent": pattern}))
    assert [(await world.ask()).status for _ in range(2)] == statuses
    assert not world.urls._access._open


async def test_a_body_over_its_limit_is_refused() -> None:
    """Before the function hears of it."""
    world = World()
    assert (await world.ask(b"x" * 101)).status == 413
    assert not world.pipeline.events
