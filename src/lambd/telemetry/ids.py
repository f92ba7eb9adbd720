"""Identifiers: of rows, and those made for every invocation, request ids and trace headers.

They name, they don't protect, so they come from an ordinary generator (seeded by the system), not
from a system call each.
"""

from __future__ import annotations

import random
import time

_random = random.Random()  # noqa: S311 - see the module header
# The digit that says the variant holds two random bits.
_VARIANTS = {f"{number:x}": "89ab"[number & 3] for number in range(16)}


def new_id() -> str:
    """An id of a row, a RevisionId or a request id: the text of a version 4 UUID, as on AWS."""
    digits = f"{_random.getrandbits(128):032x}"
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


# The id of one request to the API, and of the invocation that it asks for.
new_request_id = new_id


def new_trace_header() -> str:
    """An X-Ray header for a caller that sent none: not sampled."""
    digits = f"{_random.getrandbits(160):040x}"
    return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[24:]};Sampled=0"
