"""Logs Insights queries over events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.services.logs.insights import Counts, check, run
from lambd.services.logs.insights_fields import InsightsEvent
from lambd.services.logs.insights_syntax import MalformedQueryError, parse_query

NOW = 1_795_491_805_000
ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95".replace("xmpl", "4a4a")
MESSAGES = (
    f"START RequestId: {ID} Version: $LATEST\n",
    '{"level":"ERROR","code":503,"user":{"name":"Ada","tags":["a","b"]},"ok":false}\n',
    '{"level":"INFO","code":20,"user":{"name":"Bob"}}\n',
    "user=carol, method: GET, latency := 12\n",
    (
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
    ),
)


def events(*messages: str) -> list[InsightsEvent]:
    """Events a minute apart, the newest first."""
    made = [
        InsightsEvent(number, "1:group", "s", NOW + number * 60_000, NOW, message)
        for number, message in enumerate(messages)
    ]
    return made[::-1]


def ask(query: str, *messages: str, limit: int | None = None) -> list[dict[str, str]]:
    """The rows of a query, without `@ptr`."""
    rows = run(parse_query(query), events(*(messages or MESSAGES)), limit, Counts())
    return [{name: value for name, value in row if name != "@ptr"} for row in rows]


def test_rows_have_time_and_message_newest_first() -> None:
    """And a pointer."""
    rows = list(run((), events("a\n", "b"), None, Counts()))

    assert rows == [
        [("@timestamp", "2026-11-24 03:44:25.000"), ("@message", "b"), ("@ptr", "1")],
        [("@timestamp", "2026-11-24 03:43:25.000"), ("@message", "a"), ("@ptr", "0")],
    ]


def test_lambdas_lines_have_fields() -> None:
    """Sizes in bytes."""
    (report,) = ask(
        'filter @type = "REPORT" | display @requestId, @duration, @billedDuration, @memorySize, '
        "@maxMemoryUsed, @initDuration"
    )

    assert report == {
        "@requestId": ID,
        "@duration": "3.01",
        "@billedDuration": "4",
        "@memorySize": "128000000",
        "@maxMemoryUsed": "36000000",
        "@initDuration": "110.1",
    }


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('level = "ERROR"', ["Ada"]),
        ("level = 'ERROR' or level in ['INFO', 'x']", ["Bob", "Ada"]),
        ("code > 100", ["Ada"]),
        ("code >= 20 and code < 503", ["Bob"]),
        ("code != 503 and ispresent(code)", ["Bob"]),
        ("not (level like /ERR/) and ispresent(level)", ["Bob"]),
        ('@message like "Ada"', ["Ada"]),
        ("@message like /(?i)ada/", ["Ada"]),
        ("@message =~ /A.a/", ["Ada"]),
        ('level not like "INFO" and ispresent(level)', ["Ada"]),
        ("user.tags.1 = 'b'", ["Ada"]),
        ("`user.name` = 'Bob'", ["Bob"]),
        ("code / 2 + 1 = 11", ["Bob"]),
        ("ok = 0", ["Ada"]),
        ("strlen(user.name) = 3 and tolower(level) = 'info'", ["Bob"]),
    ],
)
def test_filters(condition: str, found: list[str]) -> None:
    """Comparisons, texts, expressions."""
    rows = ask(f"fields user.name | filter {condition}")

    assert [row["user.name"] for row in rows] == found


def test_columns_have_names() -> None:
    """Their own, or those that are given."""
    (row,) = ask('filter code = 503 | fields level, code * 2, concat(level, "!") as loud')

    assert row == {"level": "ERROR", "code * 2": "1006", "loud": "ERROR!"}


def test_sorting_and_limits() -> None:
    """Numbers by value; what is missing comes first."""
    numbers = [f'{{"n":{number}}}' for number in (9, 10, 2)]

    assert ask("fields n | sort n asc", *numbers, "x") == [{}, {"n": "2"}, {"n": "9"}, {"n": "10"}]
    assert ask("fields n | sort n desc | limit 1", *numbers) == [{"n": "10"}]
    assert ask("fields n", *numbers, limit=1) == [{"n": "2"}]


@pytest.mark.parametrize(
    "parse",
    [
        'parse @message "user=*, method: *, latency := *" as who, how, ms',
        'parse "user=*, method: *, latency := *" as who, how, ms',
        r"parse @message /user=(?<who>\w+), method: (?<how>\w+), latency := (?<ms>\d+)/",
    ],
)
def test_parsing(parse: str) -> None:
    """Globs and regular expressions."""
    (row,) = ask(f"{parse} | filter ms > 9 | display who, how, ms")

    assert row == {"who": "carol", "how": "GET", "ms": "12"}


def test_aggregates_of_everything() -> None:
    """One row, even of nothing."""
    numbers = [f'{{"n":{number}}}' for number in (1, 2, 3, 10)]
    query = (
        "stats count(*), count(n) as c, sum(n), avg(n), min(n), max(n), pct(n, 50), "
        "max(n) - min(n) as spread, count_distinct(n), earliest(n), latest(n)"
    )

    assert ask(query, *numbers) == [
        {
            "count(*)": "4",
            "c": "4",
            "sum(n)": "16",
            "avg(n)": "4",
            "min(n)": "1",
            "max(n)": "10",
            "pct(n, 50)": "2",
            "spread": "9",
            "count_distinct(n)": "4",
            "earliest(n)": "1",
            "latest(n)": "10",
        }
    ]
    assert ask("filter n > 99 | stats count(*) as c", *numbers) == [{"c": "0"}]


def test_aggregates_by_time_and_field() -> None:
    """Periods begin at whole ones."""
    lines = ['{"l":"a"}', '{"l":"b"}', '{"l":"a"}', '{"l":"a"}']

    rows = ask("stats count(*) as c by bin(2m) as at, l | sort at asc, l asc", *lines)

    assert rows == [
        {"at": "2026-11-24 03:42:00.000", "l": "a", "c": "1"},
        {"at": "2026-11-24 03:44:00.000", "l": "a", "c": "1"},
        {"at": "2026-11-24 03:44:00.000", "l": "b", "c": "1"},
        {"at": "2026-11-24 03:46:00.000", "l": "a", "c": "1"},
    ]
    assert "bin(2m)" in ask("stats count(*) by bin(2m)", *lines)[0]


def test_doubles_go() -> None:
    """The newest stays."""
    assert ask("fields l, n | dedup l", '{"l":1,"n":1}', '{"l":1,"n":2}') == [{"l": "1", "n": "2"}]


def test_comments_are_left_out() -> None:
    """Lines that begin with a number sign."""
    assert len(ask("# all\nfields @message\n| limit 2\n# end")) == 2


def test_counts_tell_what_was_looked_at() -> None:
    """Matched is what the last filter let pass."""
    counts = Counts()
    rows = list(run(parse_query("filter code > 0 | limit 1"), events(*MESSAGES), None, counts))
    assert len(rows) == 1

    everything = Counts()
    list(run(parse_query("filter code > 0"), events(*MESSAGES), None, everything))
    assert (everything.matched, everything.scanned) == (2, 5)
    assert everything.scanned_bytes == sum(len(message) for message in MESSAGES)


@pytest.mark.parametrize(
    "query",
    [
        "fields",
        "nonsense @message",
        "filter",
        "filter a =",
        "filter a = 'x",
        "filter (a = 1",
        "filter a like /(/",
        "filter a like b",
        "filter nosuch(a) = 1",
        "filter strlen(a, b) = 1",
        "filter avg(a) = 1",
        "stats a",
        "stats nosuch(a)",
        "stats count(*) by bin(x)",
        "stats count(*) by bin(0s)",
        "sort",
        "limit x",
        "limit 1.5",
        'parse @message "a *"',
        'parse @message "a * *" as b',
        "filter " + "(" * 1000 + "a",
        "filter " + "not " * 1000 + "a",
        "fields a b",
    ],
)
def test_malformed_queries_are_refused(query: str) -> None:
    """Before anything runs."""
    with pytest.raises(MalformedQueryError):
        check(parse_query(query))


@given(st.text(alphabet="fields tr|@ab()=<>'\"/\\*,.1-[]`#\n", max_size=40))
def test_no_query_does_harm(text: str) -> None:
    """It is understood or refused, and then it runs."""
    try:
        commands = parse_query(text)
        check(commands)
    except MalformedQueryError:
        return

    assert len(list(run(commands, events(*MESSAGES), None, Counts()))) <= 5
