"""The log store on a real file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy

from lambd.model.errors import InvalidParameterError, NotFoundError, UnavailableError
from lambd.services.logs import store as log_events
from lambd.services.logs.patterns import parse
from lambd.services.logs.queries import EventQuery, FilterQuery, StreamQuery
from lambd.services.logs.store import LogStore

GROUP, STREAM = "/aws/lambda/hello", "2026/11/24/[$LATEST]a"
ALL = FilterQuery(matcher=parse(""))
LIMIT_BYTES = 1_000_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LogStore]:
    """An open store without its writer loop: queries flush."""
    opened = LogStore(tmp_path / "logs.db", LIMIT_BYTES)
    await opened.open()
    yield opened
    await opened.close()


async def messages(store: LogStore, wanted: FilterQuery = ALL, group: str = GROUP) -> list[str]:
    """What a filter finds, on one page."""
    page = await store.filter_events(group, wanted)
    return [event.message for event in page.items]


async def test_queries_see_what_was_appended_before_them(store: LogStore) -> None:
    """No waiting for the writer loop."""
    store.append(GROUP, STREAM, [(1, "a\n"), (2, "b\n")])

    assert await messages(store) == ["a\n", "b\n"]
    store.append(GROUP, STREAM, [(3, "c\0ü\n")])
    assert await messages(store) == ["a\n", "b\n", "c\0ü\n"]


async def test_events_are_ordered_by_time_then_by_arrival(store: LogStore) -> None:
    """Across streams."""
    store.append(GROUP, "s1", [(5, "late"), (1, "first")])
    store.append(GROUP, "s2", [(3, "middle"), (5, "later")])

    assert await messages(store) == ["first", "middle", "late", "later"]


async def test_logs_survive_closing(tmp_path: Path) -> None:
    """Closing writes what is left, and ids go on."""
    for number in range(2):
        store = LogStore(tmp_path / "logs.db", LIMIT_BYTES)
        await store.open()
        store.append(GROUP, STREAM, [(number, f"run {number}")])
        await store.close()
        await store.close()

    store = LogStore(tmp_path / "logs.db", LIMIT_BYTES)
    await store.open()
    page = await store.filter_events(GROUP, ALL)
    await store.close()
    assert [(event.id, event.message) for event in page.items] == [(1, "run 0"), (2, "run 1")]


def count_events(path: Path) -> int:
    """How many events another connection sees."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one())
    finally:
        engine.dispose()


async def wait_for_events(path: Path, number: int) -> None:
    """Wait until a file holds so many events; nothing tells of another connection's commit."""
    async with asyncio.timeout(10):
        while count_events(path) < number:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def test_writer_loop_stores_without_being_asked(tmp_path: Path) -> None:
    """After a moment, or at once with many records; cancelling it writes the rest."""
    path = tmp_path / "logs.db"
    store = LogStore(path, LIMIT_BYTES)
    await store.open()
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(store.run())
        store.append(GROUP, STREAM, [(1, "a")])
        await wait_for_events(path, 1)
        store.append(GROUP, STREAM, [(1, "b")] * log_events.FLUSH_RECORDS)
        await wait_for_events(path, 1 + log_events.FLUSH_RECORDS)
        store.append(GROUP, STREAM, [(1, "c")])
        loop.cancel()
    assert count_events(path) == 2 + log_events.FLUSH_RECORDS
    await store.close()


async def test_oldest_events_go_when_there_are_too_many(tmp_path: Path) -> None:
    """The limit holds, the newest stay, emptied streams go, and sums stay right."""
    store = LogStore(tmp_path / "logs.db", 100_000)
    await store.open()
    for number in range(300):
        store.append(GROUP, f"s{number // 100}", [(number, f"{number:900d}")])
        await store.flush()

    kept = [int(message) for message in await messages(store)]
    described = await store.describe_streams(GROUP, StreamQuery())
    groups = await store.describe_groups()
    await store.close()

    assert 80 <= len(kept) <= 100
    assert kept == list(range(300 - len(kept), 300))
    assert [stream.name for stream in described.items] == ["s2"]
    assert described.items[0].first_ms == kept[0]
    assert described.items[0].stored_bytes == len(kept) * 1000
    assert groups.items[0].stored_bytes == len(kept) * 1000


async def test_stream_that_was_emptied_can_be_written_again(tmp_path: Path) -> None:
    """The writer forgets the ids of streams that are gone."""
    store = LogStore(tmp_path / "logs.db", 10_000)
    await store.open()
    store.append(GROUP, "s1", [(1, "x" * 900)])
    for number in range(20):
        store.append(GROUP, "s2", [(number, "y" * 900)])
        await store.flush()
    store.append(GROUP, "s1", [(99, "again")])

    page = await store.get_events(GROUP, "s1", EventQuery())
    await store.close()
    assert [event.message for event in page.events] == ["again"]


async def test_records_are_dropped_when_writing_cannot_keep_up(tmp_path: Path) -> None:
    """The oldest go first; memory stays bounded although nothing is written."""
    store = LogStore(tmp_path / "logs.db", 1_000_000_000)
    batch = [(1, "x")] * 1000
    for number in range(210):
        store.append(GROUP, f"s{number}", batch)

    await store.open()
    page = await store.describe_streams(GROUP, StreamQuery(limit=50, by_last_event=False))
    counted = await store.filter_events(GROUP, FilterQuery(matcher=parse(""), limit=1))
    await store.close()

    assert "s9" not in {stream.name for stream in page.items}
    assert counted.items[0].stream == "s10"


async def test_groups_are_listed_page_by_page(store: LogStore) -> None:
    """By name, with prefix and infix."""
    for name in ("b", "a/1", "a/2", "a/3"):
        store.append(name, "s", [(1, "x")])

    first = await store.describe_groups(prefix="a/", limit=2)
    second = await store.describe_groups(prefix="a/", limit=2, token=first.next_token)
    infix = await store.describe_groups(infix="/2")

    assert [group.name for group in first.items] == ["a/1", "a/2"]
    assert [group.name for group in second.items] == ["a/3"]
    assert second.next_token is None
    assert [group.name for group in infix.items] == ["a/2"]


@pytest.mark.parametrize(
    ("by_last_event", "is_descending", "expected"),
    [
        (False, False, ["s1", "s2", "s3", "s4"]),
        (False, True, ["s4", "s3", "s2", "s1"]),
        (True, False, ["s3", "s1", "s2", "s4"]),
        (True, True, ["s4", "s2", "s1", "s3"]),
    ],
)
async def test_streams_are_listed_in_both_orders(
    store: LogStore, by_last_event: bool, is_descending: bool, expected: list[str]
) -> None:
    """A page at a time, equal times included."""
    for name, time in (("s1", 5), ("s2", 5), ("s3", 1), ("s4", 9)):
        store.append(GROUP, name, [(time, "x")])

    found: list[str] = []
    token: str | None = None
    while True:
        page = await store.describe_streams(
            GROUP,
            StreamQuery(
                by_last_event=by_last_event, is_descending=is_descending, token=token, limit=1
            ),
        )
        found += [stream.name for stream in page.items]
        token = page.next_token
        if token is None:
            break
    assert found == expected


async def test_stream_is_read_forwards_and_backwards(store: LogStore) -> None:
    """Newest first page by default; tokens go on in both directions and rest at the ends."""
    store.append(GROUP, STREAM, [(time, f"m{time}") for time in range(1, 7)])

    newest = await store.get_events(GROUP, STREAM, EventQuery(limit=2))
    before = await store.get_events(GROUP, STREAM, EventQuery(limit=2, token=newest.backward_token))
    after = await store.get_events(GROUP, STREAM, EventQuery(limit=2, token=before.forward_token))
    nothing = await store.get_events(GROUP, STREAM, EventQuery(limit=2, token=after.forward_token))
    store.append(GROUP, STREAM, [(8, "m8")])
    new = await store.get_events(GROUP, STREAM, EventQuery(token=nothing.forward_token))
    back = await store.get_events(GROUP, STREAM, EventQuery(limit=1, token=nothing.backward_token))

    texts = [[event.message for event in page.events] for page in (newest, before, after)]
    assert texts == [["m5", "m6"], ["m3", "m4"], ["m5", "m6"]]
    assert nothing.events == ()
    assert nothing.forward_token == after.forward_token
    assert [event.message for event in new.events] == ["m8"]
    assert [event.message for event in back.events] == ["m6"]


async def test_time_ranges_are_awss(store: LogStore) -> None:
    """The end is excluded for one stream and included in a filter."""
    store.append(GROUP, STREAM, [(time, f"m{time}") for time in range(1, 6)])

    page = await store.get_events(GROUP, STREAM, EventQuery(start_ms=2, end_ms=4, from_head=True))
    filtered = await messages(store, FilterQuery(matcher=parse(""), start_ms=2, end_ms=4))

    assert [event.message for event in page.events] == ["m2", "m3"]
    assert filtered == ["m2", "m3", "m4"]


async def test_filter_chooses_streams_and_messages(store: LogStore) -> None:
    """By names, by prefix, by pattern."""
    for name in ("a1", "a2", "b1"):
        store.append(GROUP, name, [(1, f"{name} ERROR"), (2, f"{name} fine")])

    by_name = FilterQuery(matcher=parse(""), streams=("a1", "b1"), end_ms=1)
    by_prefix = FilterQuery(matcher=parse("ERROR"), stream_prefix="a")
    assert await messages(store, by_name) == ["a1 ERROR", "b1 ERROR"]
    assert await messages(store, by_prefix) == ["a1 ERROR", "a2 ERROR"]


async def test_filter_pages_hold_a_megabyte(tmp_path: Path) -> None:
    """A page ends early and the token leads to all the rest."""
    store = LogStore(tmp_path / "logs.db", 100 * LIMIT_BYTES)
    await store.open()
    store.append(GROUP, STREAM, [(1, f"{number:300000d}") for number in range(7)])

    found: list[list[int]] = []
    page = await store.filter_events(GROUP, ALL)
    found.append([int(event.message) for event in page.items])
    while page.next_token is not None:
        page = await store.filter_events(
            GROUP, FilterQuery(matcher=parse(""), token=page.next_token)
        )
        found.append([int(event.message) for event in page.items])
    await store.close()

    assert found == [[0, 1, 2, 3], [4, 5, 6]]


async def test_unknown_groups_and_streams_are_not_found(store: LogStore) -> None:
    """With AWS's texts."""
    store.append(GROUP, STREAM, [(1, "x")])

    with pytest.raises(NotFoundError, match=r"^The specified log group does not exist\.$"):
        await store.filter_events("other", ALL)
    with pytest.raises(NotFoundError, match="log group"):
        await store.describe_streams("other", StreamQuery())
    with pytest.raises(NotFoundError, match=r"^The specified log stream does not exist\.$"):
        await store.get_events(GROUP, "other", EventQuery())
    with pytest.raises(NotFoundError, match="log stream"):
        await store.filter_events(GROUP, FilterQuery(matcher=parse(""), streams=(STREAM, "other")))


@pytest.mark.parametrize("token", ["x", "", "WzFd", "WyJhIl0=", "é", "W1tdXQ=="])
async def test_made_up_tokens_are_refused(store: LogStore, token: str) -> None:
    """Whatever they decode to."""
    store.append(GROUP, STREAM, [(1, "x")])

    with pytest.raises(InvalidParameterError):
        await store.filter_events(GROUP, FilterQuery(matcher=parse(""), token=token))
    with pytest.raises(InvalidParameterError):
        await store.get_events(GROUP, STREAM, EventQuery(token=token))


async def test_file_of_another_release_is_left_alone(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "logs.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 7")
    engine.dispose()

    with pytest.raises(UnavailableError, match="move it away"):
        await LogStore(path, LIMIT_BYTES).open()


async def test_full_disk_loses_records_and_nothing_else(
    store: LogStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A write that fails is logged with its count; the next one works."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/logs.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    store.append(GROUP, STREAM, [(1, "lost"), (2, "lost")])
    await store.flush()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    engine.dispose()
    store.append(GROUP, STREAM, [(3, "kept")])

    assert await messages(store) == ["kept"]
    output = capsys.readouterr()
    assert "function_logs_lost" in output.out + output.err


# Appends a line, and says so once it is durable; then waits to be killed.
WRITER = """
import asyncio, sys
from pathlib import Path

from lambd.services.logs.store import LogStore


async def main(path):
    store = LogStore(Path(path), 1_000_000)
    await store.open()
    asyncio.get_running_loop().create_task(store.run())
    number = 0
    while True:
        number += 1
        durable = asyncio.Event()
        store.append("g", "s", [(number, f"line {number}")])
        store.when_durable(durable.set)
        await durable.wait()
        print(number, flush=True)


asyncio.run(main(sys.argv[1]))
"""


async def test_what_is_said_to_be_durable_survives_kill_9(tmp_path: Path) -> None:
    """Every line of it, without a query or a close that would have stored it."""
    path = tmp_path / "logs.db"
    command = [sys.executable, "-c", WRITER, str(path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    told = [int(await process.stdout.readline()) for _ in range(5)]
    process.kill()
    told += [int(line) for line in (await process.stdout.read()).splitlines()]
    await process.wait()
    store = LogStore(path, LIMIT_BYTES)
    await store.open()
    kept = await messages(store, group="g")
    assert kept[: len(told)] == [f"line {number}" for number in told]
    await store.close()
