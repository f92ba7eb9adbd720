"""Take apart what an environment writes to its log pipe: lines of text and framed records, mixed.

Sans-IO. AWS's clients frame a record as type, length, time and message (runtime.md section 7), so
that it may hold newlines; everything else that processes inside write is lines. Both come from
hostile code: nothing here holds more than one log line, and a frame that lies about its length
garbles only the log it is in.
"""

from __future__ import annotations

from typing import NamedTuple

from lambd.model.limits import LOG_LINE_BYTES

# Low bytes of frame types and the levels that they mean: plain text, then JSON.
_LEVELS: dict[int, str | None] = {
    0x03: None,
    0x07: "TRACE",
    0x0B: "DEBUG",
    0x0F: "INFO",
    0x13: "WARN",
    0x17: "ERROR",
    0x1B: "FATAL",
    0x02: None,
    0x06: "TRACE",
    0x0A: "DEBUG",
    0x0E: "INFO",
    0x12: "WARN",
    0x16: "ERROR",
    0x1A: "FATAL",
}
_MAGIC = b"\xa5\x5a\x00"
_HEADER_BYTES = 16
# Clocks inside and outside are the same; a record further off than this is lying.
_MAX_AGE_MS = 3_600_000


class LogRecord(NamedTuple):
    """One event of a function's log; `message` is verbatim, with its newline if it had one."""

    timestamp_ms: int
    message: str
    # Only framed records can have one.
    level: str | None = None


class LogParser:
    """The parser of one environment's pipe; not shared.

    What `feed` returns does not depend on how the bytes were cut into chunks, save for the
    timestamps of text lines, which are those of the chunk that completed them.
    """

    def __init__(self, max_bytes: int = LOG_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        # Bytes not yet returned: the beginning of a line, of a frame's header or of its message.
        self._pending = b""
        # How many of them are known to hold neither a newline nor a frame's beginning: text that
        # comes byte by byte is not searched again and again.
        self._clean_bytes = 0
        # Inside a frame: bytes of its message still to be returned; else 0.
        self._frame_bytes = 0
        self._frame_ms = 0
        self._frame_level: str | None = None

    def feed(self, data: bytes, now_ms: int) -> list[LogRecord]:
        """Take what was read from the pipe; the records that it completes, in order."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        records: list[LogRecord] = []
        position = 0
        while position < len(data):
            if self._frame_bytes:
                after = self._take_frame(data, position, records)
            else:
                after = self._take_text(data, position, now_ms, records)
            if after == position:
                break
            position = after
        self._pending = data[position:]
        return records

    def flush(self, now_ms: int) -> list[LogRecord]:
        """Return what is still incomplete as a record of its own; the next byte starts afresh."""
        pending, self._pending = self._pending, b""
        self._clean_bytes = 0
        is_framed, self._frame_bytes = self._frame_bytes > 0, 0
        if not pending:
            return []
        if is_framed:
            return [LogRecord(self._frame_ms, _decode(pending), self._frame_level)]
        return [LogRecord(now_ms, _decode(pending))]

    def _take_frame(self, data: bytes, position: int, records: list[LogRecord]) -> int:
        """Take the next piece of a frame's message; pieces are as long as a log line may be."""
        wanted = min(self._frame_bytes, self._max_bytes)
        if len(data) - position < wanted:
            return position
        if wanted < self._frame_bytes:
            wanted = _character_end(data, position, wanted)
        message = _decode(data[position : position + wanted])
        records.append(LogRecord(self._frame_ms, message, self._frame_level))
        self._frame_bytes -= wanted
        return position + wanted

    def _take_text(self, data: bytes, position: int, now_ms: int, records: list[LogRecord]) -> int:
        """Take whole lines up to the next frame or to the end, and the frame's header."""
        frame = _find_frame(data, position + self._clean_bytes)
        position = self._take_lines(data, position, frame, now_ms, records)
        if len(data) - frame < _HEADER_BYTES:
            self._clean_bytes = frame - position
            return position
        if position < frame:
            # A frame ends the line before it.
            records.append(LogRecord(now_ms, _decode(data[position:frame])))
        self._clean_bytes = 0
        self._open_frame(data, frame, now_ms)
        return frame + _HEADER_BYTES

    def _take_lines(
        self, data: bytes, position: int, end: int, now_ms: int, records: list[LogRecord]
    ) -> int:
        search_from = position + self._clean_bytes
        while position < end:
            newline = data.find(b"\n", search_from, min(end, position + self._max_bytes))
            if newline >= 0:
                after = newline + 1
            elif end - position >= self._max_bytes:
                after = position + _character_end(data, position, self._max_bytes)
            else:
                break
            records.append(LogRecord(now_ms, _decode(data[position:after])))
            position = search_from = after
        return position

    def _open_frame(self, data: bytes, position: int, now_ms: int) -> None:
        self._frame_level = _LEVELS[data[position + 3]]
        self._frame_bytes = int.from_bytes(data[position + 4 : position + 8], "big")
        timestamp_ms = int.from_bytes(data[position + 8 : position + 16], "big") // 1000
        is_plausible = now_ms - _MAX_AGE_MS <= timestamp_ms <= now_ms
        self._frame_ms = timestamp_ms if is_plausible else now_ms


def _find_frame(data: bytes, position: int) -> int:
    """Where the next frame starts, or may start once more bytes come; `len(data)` if nowhere."""
    found = position
    while (found := data.find(_MAGIC, found)) >= 0:
        if found + 3 == len(data) or data[found + 3] in _LEVELS:
            return found
        found += 1
    for length in (2, 1):
        if len(data) - length >= position and data.endswith(_MAGIC[:length]):
            return len(data) - length
    return len(data)


def _character_end(data: bytes, position: int, length: int) -> int:
    """Shorten a piece of `length` bytes so that it does not end within a UTF-8 character."""
    for back in range(1, min(4, length)):
        byte = data[position + length - back]
        if byte >= 0b1100_0000:
            needed = 4 if byte >= 0b1111_0000 else 3 if byte >= 0b1110_0000 else 2
            return length - back if needed > back else length
        if byte < 0b1000_0000:
            break
    return length


def _decode(message: bytes) -> str:
    return message.decode("utf-8", "replace")
