"""Logs Insights queries in processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lambd.model.errors import NotFoundError, QuotaExceededError
from lambd.services.logs import query_runs
from lambd.services.logs.query_process import QueryTask, answer
from lambd.services.logs.query_runs import QueryRun, QueryRuns, QueryStatus
from lambd.services.logs.store import LogStore

GROUP = "/aws/lambda/hello"
# A regular expression that never comes to its end on the message.
ENDLESS = "filter @message like /(a+)+$/"


@pytest.fixture
async def task(tmp_path: Path) -> QueryTask:
    """What to ask a file with some events of two groups."""
    store = LogStore(tmp_path / "logs.db", 10_000_000)
    await store.open()
    store.append(GROUP, "s", [(time, f"event {time}\n") for time in range(1000, 1010)])
    store.append("other", "s", [(1000, "other\n")])
    store.append("endless", "s", [(1000, f"{'a' * 200}!")])
    await store.close()
    return QueryTask(
        path=str(tmp_path / "logs.db"),
        account_id="000000000000",
        groups=[GROUP],
        start_ms=1002,
        end_ms=1005,
        query="fields @message | limit 3",
        limit=None,
    )


@asynccontextmanager
async def working(runs: QueryRuns) -> AsyncIterator[None]:
    """Queries are answered inside."""
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(runs.run())
        yield
        loop.cancel()


async def ended(run: QueryRun) -> QueryRun:
    """Wait until nothing more will come of a query."""
    async with asyncio.timeout(15):
        while not run.has_ended:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    return run


def test_events_of_the_groups_and_the_time_are_asked(task: QueryTask) -> None:
    """The newest first; pointers and groups are shown."""
    found = answer(replace(task, query="fields @message, @log", groups=[GROUP, "absent"]))

    assert [dict(row)["@message"] for row in found.rows] == [
        f"event {time}" for time in (1005, 1004, 1003, 1002)
    ]
    assert dict(found.rows[0])["@log"] == f"000000000000:{GROUP}"
    assert (found.matched, found.scanned) == (4, 4)
    both = answer(replace(task, groups=[GROUP, "other"], start_ms=0, limit=1))
    assert len(both.rows) == 1


async def test_query_runs_in_a_process(task: QueryTask) -> None:
    """And is remembered with its answer."""
    runs = QueryRuns()
    async with working(runs):
        run = runs.start(task, 7)
        assert not run.has_ended
        run = await ended(run)

    assert run.status is QueryStatus.COMPLETE
    assert [dict(row)["@message"] for row in run.answer.rows] == [
        "event 1005",
        "event 1004",
        "event 1003",
    ]
    assert runs.find(run.id) is run
    assert not runs.stop(run.id)
    with pytest.raises(NotFoundError):
        runs.find("x")


async def test_query_that_never_ends_can_be_stopped(task: QueryTask) -> None:
    """With its process; the next one runs."""
    runs = QueryRuns()
    async with working(runs):
        endless = replace(task, groups=["endless"], start_ms=0, query=ENDLESS)
        run = runs.start(endless, 7)
        async with asyncio.timeout(15):
            while run.process is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        process = run.process
        assert process is not None
        assert runs.stop(run.id)
        await process.wait()
        next_one = await ended(runs.start(task, 8))

    assert run.status is QueryStatus.CANCELLED
    assert next_one.status is QueryStatus.COMPLETE


async def test_query_that_never_ends_is_ended(
    task: QueryTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while."""
    monkeypatch.setattr(query_runs, "TIMEOUT_S", 0.3)
    runs = QueryRuns()
    async with working(runs):
        endless = replace(task, groups=["endless"], start_ms=0, query=ENDLESS)
        run = await ended(runs.start(endless, 7))

    assert run.status is QueryStatus.TIMEOUT
    assert run.process is None


async def test_query_that_fails_is_told(task: QueryTask) -> None:
    """A file that is not there, say."""
    runs = QueryRuns()
    async with working(runs):
        run = await ended(runs.start(replace(task, path="/nowhere/logs.db"), 7))

    assert run.status is QueryStatus.FAILED


async def test_fault_of_ours_fails_one_query(
    task: QueryTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process can be had, say; the next one is answered."""
    runs = QueryRuns()
    async with working(runs):
        with monkeypatch.context() as patched:
            patched.setattr("sys.executable", "/nowhere/python")
            run = await ended(runs.start(task, 7))
        next_one = await ended(runs.start(task, 8))

    assert run.status is QueryStatus.FAILED
    assert next_one.status is QueryStatus.COMPLETE


async def test_so_many_queries_wait_and_so_many_are_kept(task: QueryTask) -> None:
    """Those that have ended make room."""
    runs = QueryRuns()
    for number in range(30):
        runs.start(task, number)
    with pytest.raises(QuotaExceededError):
        runs.start(task, 30)
    for run in runs.all():
        runs.stop(run.id)
    assert len(runs.all()) == 30
    assert {run.status for run in runs.all()} == {QueryStatus.CANCELLED}
