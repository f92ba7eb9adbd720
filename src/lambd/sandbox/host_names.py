"""The names by which code inside finds the host it runs on, answered without asking anybody.

Pure: a DNS query in, an answer or None out (RFC 1035). The address is the sandbox's own way to the
host; what it reaches there is `firewall`'s to say.
"""

from __future__ import annotations

import socket
import struct

# Docker's name, which tools and their users know, and ours.
NAMES = frozenset({b"host.docker.internal", b"host.lambd.internal"})
_HEADER = struct.Struct(">6H")
_QUESTION = struct.Struct(">2H")
# Opcode and response bit of the flags; recursion desired.
_NOT_A_QUERY, _RECURSION_DESIRED = 0xF800, 0x0100
# Response, authoritative, recursion available.
_ANSWER = 0x8480
_TYPE_A, _TYPE_ANY, _CLASS_IN = 1, 255, 1
_TTL_S = 60


def answer(query: bytes, host_address: str) -> bytes | None:
    """The answer to a query for the host's name; None for any other, or what is no query.

    There is no address but an IPv4 one: others who ask are told that there is nothing of the kind.
    """
    if len(query) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    if flags & _NOT_A_QUERY or questions != 1:
        return None
    name, end = _read_name(query, _HEADER.size)
    if name.lower() not in NAMES or len(query) < end + _QUESTION.size:
        return None
    kind, klass = _QUESTION.unpack_from(query, end)
    question = query[_HEADER.size : end + _QUESTION.size]
    record = b""
    if kind in (_TYPE_A, _TYPE_ANY) and klass == _CLASS_IN:
        # The name as a pointer to that in the question.
        record = b"\xc0\x0c" + struct.pack(">2HIH", _TYPE_A, _CLASS_IN, _TTL_S, 4)
        record += socket.inet_aton(host_address)
    flags = _ANSWER | flags & _RECURSION_DESIRED
    return _HEADER.pack(number, flags, 1, bool(record), 0, 0) + question + record


def _read_name(message: bytes, offset: int) -> tuple[bytes, int]:
    """A name's labels with dots, and where it ends; questions have no pointers in them."""
    labels: list[bytes] = []
    while offset < len(message) and 0 < message[offset] < 64:
        end = offset + 1 + message[offset]
        labels.append(message[offset + 1 : end])
        offset = end
    return b".".join(labels), offset + 1
