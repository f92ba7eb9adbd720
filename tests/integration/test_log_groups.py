"""Log groups that users make and set, in the log store's file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    QuotaExceededError,
    TooManyTagsError,
)
from lambd.services.logs import store as log_events
from lambd.services.logs.patterns import parse
from lambd.services.logs.put_rules import DAY_MS, InputEvent
from lambd.services.logs.queries import FilterQuery, StreamQuery
from lambd.services.logs.store import LogStore
from lambd.services.logs.subscriptions import Delivery, Subscription

GROUP, STREAM = "/my/group", "stream"
NOW = 1_795_491_805_000
# The tables of version 1, as that release made them.
VERSION_1 = """
CREATE TABLE groups (
    id INTEGER NOT NULL, name TEXT NOT NULL, created_ms INTEGER NOT NULL,
    PRIMARY KEY (id), UNIQUE (name)
);
CREATE TABLE streams (
    id INTEGER NOT NULL, group_id INTEGER NOT NULL, name TEXT NOT NULL,
    created_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    ingested_ms INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
    PRIMARY KEY (id), UNIQUE (group_id, name), FOREIGN KEY(group_id) REFERENCES groups (id)
);
CREATE TABLE events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL,
    stream_id INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, ingested_ms INTEGER NOT NULL,
    message TEXT NOT NULL, stored_bytes INTEGER NOT NULL
);
CREATE INDEX events_by_group ON events (group_id, timestamp_ms);
CREATE INDEX events_by_stream ON events (stream_id, timestamp_ms);
INSERT INTO groups VALUES (1, '/aws/lambda/old', 5);
INSERT INTO streams VALUES (1, 1, 's', 5, 6, 7, 8, 103);
INSERT INTO events VALUES (1, 1, 1, 6, 8, 'kept', 103);
PRAGMA user_version = 1;
"""


class Clock:
    """Milliseconds that a test moves on."""

    def __init__(self) -> None:
        self.now_ms = NOW

    def __call__(self) -> int:
        """The time."""
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    """The store's."""
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[LogStore]:
    """An open store with an empty group."""
    opened = LogStore(tmp_path / "logs.db", 10_000_000, clock=clock)
    await opened.open()
    await opened.create_group(GROUP, log_class="STANDARD", tags={"a": "1"})
    yield opened
    await opened.close()


async def messages(store: LogStore, group: str = GROUP) -> list[str]:
    """All messages of a group."""
    page = await store.filter_events(group, FilterQuery(matcher=parse("")))
    return [event.message for event in page.items]


async def stream_names(store: LogStore) -> list[str]:
    """Names of the streams of the group."""
    return [stream.name for stream in (await store.describe_streams(GROUP, StreamQuery())).items]


async def test_made_group_is_described(store: LogStore, clock: Clock) -> None:
    """With what was said about it."""
    await store.create_group("rare", log_class="INFREQUENT_ACCESS", tags={})
    await store.set_retention("rare", 7)

    (group,) = (await store.describe_groups(log_class="INFREQUENT_ACCESS")).items
    assert group == ("rare", clock.now_ms, 7, "INFREQUENT_ACCESS", 0)
    assert len((await store.describe_groups()).items) == 2
    await store.set_retention("rare", None)
    assert (await store.describe_groups(prefix="rare")).items[0].retention_days is None


async def test_names_are_taken_once(store: LogStore) -> None:
    """Of groups, and of streams in each."""
    await store.create_stream(GROUP, STREAM)

    with pytest.raises(ConflictError, match="log group already exists"):
        await store.create_group(GROUP, log_class="STANDARD", tags={})
    with pytest.raises(ConflictError, match="log stream already exists"):
        await store.create_stream(GROUP, STREAM)


async def test_function_writes_into_a_group_that_was_made_before(store: LogStore) -> None:
    """Its settings stay."""
    await store.set_retention(GROUP, 30)
    store.append(GROUP, "2026/11/24/fn[1]a", [(NOW, "printed\n")])

    assert await messages(store) == ["printed\n"]
    assert (await store.describe_groups(prefix=GROUP)).items[0].retention_days == 30


async def test_made_stream_stays_without_events(store: LogStore, clock: Clock) -> None:
    """Before the first, and when all are gone; a function's goes with its last event."""
    await store.create_stream(GROUP, STREAM)
    await store.create_stream(GROUP, "never written")
    (stream, _) = (await store.describe_streams(GROUP, StreamQuery(is_descending=True))).items
    assert (stream.first_ms, stream.last_ms, stream.ingested_ms) == (None, None, None)
    await store.put_events(GROUP, STREAM, [InputEvent(NOW, "a")])
    store.append(GROUP, "function's", [(NOW, "b")])
    assert await stream_names(store) == ["function's", "never written", STREAM]

    clock.now_ms += 2 * DAY_MS
    await store.set_retention(GROUP, 1)

    assert await messages(store) == []
    assert await stream_names(store) == ["never written", STREAM]
    by_event = await store.describe_streams(GROUP, StreamQuery(by_last_event=True, limit=1))
    assert by_event.items[0].name == "never written"
    rest = StreamQuery(by_last_event=True, token=by_event.next_token)
    assert [each.name for each in (await store.describe_streams(GROUP, rest)).items] == [STREAM]


async def test_put_events_take_their_place(store: LogStore) -> None:
    """Times and sizes of the stream follow; what is left out is told."""
    await store.create_stream(GROUP, STREAM)
    batch = [InputEvent(NOW - 15 * DAY_MS, "old"), InputEvent(NOW - 1, "a"), InputEvent(NOW, "b")]

    accepted = await store.put_events(GROUP, STREAM, batch)

    assert accepted.rejected == {"tooOldLogEventEndIndex": 1}
    assert await messages(store) == ["a", "b"]
    (stream,) = (await store.describe_streams(GROUP, StreamQuery())).items
    assert (stream.first_ms, stream.last_ms, stream.ingested_ms) == (NOW - 1, NOW, NOW)
    assert (await store.describe_groups(prefix=GROUP)).items[0].stored_bytes == stream.stored_bytes


async def test_old_events_go_by_and_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """The store's own loop removes them, of groups with a retention only."""
    monkeypatch.setattr(log_events, "EXPIRY_INTERVAL_S", 0.01)
    store = LogStore(tmp_path / "logs.db", 10_000_000, clock=clock)
    await store.open()
    store.append("/aws/lambda/kept", "s", [(NOW, "kept")])
    store.append("/aws/lambda/fn", "s", [(NOW, "old"), (NOW + DAY_MS, "newer")])
    await store.set_retention("/aws/lambda/fn", 1)
    assert await messages(store, "/aws/lambda/fn") == ["old", "newer"]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        clock.now_ms += DAY_MS + 1
        # Each look is a query in another thread, so the loop gets its turn.
        while await messages(store, "/aws/lambda/fn") != ["newer"]:
            pass
        running.cancel()

    assert await messages(store, "/aws/lambda/kept") == ["kept"]
    await store.close()


async def test_many_events_expire_in_parts(
    store: LogStore, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """None too many."""
    monkeypatch.setattr("lambd.services.logs.removal._EVENTS_AT_ONCE", 3)
    times = [NOW + number // 2 for number in range(20)]
    store.append(GROUP, "s", [(time, str(time)) for time in times])
    clock.now_ms = NOW + DAY_MS + 7

    await store.set_retention(GROUP, 1)

    assert await messages(store) == [str(time) for time in times if time >= NOW + 7]


async def test_deleted_group_is_gone_with_everything_in_it(store: LogStore) -> None:
    """And starts anew when a function writes again."""
    await store.set_retention(GROUP, 5)
    store.append(GROUP, "s", [(NOW, "a"), (NOW + 1, "b")])
    store.append("other", "s", [(NOW, "c")])

    await store.delete_group(GROUP)

    with pytest.raises(NotFoundError):
        await store.describe_streams(GROUP, StreamQuery())
    assert await messages(store, "other") == ["c"]
    store.append(GROUP, "s", [(NOW, "anew")])
    assert await messages(store) == ["anew"]
    (group,) = (await store.describe_groups(prefix=GROUP)).items
    assert group.retention_days is None
    assert await store.tags_of(GROUP) == {}


async def test_deleted_stream_is_gone_with_its_events(store: LogStore) -> None:
    """Others stay."""
    await store.create_stream(GROUP, STREAM)
    await store.put_events(GROUP, STREAM, [InputEvent(NOW, "a")])
    store.append(GROUP, "s", [(NOW, "b")])

    await store.delete_stream(GROUP, STREAM)

    assert await stream_names(store) == ["s"]
    assert await messages(store) == ["b"]
    with pytest.raises(NotFoundError, match="log stream does not exist"):
        await store.put_events(GROUP, STREAM, [InputEvent(NOW, "a")])


async def test_tags_are_added_and_removed(store: LogStore) -> None:
    """Up to fifty."""
    await store.change_tags(GROUP, added={"b": "2", "c": ""}, removed=())
    await store.change_tags(GROUP, added={}, removed=("a", "absent"))

    assert await store.tags_of(GROUP) == {"b": "2", "c": ""}
    with pytest.raises(TooManyTagsError):
        await store.change_tags(GROUP, added={str(key): "" for key in range(49)}, removed=())
    assert len(await store.tags_of(GROUP)) == 2


async def test_tags_that_a_group_may_not_have_are_refused(store: LogStore) -> None:
    """When it is made as well; then it is not."""
    with pytest.raises(InvalidParameterError, match="reserved"):
        await store.change_tags(GROUP, added={"aws:k": "v"}, removed=())
    with pytest.raises(InvalidParameterError, match="reserved"):
        await store.create_group("tagged", log_class="STANDARD", tags={"aws:k": "v"})
    many = {str(key): "" for key in range(51)}
    with pytest.raises(TooManyTagsError):
        await store.create_group("tagged", log_class="STANDARD", tags=many)
    with pytest.raises(NotFoundError):
        await store.tags_of("tagged")


async def test_unknown_groups_are_not_found(store: LogStore) -> None:
    """Whatever is asked of them."""
    asked = [
        store.delete_group("x"),
        store.create_stream("x", "s"),
        store.delete_stream("x", "s"),
        store.put_events("x", "s", [InputEvent(NOW, "a")]),
        store.set_retention("x", 1),
        store.tags_of("x"),
        store.change_tags("x", added={"a": "b"}, removed=()),
    ]

    for each in asked:
        with pytest.raises(NotFoundError, match="log group does not exist"):
            await each


async def test_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Nothing of it is lost, and it can be written."""
    with sqlite3.connect(tmp_path / "logs.db") as file:
        file.executescript(VERSION_1)
    file.close()
    for _ in range(2):
        store = LogStore(tmp_path / "logs.db", 10_000_000)
        await store.open()
        (group,) = (await store.describe_groups()).items
        assert group == ("/aws/lambda/old", 5, None, "STANDARD", 103)
        assert await messages(store, "/aws/lambda/old") == ["kept"]
        (stream,) = (await store.describe_streams("/aws/lambda/old", StreamQuery())).items
        assert stream == ("s", 5, 6, 7, 8, 103)
        await store.close()
    store = LogStore(tmp_path / "logs.db", 10_000_000)
    await store.open()
    store.append("/aws/lambda/old", "s", [(9, "new")])
    assert await messages(store, "/aws/lambda/old") == ["kept", "new"]
    await store.close()


def subscription(name: str, pattern: str = "") -> Subscription:
    """A subscription filter."""
    return Subscription(name, pattern, "arn:of:a:function", "ByLogStream", NOW)


async def test_subscribers_get_what_their_filters_let_pass(tmp_path: Path) -> None:
    """Of functions' records and of those that are put, with the ids that readers see."""
    taken: list[Delivery] = []
    store = LogStore(tmp_path / "logs.db", 10_000_000, clock=Clock())
    store.on_delivery(taken.append)
    await store.open()
    store.append("other", "s", [(NOW, "ERROR elsewhere")] * 2)
    await store.create_group(GROUP, log_class="STANDARD", tags={})
    await store.create_stream(GROUP, STREAM)
    await store.subscribe(GROUP, subscription("errors", "ERROR"))

    store.append("other", "s", [(NOW, "ERROR elsewhere")])
    store.append(GROUP, "s", [(NOW, "ERROR 1\n"), (NOW, "fine\n"), (NOW, "ERROR 2\n")])
    store.append(GROUP, "s", [(NOW, "fine\n")])
    await store.put_events(GROUP, STREAM, [InputEvent(NOW, "ERROR 3")])
    await store.unsubscribe(GROUP, "errors")
    store.append(GROUP, "s", [(NOW, "ERROR 4\n")])
    found = await store.filter_events(GROUP, FilterQuery(matcher=parse("ERROR")))

    assert [(each.stream, [event.message for event in each.events]) for each in taken] == [
        ("s", ["ERROR 1\n", "ERROR 2\n"]),
        (STREAM, ["ERROR 3"]),
    ]
    assert [each.filter_name for each in taken] == ["errors"] * 2
    ids = [event.id for each in taken for event in each.events]
    assert ids == [event.id for event in found.items][:3]
    await store.close()


async def test_subscriptions_are_kept_and_replaced(store: LogStore) -> None:
    """Two of a group at most."""
    await store.subscribe(GROUP, subscription("b"))
    await store.subscribe(GROUP, subscription("a"))
    await store.subscribe(GROUP, subscription("b", "new")._replace(created_ms=5))

    assert await store.subscriptions(GROUP) == [subscription("a"), subscription("b", "new")]
    with pytest.raises(QuotaExceededError):
        await store.subscribe(GROUP, subscription("c"))
    with pytest.raises(NotFoundError, match="subscription filter does not exist"):
        await store.unsubscribe(GROUP, "c")
    await store.delete_group(GROUP)
    await store.create_group(GROUP, log_class="STANDARD", tags={})
    assert await store.subscriptions(GROUP) == []
