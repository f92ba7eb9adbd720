"""How a test sees that a request member did what it is there for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.member_world import Document, World

# Makes a request of the operation that succeeds.
Minimal = Callable[[World], Document]
# The document in which an operation's effect shows: world, request, reply.
Read = Callable[[World, Document, Document], Document]
# Sends a request with a member, and sees what comes of it: world, operation, minimal, path.
Check = Callable[[World, str, Minimal, str], None]

# Error codes.
MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterValueException"
VALIDATION = "ValidationException"
STALE = "PreconditionFailedException"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A request that succeeds, and how the effect of its members is seen."""

    minimal: Minimal
    checks: dict[str, Check] = field(default_factory=dict)


def reply_itself(_world: World, _request: Document, reply: Document) -> Document:
    """For operations whose reply shows their effect."""
    return reply


def shown(
    value: object,
    *,
    read: Read = reply_itself,
    at: str | None = None,
    expected: object = None,
    **others: object,
) -> Check:
    """The member's value is in a document afterwards, at its own path or at another one."""

    def check(world: World, operation: str, minimal: Minimal, path: str) -> None:
        request = with_member({**minimal(world), **others}, path, value)
        reply = accepted(world.call(operation, request))
        found = at_path(read(world, request, reply), at or path)
        assert found == (value if expected is None else expected)

    return check


def refused(value: object, code: str, text: str = "", **others: object) -> Check:
    """The value is refused with an error of this code, so it was looked at."""

    def check(world: World, operation: str, minimal: Minimal, path: str) -> None:
        request = with_member({**minimal(world), **others}, path, value)
        world.stored.wait_at_rest()
        before = world.stored.changes()
        reply = world.call(operation, request)
        assert reply.get("Error", {}).get("Code") == code, reply
        assert text in reply["Error"]["Message"]
        assert world.stored.changes() == before

    return check


def named_in_refusal(value: object, **others: object) -> Check:
    """The value is refused with an error that begins with the member."""

    def check(world: World, operation: str, minimal: Minimal, path: str) -> None:
        refused(value, "InvalidParameterValueException", path, **others)(
            world, operation, minimal, path
        )

    return check


def seen(
    value: object, look: Callable[[World, Document, Document], bool], **others: object
) -> Check:
    """Something holds of the world, the request and the reply."""

    def check(world: World, operation: str, minimal: Minimal, path: str) -> None:
        request = with_member({**minimal(world), **others}, path, value)
        reply = accepted(world.call(operation, request))
        assert look(world, request, reply), reply

    return check


def one_item(world: World, operation: str, minimal: Minimal, path: str) -> None:
    """MaxItems: a page of one, with a marker of the next."""
    request = with_member(minimal(world), path, 1)
    reply = accepted(world.call(operation, request))
    (items,) = (value for value in reply.values() if isinstance(value, list))
    assert len(items) == 1
    assert reply["NextMarker"]


def next_page(world: World, operation: str, minimal: Minimal, path: str) -> None:
    """Marker: the page begins with another item; one that is none is refused."""
    first = accepted(world.call(operation, {**minimal(world), "MaxItems": 1}))
    request = with_member({**minimal(world), "MaxItems": 1}, path, first["NextMarker"])
    second = accepted(world.call(operation, request))
    (member,) = (name for name, value in first.items() if isinstance(value, list))
    assert second[member]
    assert second[member] != first[member]
    refused("none of ours", "InvalidParameterValueException")(world, operation, minimal, path)


def accepted(reply: Document) -> Document:
    """The reply, which is none of an error."""
    assert "Error" not in reply, reply
    return reply


def with_member(request: Document, path: str, value: object) -> Document:
    """The request with `Member` or `Structure.Member` set."""
    structure, _, member = path.rpartition(".")
    if not structure:
        return {**request, member: value}
    return {**request, structure: {**request.get(structure, {}), member: value}}


def at_path(document: Any, path: str) -> Any:
    """What is at a path of keys; JSON in a string is opened. None where there is nothing."""
    for key in path.split("."):
        if isinstance(document, str):
            document = json.loads(document)
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document
