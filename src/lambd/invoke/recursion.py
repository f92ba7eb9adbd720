"""Functions that invoke each other in a circle, told by the `Lineage` of the trace header.

A runtime's AWS client sends the header that it was invoked with on every call it makes (botocore
since 1.27.46), so a chain of invocations can be counted: each adds one for its function. Source:
invoke.md section 4. The field's format is AWS's own affair; ours is `Lineage=<function>:<count>`,
several joined by `|`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from lambd.model.errors import RecursiveInvocationError

# Invocations of one function in a chain, after which the next one is stopped.
MAX_CHAIN = 16
_FIELD = "Lineage="


def advance_lineage(header: str, arn: str, *, terminate: bool) -> str:
    """The header for an invocation of this function that came with `header`.

    Raises:
        RecursiveInvocationError: the chain has run this function as often as it may, and it is to
            `terminate`.
    """
    tag = _tag(arn)
    before, separator, rest = header.partition(_FIELD)
    if not separator:
        return f"{header};{_FIELD}{tag}:0"
    lineage, _, after = rest.partition(";")
    counts = dict(_entries(lineage))
    count = counts.get(tag, -1) + 1
    if terminate and count >= MAX_CHAIN:
        raise RecursiveInvocationError(
            "Lambda has detected your function being invoked in a recursive loop with other Lambda "
            "functions/AWS resources"
        )
    counts[tag] = count
    text = "|".join(f"{name}:{number}" for name, number in counts.items())
    return f"{before}{_FIELD}{text}" + (f";{after}" if after else "")


def is_exhausted(header: str, arn: str) -> bool:
    """Whether the chain has run this function as often as it may."""
    _, _, rest = header.partition(_FIELD)
    counts = dict(_entries(rest.partition(";")[0]))
    return counts.get(_tag(arn), -1) + 1 >= MAX_CHAIN


def _entries(lineage: str) -> list[tuple[str, int]]:
    """(function, count); what is not ours is left out."""
    found: list[tuple[str, int]] = []
    for entry in lineage.split("|"):
        tag, _, count = entry.partition(":")
        if tag and count.isascii() and count.isdigit() and len(count) < 6:
            found.append((tag, int(count)))
    return found


@lru_cache(maxsize=4096)
def _tag(arn: str) -> str:
    return hashlib.sha256(arn.encode()).hexdigest()[:8]
