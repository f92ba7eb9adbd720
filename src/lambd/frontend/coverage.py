"""The page `docs/coverage.md`: which of AWS Lambda's operations are served.

Generated from the model and the handler table, so that it cannot be wrong; a test compares.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lambd.wire.service_model import Operation

_HEAD = """\
# Coverage

<!-- Generated from the operation table; do not edit. -->

{real} of {total} operations of AWS Lambda's API are real; the others answer 501
`NotImplementedException`. Requests to all of them are read, checked against the model's constraints
and routed alike.

| Operation | Method | URI | Success | Status |
|---|---|---|---|---|
"""


def render_coverage(operations: Mapping[str, Operation], handled: Collection[str]) -> str:
    """The page's Markdown.

    Args:
        operations: The model's operations by name.
        handled: Names of those that have a handler.

    Raises:
        ValueError: A handled name is not an operation.
    """
    unknown = set(handled) - operations.keys()
    if unknown:
        raise ValueError(f"no such operations: {', '.join(sorted(unknown))}")
    rows = (_row(operations[name], name in handled) for name in sorted(operations))
    return _HEAD.format(real=len(set(handled)), total=len(operations)) + "".join(rows)


def _row(operation: Operation, is_handled: bool) -> str:
    status = "real" if is_handled else "absent"
    return (
        f"| {operation.name} | {operation.http_method} | `{operation.uri}` "
        f"| {operation.status} | {status} |\n"
    )
