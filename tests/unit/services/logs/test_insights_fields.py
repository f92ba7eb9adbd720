"""The fields that Logs Insights finds in an event."""

from __future__ import annotations

import json

import pytest

from lambd.services.logs.insights_fields import InsightsEvent, Value, fields_of

ID = "8f507cfc-4a4a-4697-b07a-ac58fc914c95"


def found_in(message: str) -> dict[str, Value]:
    """The fields that a message has beside those of every event."""
    fields = fields_of(InsightsEvent(1, "1:g", "s", 5, 6, message))
    own = ("@timestamp", "@message", "@ingestionTime", "@logStream", "@log", "@ptr")
    return {name: value for name, value in fields.items() if name not in own}


def test_every_event_has_its_own() -> None:
    """The message without its newline."""
    assert fields_of(InsightsEvent(1, "1:g", "s", 5, 6, "m\n")) == {
        "@timestamp": 5,
        "@message": "m",
        "@ingestionTime": 6,
        "@logStream": "s",
        "@log": "1:g",
        "@ptr": "1",
    }


def test_json_has_paths() -> None:
    """Truth is a number; nothing is nothing."""
    document = {"a": {"b": [1, {"c": "x"}]}, "t": True, "n": None, "f": 1.5}

    assert found_in(json.dumps(document)) == {"a.b.0": 1, "a.b.1.c": "x", "t": 1, "f": 1.5}


@pytest.mark.parametrize("message", ["{", "[1]", '{"a":' * 100_000, "{'a': 1}"])
def test_other_texts_have_none(message: str) -> None:
    """However they begin."""
    assert found_in(message) == {}


def test_json_has_so_many_fields() -> None:
    """Two hundred."""
    assert len(found_in(json.dumps({str(key): key for key in range(1000)}))) == 200


@pytest.mark.parametrize(
    "message",
    [f"2026-11-24T00:00:00.000Z\t{ID}\tINFO\tm", f"[INFO]\t2026-11-24T00:00:00.000Z\t{ID}\tm\n"],
)
def test_lines_of_loggers_have_the_request_id(message: str) -> None:
    """As the runtimes write them."""
    assert found_in(message) == {"@requestId": ID}


def test_start_and_end_have_a_type() -> None:
    """And the request id."""
    assert found_in(f"END RequestId: {ID}\n") == {"@requestId": ID, "@type": "END"}
