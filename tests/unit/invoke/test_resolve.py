"""From a qualifier to the version that runs: weights, and a cache that is never stale."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from lambd.invoke.resolve import VersionCache
from lambd.model.aliases import Route
from lambd.model.arns import Scope
from lambd.model.errors import NotFoundError
from lambd.model.functions import Code, Deployment, FunctionConfig, FunctionVersion, State
from lambd.store.database import FunctionChanged

SCOPE = Scope(account_id="123456789012", region="eu-west-1")
DRAWS = 3000


def version(number: str) -> FunctionVersion:
    """A version of `f` that serves."""
    deployment = Deployment(
        id=f"deployment-{number}",
        config=FunctionConfig(role="r"),
        code=Code(sha256="00" * 32, size_bytes=1),
    )
    return FunctionVersion(
        name="f",
        version=number,
        deployment=deployment,
        serving=deployment,
        revision_id="r",
        last_modified=datetime(2026, 11, 24, tzinfo=UTC),
        state=State.ACTIVE,
    )


def seeded(seed: int) -> Random:
    """Chance that repeats itself."""
    return Random(seed)


class Store:
    """Routes by qualifier, and the reads that came; they wait while `gate` is closed."""

    def __init__(self, **routes: Route) -> None:
        self.routes = routes
        self.reads: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, name: str, qualifier: str) -> Route | None:
        """Take what is there now, and answer once the gate is open."""
        self.reads.append((name, qualifier))
        found = self.routes.get(qualifier.strip("$"))
        await self.gate.wait()
        return found


def weighted(weight: float) -> Route:
    """Version 1, and version 2 with a weight."""
    return Route(version=version("1"), additional=version("2"), additional_weight=weight)


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5, 0.9])
async def test_versions_are_drawn_by_weight(weight: float) -> None:
    """Within six standard deviations of the binomial distribution, for several seeds."""
    bound = 6 * (DRAWS * weight * (1 - weight)) ** 0.5
    for seed in range(3):
        cache = VersionCache(Store(live=weighted(weight)).read, SCOPE, seeded(seed))
        drawn = Counter([(await cache.choose("f", "live")).version for _ in range(DRAWS)])
        assert drawn["1"] + drawn["2"] == DRAWS
        assert abs(drawn["2"] - DRAWS * weight) <= bound


@pytest.mark.parametrize(
    ("weight", "expected"),
    [pytest.param(0.0, "1", id="never"), pytest.param(1.0, "2", id="always")],
)
async def test_the_ends_of_the_scale_are_certain(weight: float, expected: str) -> None:
    """Weight 0 never runs the additional version, weight 1 always."""
    cache = VersionCache(Store(live=weighted(weight)).read, SCOPE, seeded(1))
    assert {(await cache.choose("f", "live")).version for _ in range(1000)} == {expected}


async def test_the_warm_path_reads_nothing() -> None:
    """One read by qualifier, then the cache answers, drawing anew each time."""
    store = Store(live=weighted(0.5), LATEST=Route(version=version("$LATEST")))
    cache = VersionCache(store.read, SCOPE, seeded(1))
    assert cache.choose_nowait("f", "live") is None
    for _ in range(20):
        await cache.choose("f", "live")
        await cache.choose("f", None)
    assert store.reads == [("f", "live"), ("f", "$LATEST")]
    drawn = [cache.choose_nowait("f", "live") for _ in range(100)]
    assert {each.version for each in drawn if each is not None} == {"1", "2"}
    assert len(store.reads) == 2


async def test_a_change_of_the_function_makes_it_read_again() -> None:
    """Of that function only."""
    store = Store(live=Route(version=version("1")))
    cache = VersionCache(store.read, SCOPE)
    await cache.choose("f", "live")
    cache.note(FunctionChanged(name="g"))
    cache.note("something else")
    assert cache.choose_nowait("f", "live") is not None
    store.routes["live"] = Route(version=version("2"))
    cache.note(FunctionChanged(name="f"))
    assert cache.choose_nowait("f", "live") is None
    assert (await cache.choose("f", "live")).version == "2"


async def test_a_read_that_a_change_overtook_is_not_kept() -> None:
    """Its caller gets what it asked for at the time; the next one reads again."""
    store = Store(live=Route(version=version("1")))
    cache = VersionCache(store.read, SCOPE)
    store.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(cache.choose("f", "live"))
        await asyncio.sleep(0)
        store.routes["live"] = Route(version=version("2"))
        cache.note(FunctionChanged(name="f"))
        late = tasks.create_task(cache.choose("f", "live"))
        await asyncio.sleep(0)
        store.gate.set()
    assert (early.result().version, late.result().version) == ("1", "2")
    kept = cache.choose_nowait("f", "live")
    assert kept is not None
    assert kept.version == "2"


async def test_what_is_not_there_is_asked_for_each_time() -> None:
    """With AWS's text; unqualified, the ARN ends in `$LATEST`."""
    store = Store()
    cache = VersionCache(store.read, SCOPE)
    for qualifier, shown in ((None, "$LATEST"), ("live", "live"), ("7", "7")):
        with pytest.raises(NotFoundError) as raised:
            await cache.choose("f", qualifier)
        assert raised.value.message == (
            f"Function not found: arn:aws:lambda:eu-west-1:123456789012:function:f:{shown}"
        )
    assert len(store.reads) == 3
    store.routes["live"] = Route(version=version("1"))
    assert (await cache.choose("f", "live")).version == "1"
