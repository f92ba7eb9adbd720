"""Identifiers."""

from __future__ import annotations

import re
import uuid

from lambd.telemetry.ids import new_id, new_trace_header


def test_ids_are_random_uuids() -> None:
    """Version 4, the variant of RFC 9562, in lower case; none comes twice."""
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_a_trace_header_is_one_of_x_ray() -> None:
    """Not sampled: nobody asked for it."""
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", new_trace_header()
    )
