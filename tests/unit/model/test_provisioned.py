"""How provisioned environments are shared out between the versions of an alias."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis.strategies import floats, integers

from lambd.model.aliases import Route
from lambd.model.functions import Code, Deployment, FunctionConfig, FunctionVersion, State
from lambd.model.provisioned import split

_DEPLOYMENT = Deployment(
    id="d", config=FunctionConfig(role="r"), code=Code(sha256="00", size_bytes=1)
)
FIRST = FunctionVersion(
    name="f",
    version="1",
    deployment=_DEPLOYMENT,
    serving=_DEPLOYMENT,
    revision_id="r",
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    state=State.ACTIVE,
)
SECOND = replace(FIRST, version="2")


def shares(requested: int, weight: float) -> dict[str, int]:
    """Environments by version."""
    route = Route(version=FIRST, additional=SECOND, additional_weight=weight)
    return {share.version.version: share.environments for share in split(requested, route)}


def test_one_version_has_them_all() -> None:
    """Without a second version, or when one of the two gets no invocations."""
    (share,) = split(3, Route(version=FIRST))
    assert (share.version, share.environments) == (FIRST, 3)
    assert shares(3, 0.0) == {"1": 3}
    assert shares(3, 1.0) == {"2": 3}


def test_shares_follow_the_weights() -> None:
    """And a small weight has an environment as well, when there are two."""
    assert shares(10, 0.3) == {"1": 7, "2": 3}
    assert shares(10, 0.01) == {"1": 9, "2": 1}
    assert shares(10, 0.99) == {"1": 1, "2": 9}
    assert shares(1, 0.3) == {"1": 1}


@given(requested=integers(1, 3000), weight=floats(0, 1))
def test_nothing_is_lost(requested: int, weight: float) -> None:
    """The shares add up, none is empty, and each is near its weight."""
    found = shares(requested, weight)
    assert sum(found.values()) == requested
    assert all(found.values())
    assert abs(found.get("2", 0) - requested * weight) <= 1
