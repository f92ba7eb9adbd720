"""The parser of an environment's log pipe."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambd.telemetry.log_frames import LogParser, LogRecord

NOW = 1_795_491_805_000
TYPES = [*range(0x03, 0x1C, 4), *range(0x02, 0x1B, 4)]


def frame(
    message: bytes, kind: int = 0x03, timestamp_ms: int = NOW - 5, length: int | None = None
) -> bytes:
    """A record as AWS's client writes it."""
    stated = len(message) if length is None else length
    header = bytes([0xA5, 0x5A, 0, kind]) + stated.to_bytes(4, "big")
    return header + (timestamp_ms * 1000).to_bytes(8, "big") + message


def parse(data: bytes, max_bytes: int = 256 * 1024) -> list[LogRecord]:
    """All records of a pipe that was written at once and then closed."""
    parser = LogParser(max_bytes)
    return parser.feed(data, NOW) + parser.flush(NOW)


def test_lines_keep_their_newlines() -> None:
    """One record a line; what has no newline waits for it or for the flush."""
    parser = LogParser()

    assert parser.feed(b"one\ntwo\nthr", NOW) == [(NOW, "one\n", None), (NOW, "two\n", None)]
    assert parser.feed(b"ee\n", NOW + 1) == [(NOW + 1, "three\n", None)]
    assert parser.feed(b"four", NOW) == []
    assert parser.flush(NOW + 2) == [(NOW + 2, "four", None)]
    assert parser.flush(NOW + 3) == []


def test_frame_is_one_record_with_its_own_time_and_level() -> None:
    """Newlines inside it do not matter."""
    assert parse(frame(b"a\nb\n", 0x13, NOW - 7)) == [(NOW - 7, "a\nb\n", "WARN")]


@pytest.mark.parametrize(
    ("kind", "level"),
    list(zip(TYPES, [None, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] * 2, strict=True)),
)
def test_every_frame_type_is_known(kind: int, level: str | None) -> None:
    """Text and JSON types carry the same levels."""
    assert parse(frame(b"x", kind)) == [(NOW - 5, "x", level)]


def test_text_and_frames_stay_in_order() -> None:
    """A frame ends the line before it."""
    data = b"before\npart" + frame(b"framed\n", 0x0F) + b"after\n"

    assert [record.message for record in parse(data)] == ["before\n", "part", "framed\n", "after\n"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\xa5", id="lone byte"),
        pytest.param(b"\xa5\x5a\x00\x7f" + b"x" * 20, id="unknown type"),
        pytest.param(b"\xa5\x5a\x01\x03" + b"x" * 20, id="wrong magic"),
        pytest.param(b"\xa5\xa5\xa5Z", id="almost"),
        pytest.param("åZ ¥\n".encode(), id="utf-8 with the byte"),
        pytest.param(b"\xa5\x5a\x00\x03\x00\x00", id="header cut off"),
    ],
)
def test_what_only_resembles_a_frame_is_text(text: bytes) -> None:
    """Nothing of it is lost."""
    messages = [record.message for record in parse(text)]

    assert "".join(messages) == text.decode("utf-8", "replace")


def test_invalid_utf_8_is_replaced() -> None:
    """Lines with any bytes arrive."""
    assert parse(b"a\xffb\n") == [(NOW, "a\ufffdb\n", None)]


def test_long_lines_are_split_between_characters() -> None:
    """No record is longer than a log event may be."""
    records = parse("ää€xy\nq\n".encode(), max_bytes=6)

    assert [record.message for record in records] == ["ää", "€xy\n", "q\n"]


def test_long_frames_are_split_and_keep_time_and_level() -> None:
    """A frame longer than a log event becomes several."""
    records = parse(frame(b"abcdefghij", 0x17), max_bytes=4)

    assert records == [
        (NOW - 5, "abcd", "ERROR"),
        (NOW - 5, "efgh", "ERROR"),
        (NOW - 5, "ij", "ERROR"),
    ]


def test_lying_length_holds_no_more_than_one_event() -> None:
    """Four gigabytes promised: pieces come out as they arrive and a flush ends the frame."""
    parser = LogParser(8)

    assert parser.feed(frame(b"12345678abc", length=2**32 - 1), NOW) == [
        (NOW - 5, "12345678", None)
    ]
    assert parser.flush(NOW) == [(NOW - 5, "abc", None)]
    assert parser.feed(b"text\n", NOW) == [(NOW, "text\n", None)]


@pytest.mark.parametrize(
    "timestamp_ms",
    [0, NOW + 1, NOW - 3_600_001, 2**63 // 1000],
    ids=["epoch", "future", "old", "huge"],
)
def test_implausible_times_are_replaced(timestamp_ms: int) -> None:
    """The clock inside is the host's, so such a time is made up."""
    assert parse(frame(b"x", timestamp_ms=timestamp_ms)) == [(NOW, "x", None)]


PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(str.encode),
    st.sampled_from([b"\xa5", b"\xa5\x5a", b"\xa5\x5a\x00", b"\xa5\x5a\x00\x03", b"\n", b"\n\n"]),
    st.builds(frame, st.binary(max_size=40), st.sampled_from(TYPES)),
    st.builds(frame, st.binary(max_size=9), length=st.integers(0, 60)),
)


@given(pieces=st.lists(PIECES, max_size=12), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_chunks_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    """However the pipe is read, the same records come out."""
    data = b"".join(pieces)
    whole = parse(data, max_bytes=16)
    parser = LogParser(16)
    edges = [0, *sorted(cuts), len(data)]

    cut: list[LogRecord] = []
    for begin, end in itertools.pairwise(edges):
        cut += parser.feed(data[begin:end], NOW)
    cut += parser.flush(NOW)

    assert cut == whole


@given(pieces=st.lists(st.text(max_size=40).map(str.encode), max_size=12))
def test_no_text_is_lost_or_reordered(pieces: list[bytes]) -> None:
    """Text alone comes out as it went in."""
    data = b"".join(piece.replace(b"\0", b"") for piece in pieces)

    assert "".join(record.message for record in parse(data, max_bytes=16)) == data.decode()


@given(messages=st.lists(st.text(min_size=1, max_size=10).map(str.encode), max_size=8))
def test_frames_come_out_whole(messages: list[bytes]) -> None:
    """One record a frame, whatever it holds."""
    data = b"".join(frame(message) for message in messages)

    assert [record.message for record in parse(data)] == [each.decode() for each in messages]
