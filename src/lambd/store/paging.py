"""Pages of a listing, and the opaque markers between them.

A marker holds the sort key of the last item of its page, not a position, so items that come or go
between two calls neither repeat nor hide others (api.md section 14).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, Select

from lambd.model.errors import InvalidTokenError

_T = TypeVar("_T")

# Sort key of an item: function name and version number.
Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_T]):
    """Some items in order; `next_marker` is None at the end."""

    items: tuple[_T, ...]
    next_marker: str | None


def encode_marker(key: Key) -> str:
    """The marker that continues after `key`."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode()


def decode_marker(marker: str) -> Key:
    """The key that a marker holds.

    Raises:
        InvalidTokenError: we never gave out such a marker.
    """
    try:
        key: object = json.loads(base64.b64decode(marker.encode("ascii"), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise InvalidTokenError from exc
    match key:
        case [str(name), int(number)] if 0 <= number < 2**31:
            return name, number
    raise InvalidTokenError


def page_rows(
    connection: Connection,
    query: Select[Any],
    id_column: ColumnElement[int],
    *,
    marker: str | None,
    limit: int,
) -> tuple[list[RowMapping], str | None]:
    """A page of a query's rows by ascending id, and the marker of the next one."""
    if marker is not None:
        query = query.where(id_column > decode_marker(marker)[1])
    rows = list(connection.execute(query.order_by(id_column).limit(limit + 1)).mappings())
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_marker(("", rows[limit - 1]["id"]))
