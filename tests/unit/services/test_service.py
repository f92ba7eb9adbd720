"""A request for a service: judged, and handed on with its surroundings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from lambd.access import principals
from lambd.access.authority import Authority
from lambd.control.context import ControlContext
from lambd.http.messages import Peer, Request
from lambd.model.arns import Scope
from lambd.model.errors import (
    AccessDeniedError,
    ConstraintViolationError,
    PlatformError,
    UnimplementedOperationError,
)
from lambd.model.function_controls import FunctionControls
from lambd.model.limits import Limits
from lambd.model.policies import Principal
from lambd.services.logs.errors import error_table
from lambd.services.service import Service
from lambd.store.controls_cache import ControlsCache

SCOPE = Scope(account_id="000000000000", region="us-east-1")
ROOT = principals.root_of(SCOPE)


class Rules:
    """A catalogue that refuses nothing."""

    def refusal(self, identifier: str, today: date) -> str | None:
        """No objection."""


class Gate(Authority):
    """Every request comes from whom the test says."""

    def __init__(self, principal: Principal) -> None:
        super().__init__(SCOPE, ControlsCache(_no_settings))
        self._caller = principal

    def authenticate(self, request: Request) -> Principal:
        """Whom the test says."""
        return self._caller


async def _no_settings(_: str) -> FunctionControls | None:
    return None


def contexts(principal: Principal) -> ControlContext:
    """The surroundings of a request."""
    return ControlContext(
        principal=principal,
        scope=SCOPE,
        limits=Limits(),
        runtimes=Rules(),
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )


class Groups:
    """Answers one operation, and remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[Principal, dict[str, Any]]] = []
        self.service = Service(
            errors=error_table(),
            contexts=contexts,
            handlers={"DescribeLogGroups": self._describe},
        )

    async def _describe(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((context.principal, dict(params)))
        return {"logGroups": []}


async def call(
    groups: Groups, operation: str, body: dict[str, object], principal: Principal
) -> object:
    """The body of the reply."""
    request = Request("POST", "/", "", {}, json.dumps(body).encode(), Peer("127.0.0.1"))
    model = groups.service.model
    response = await groups.service.call(model.operations[operation], {}, request, Gate(principal))
    return json.loads(response.body)


async def test_a_handler_gets_who_asks_and_what() -> None:
    """Decoded and validated."""
    groups = Groups()
    assert await call(groups, "DescribeLogGroups", {"limit": 5}, ROOT) == {"logGroups": []}
    assert groups.asked == [(ROOT, {"limit": 5})]


@pytest.mark.parametrize(
    ("operation", "body", "principal", "error"),
    [
        pytest.param("DescribeLogGroups", {}, principals.ANYONE, AccessDeniedError, id="denied"),
        pytest.param("DescribeLogGroups", {"limit": 0}, ROOT, ConstraintViolationError, id="bad"),
        pytest.param(
            "DescribeQueries", {}, ROOT, UnimplementedOperationError, id="without a handler"
        ),
    ],
)
async def test_no_handler_sees_what_is_refused(
    operation: str, body: dict[str, object], principal: Principal, error: type[PlatformError]
) -> None:
    """Whoever asks, and for what."""
    groups = Groups()
    with pytest.raises(error):
        await call(groups, operation, body, principal)
    assert groups.asked == []
