"""Rows <-> model for layers: versions, numbers that are never used again, policies.

A deleted version's row goes; what functions hold of it is in their deployments (`contents.py`).
Functions run in a transaction of `Database`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from lambd.model.functions import Code
from lambd.model.layers import LayerPermission, LayerPolicy, LayerVersion
from lambd.store.database import Connection, LayerChanged, notify
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.tables_layers import layer_counters, layer_versions
from lambd.telemetry.ids import new_id

_rows = layer_versions.c


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFilter:
    """Which versions a listing shows; one that declares nothing does not match."""

    runtime: str | None = None
    architecture: str | None = None


def insert_version(
    connection: Connection,
    *,
    name: str,
    code: Code,
    created_at: datetime,
    description: str,
    compatible_runtimes: tuple[str, ...] | None,
    compatible_architectures: tuple[str, ...] | None,
    license_info: str | None,
) -> LayerVersion:
    """Add a version under the next number."""
    version = LayerVersion(
        name=name,
        number=_next_number(connection, name),
        code=code,
        created_at=created_at,
        description=description,
        compatible_runtimes=compatible_runtimes,
        compatible_architectures=compatible_architectures,
        license_info=license_info,
    )
    connection.execute(
        insert(layer_versions).values(
            layer_name=name,
            number=version.number,
            created_at=created_at,
            description=description,
            compatible_runtimes=_encode(compatible_runtimes),
            compatible_architectures=_encode(compatible_architectures),
            license_info=license_info,
            code_sha256=code.sha256,
            code_size_bytes=code.size_bytes,
            code_unpacked_bytes=code.unpacked_bytes,
        )
    )
    notify(connection, LayerChanged(name=name))
    return version


def get_version(connection: Connection, name: str, number: int) -> LayerVersion | None:
    """A version that has not been deleted."""
    query = select(layer_versions).where(_is_version(name, number))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_version(row)


def list_layers(
    connection: Connection, matching: LayerFilter, *, marker: str | None, limit: int
) -> Page[LayerVersion]:
    """The latest matching version of each layer that has one, by name."""
    latest = select(_rows.layer_name, func.max(_rows.number).label("number")).where(
        _matches(matching)
    )
    if marker is not None:
        latest = latest.where(_rows.layer_name > decode_marker(marker)[0])
    page = latest.group_by(_rows.layer_name).order_by(_rows.layer_name).limit(limit + 1).subquery()
    query = (
        select(layer_versions)
        .join(page, and_(page.c.layer_name == _rows.layer_name, page.c.number == _rows.number))
        .order_by(_rows.layer_name)
    )
    return _page(connection, query, limit)


def list_versions(
    connection: Connection, name: str, matching: LayerFilter, *, marker: str | None, limit: int
) -> Page[LayerVersion]:
    """The matching versions of one layer, the newest first."""
    query = select(layer_versions).where(_rows.layer_name == name, _matches(matching))
    if marker is not None:
        query = query.where(_rows.number < decode_marker(marker)[1])
    return _page(connection, query.order_by(_rows.number.desc()).limit(limit + 1), limit)


def delete_version(connection: Connection, name: str, number: int) -> None:
    """Remove a version, if it is there."""
    connection.execute(delete(layer_versions).where(_is_version(name, number)))
    notify(connection, LayerChanged(name=name))


def get_policy(connection: Connection, name: str, number: int) -> LayerPolicy | None:
    """The policy of a version, if it has one."""
    query = select(_rows.permissions, _rows.policy_revision_id).where(_is_version(name, number))
    row = connection.execute(query).one_or_none()
    if row is None or row.permissions is None:
        return None
    return LayerPolicy(
        permissions=tuple(
            LayerPermission(statement_id=sid, principal=principal, organization_id=organization)
            for sid, principal, organization in json.loads(row.permissions)
        ),
        revision_id=row.policy_revision_id,
    )


def put_permissions(
    connection: Connection, name: str, number: int, permissions: tuple[LayerPermission, ...]
) -> str:
    """Replace a version's policy; none at all removes it. Returns the new revision."""
    revision_id = new_id()
    document = json.dumps(
        [[each.statement_id, each.principal, each.organization_id] for each in permissions]
    )
    connection.execute(
        update(layer_versions)
        .where(_is_version(name, number))
        .values(
            permissions=document if permissions else None,
            policy_revision_id=revision_id if permissions else None,
        )
    )
    return revision_id


def _next_number(connection: Connection, name: str) -> int:
    taken = connection.execute(
        update(layer_counters)
        .where(layer_counters.c.layer_name == name)
        .values(last_version=layer_counters.c.last_version + 1)
        .returning(layer_counters.c.last_version)
    ).scalar_one_or_none()
    if taken is None:
        connection.execute(insert(layer_counters).values(layer_name=name, last_version=1))
        return 1
    return int(taken)


def _is_version(name: str, number: int) -> ColumnElement[bool]:
    # 0 is no version's number; larger ones than a database's integer takes are none's either.
    return and_(_rows.layer_name == name, _rows.number == (number if number < 2**31 else 0))


def _matches(matching: LayerFilter) -> ColumnElement[bool]:
    """Lists are stored as JSON, so an item is there with its quotes."""
    wanted = (
        (_rows.compatible_runtimes, matching.runtime),
        (_rows.compatible_architectures, matching.architecture),
    )
    return and_(
        true(),
        *(
            column.contains(json.dumps(item), autoescape=True)
            for column, item in wanted
            if item is not None
        ),
    )


def _page(
    connection: Connection, query: Select[*tuple[object, ...]], limit: int
) -> Page[LayerVersion]:
    found = [_to_version(row) for row in connection.execute(query).mappings()]
    items = tuple(found[:limit])
    more = len(found) > limit
    return Page(
        items=items,
        next_marker=encode_marker((items[-1].name, items[-1].number)) if more else None,
    )


def _encode(items: tuple[str, ...] | None) -> str | None:
    return None if items is None else json.dumps(items)


def _decode(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _to_version(row: RowMapping) -> LayerVersion:
    return LayerVersion(
        name=row["layer_name"],
        number=row["number"],
        code=Code(
            sha256=row["code_sha256"],
            size_bytes=row["code_size_bytes"],
            unpacked_bytes=row["code_unpacked_bytes"],
        ),
        created_at=row["created_at"],
        description=row["description"],
        compatible_runtimes=_decode(row["compatible_runtimes"]),
        compatible_architectures=_decode(row["compatible_architectures"]),
        license_info=row["license_info"],
    )
