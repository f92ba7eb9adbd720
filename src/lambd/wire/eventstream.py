"""`application/vnd.amazon.eventstream` messages, written; pure.

One message: total length, headers length, CRC-32 of those two, headers, payload, CRC-32 of it all;
every number big-endian. Each header: one byte of name length, the name, its type (7: string), two
bytes of value length, the value. Source: Smithy's event stream specification; botocore reads it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")
_VALUE_LENGTH = struct.Struct(">BH")


def encode_event(event_type: str, content_type: str | None, payload: bytes) -> bytes:
    """One event's message; `content_type` None if it has no payload."""
    headers = {":event-type": event_type}
    if content_type is not None:
        headers[":content-type"] = content_type
    headers[":message-type"] = "event"
    return _message(headers, payload)


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    block = b"".join([_header(name, value) for name, value in headers.items()])
    # Two lengths, their checksum and the final checksum are 16 bytes.
    lengths = _LENGTHS.pack(len(block) + len(payload) + 16, len(block))
    head = lengths + _CRC.pack(zlib.crc32(lengths)) + block
    checksum = zlib.crc32(payload, zlib.crc32(head))
    return b"".join((head, payload, _CRC.pack(checksum)))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode("ascii"), value.encode("utf-8")
    return bytes([len(key)]) + key + _VALUE_LENGTH.pack(_STRING, len(text)) + text
