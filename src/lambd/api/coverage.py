"""The page `docs/coverage.md`: which of AWS Lambda's operations and request members are served.

Generated from the model, the handler table and the tables of what is refused, so that it cannot be
wrong; a test compares, and another sends every member once (`tests/acceptance/test_members.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lambd.api.unsupported import LIMITED, REFUSED
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
_MEMBERS = """
## Request members

A member is real if the platform acts on it; values of it that are refused stand behind it. A member
that is refused answers `InvalidParameterValueException` with its name, unless it is empty or has the
value that stands behind it, which asks for nothing. Members of operations that are not served are
absent. `Structure.Member` stands only where members of one structure differ.

| Operation | Real | Refused | Absent |
|---|---|---|---|
"""


class OperationStatus(StrEnum):
    """What becomes of a request member."""

    REAL = "real"
    REFUSED = "refused"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMember:
    """A member of a request, or one of a structure that is a member."""

    # `Member` or `Structure.Member`.
    path: str
    status: OperationStatus
    # Refused values of a real member, passing values of a refused one; None: there are none.
    exception: str | None = None


def render_coverage(operations: Mapping[str, Operation], handled: Collection[str]) -> str:
    """The page's Markdown.

    Args:
        operations: The model's operations by name.
        handled: Names of those that have a handler.

    Raises:
        ValueError: A handled name is not an operation, or a refused member is none of its own.
    """
    unknown = set(handled) - operations.keys()
    if unknown:
        raise ValueError(f"no such operations: {', '.join(sorted(unknown))}")
    names = sorted(operations)
    head = _HEAD.format(real=len(set(handled)), total=len(operations))
    rows = "".join(_row(operations[name], name in handled) for name in names)
    members = "".join(_member_row(operations[name], name in handled) for name in names)
    return head + rows + _MEMBERS + members


def request_members(operation: Operation, *, is_handled: bool) -> list[RequestMember]:
    """Every member of an operation's requests, those of structures one by one.

    A structure that is refused or limited as a whole is one member.

    Raises:
        ValueError: The tables of refused members name one that the operation has not.
    """
    name = operation.name
    refused, limited = REFUSED.get(name, {}), LIMITED.get(name, {})
    paths = dict.fromkeys(_paths(operation, whole=refused.keys() | limited.keys()))
    if unknown := (refused.keys() | limited.keys()) - paths.keys():
        raise ValueError(f"{name} has no members {', '.join(sorted(unknown))}")
    members = []
    for path in paths:
        if not is_handled:
            members.append(RequestMember(path=path, status=OperationStatus.ABSENT))
        elif path in refused:
            passes = refused[path].passes
            members.append(
                RequestMember(path=path, status=OperationStatus.REFUSED, exception=passes)
            )
        else:
            members.append(
                RequestMember(path=path, status=OperationStatus.REAL, exception=limited.get(path))
            )
    return members


def _paths(operation: Operation, whole: Collection[str]) -> Iterator[str]:
    for member, inner in operation.input_members.items():
        if member in whole or not inner:
            yield member
        else:
            yield from (f"{member}.{name}" for name in inner)


def _row(operation: Operation, is_handled: bool) -> str:
    status = OperationStatus.REAL if is_handled else OperationStatus.ABSENT
    return (
        f"| {operation.name} | {operation.http_method} | `{operation.uri}` "
        f"| {operation.status} | {status} |\n"
    )


def _member_row(operation: Operation, is_handled: bool) -> str:
    members = _joined(request_members(operation, is_handled=is_handled))
    columns = (
        ", ".join(_shown(member) for member in members if member.status is status)
        for status in OperationStatus
    )
    return f"| {operation.name} | {' | '.join(columns)} |\n"


def _joined(members: list[RequestMember]) -> list[RequestMember]:
    """The same with structures whose members do not differ as one."""
    groups: dict[str, list[RequestMember]] = {}
    for member in members:
        groups.setdefault(member.path.partition(".")[0], []).append(member)
    joined: list[RequestMember] = []
    for name, group in groups.items():
        outcomes = {(member.status, member.exception) for member in group}
        if len(outcomes) == 1:
            ((status, exception),) = outcomes
            joined.append(RequestMember(path=name, status=status, exception=exception))
        else:
            joined.extend(group)
    return joined


def _shown(member: RequestMember) -> str:
    if member.exception is None:
        return member.path
    if member.status is OperationStatus.REAL:
        return f"{member.path} (not {member.exception})"
    return f"{member.path} (but `{member.exception}`)"
