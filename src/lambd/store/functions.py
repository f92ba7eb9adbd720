"""Rows <-> model for functions and their versions; every change gives a new RevisionId.

Rules of who may change what are `control`'s. Here stand only those that need the row: conditional
state changes for the reconciler, version numbers that are never used again, and that a deployment
goes when its version lets go of it. Functions run in a transaction of `Database`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from lambd.model.arns import LATEST
from lambd.model.functions import (
    Code,
    Deployment,
    FunctionVersion,
    Reason,
    State,
    UpdateStatus,
)
from lambd.store.config_document import decode_config, encode_config
from lambd.store.database import Connection, FunctionChanged, notify
from lambd.store.paging import Page, decode_marker, encode_marker
from lambd.store.tables import deployments, function_versions, functions, version_counters
from lambd.telemetry.ids import new_id

_serving = deployments.alias("serving")
_SELECT = (
    select(
        function_versions,
        deployments.c.config,
        deployments.c.code_sha256,
        deployments.c.code_size_bytes,
        deployments.c.code_unpacked_bytes,
        _serving.c.config.label("serving_config"),
        _serving.c.code_sha256.label("serving_code_sha256"),
        _serving.c.code_size_bytes.label("serving_code_size_bytes"),
        _serving.c.code_unpacked_bytes.label("serving_code_unpacked_bytes"),
    )
    .join_from(
        function_versions, deployments, function_versions.c.deployment_id == deployments.c.id
    )
    .outerjoin(_serving, function_versions.c.serving_id == _serving.c.id)
)


# --- reading ---------------------------------------------------------------------------------


def get_version(connection: Connection, name: str, version: str) -> FunctionVersion | None:
    """`$LATEST` or a published version; None when there is no such function or version."""
    number = version_number(version)
    if number is None:
        return None
    query = _SELECT.where(_is_version(name, number))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _to_version(row)


def list_latest(connection: Connection, *, marker: str | None, limit: int) -> Page[FunctionVersion]:
    """`$LATEST` of every function, by name."""
    return _page(connection, _SELECT.where(function_versions.c.number == 0), marker, limit)


def list_all_versions(
    connection: Connection, *, marker: str | None, limit: int
) -> Page[FunctionVersion]:
    """Every version of every function: by name, `$LATEST` first, then ascending."""
    return _page(connection, _SELECT, marker, limit)


def list_versions(
    connection: Connection, name: str, *, marker: str | None, limit: int
) -> Page[FunctionVersion]:
    """The versions of one function, `$LATEST` first, then ascending."""
    query = _SELECT.where(function_versions.c.function_name == name)
    return _page(connection, query, marker, limit)


def list_in_transition(connection: Connection) -> list[FunctionVersion]:
    """What the reconciler has to bring to rest: Pending versions and updates InProgress."""
    query = _SELECT.where(
        or_(
            function_versions.c.state == State.PENDING.value,
            function_versions.c.update_status == UpdateStatus.IN_PROGRESS.value,
        )
    ).order_by(function_versions.c.last_modified)
    return [_to_version(row) for row in connection.execute(query).mappings()]


def list_serving(connection: Connection, name: str) -> list[tuple[str, str, str]]:
    """What invocations of a function may use now, as (name, version, deployment id)."""
    query = select(function_versions.c.number, function_versions.c.serving_id).where(
        function_versions.c.function_name == name, function_versions.c.serving_id.is_not(None)
    )
    return [
        (name, version_text(number), serving_id) for number, serving_id in connection.execute(query)
    ]


def last_published(connection: Connection, name: str) -> tuple[FunctionVersion, str] | None:
    """The published version with the highest number, and the fingerprint of its source."""
    query = (
        _SELECT.where(function_versions.c.function_name == name, function_versions.c.number > 0)
        .order_by(function_versions.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else (_to_version(row), row["source_fingerprint"])


def count_functions(connection: Connection) -> int:
    """How many functions there are."""
    return connection.execute(select(func.count()).select_from(functions)).scalar_one()


# --- writing ---------------------------------------------------------------------------------


def insert_function(connection: Connection, latest: FunctionVersion) -> None:
    """Add a function with its `$LATEST`; the caller has seen that the name is free."""
    connection.execute(insert(functions).values(name=latest.name, created_at=latest.last_modified))
    insert_version(connection, latest)


def next_version(connection: Connection, name: str) -> str:
    """Take the next version number of a name; never one that this name has ever had."""
    counter = version_counters.c
    taken = connection.execute(
        update(version_counters)
        .where(counter.function_name == name)
        .values(last_version=counter.last_version + 1)
        .returning(counter.last_version)
    ).scalar_one_or_none()
    if taken is None:
        connection.execute(insert(version_counters).values(function_name=name, last_version=1))
        return "1"
    return str(taken)


def insert_version(
    connection: Connection, version: FunctionVersion, *, source_fingerprint: str | None = None
) -> None:
    """Add a version of an existing function, as it stands."""
    _insert_deployments(connection, version, known=set())
    connection.execute(
        insert(function_versions).values(
            function_name=version.name,
            number=version_number(version.version),
            source_fingerprint=source_fingerprint,
            **_row_values(version),
        )
    )
    notify(connection, FunctionChanged(name=version.name))


def replace_version(
    connection: Connection, version: FunctionVersion, *, settled_at: datetime | None = None
) -> FunctionVersion:
    """Store a changed version under a new RevisionId, and return it with that."""
    version = replace(version, revision_id=new_id())
    where = _is_version(version.name, version_number(version.version))
    row = connection.execute(
        select(function_versions.c.deployment_id, function_versions.c.serving_id).where(where)
    ).one()
    before = {item for item in row if item is not None}
    _insert_deployments(connection, version, known=before)
    values = _row_values(version)
    if settled_at is not None:
        values["settled_at"] = settled_at
    connection.execute(update(function_versions).where(where).values(**values))
    _delete_deployments(connection, before - _deployment_ids(version))
    notify(connection, FunctionChanged(name=version.name))
    return version


def delete_version(connection: Connection, version: FunctionVersion) -> None:
    """Remove one published version."""
    connection.execute(
        delete(function_versions).where(_is_version(version.name, version_number(version.version)))
    )
    _delete_deployments(connection, _deployment_ids(version))
    notify(connection, FunctionChanged(name=version.name))


def delete_function(connection: Connection, name: str) -> None:
    """Remove a function and all that hangs on it, save the memory of its version numbers."""
    connection.execute(delete(functions).where(functions.c.name == name))
    connection.execute(delete(deployments).where(deployments.c.function_name == name))
    notify(connection, FunctionChanged(name=name))


def touch(connection: Connection, name: str) -> None:
    """Give `$LATEST` a new RevisionId for a change of what hangs on the function."""
    connection.execute(
        update(function_versions).where(_is_version(name, 0)).values(revision_id=new_id())
    )
    notify(connection, FunctionChanged(name=name))


# --- the reconciler's state changes ----------------------------------------------------------


def mark_ready(
    connection: Connection, name: str, version: str, deployment_id: str, now: datetime
) -> bool:
    """Let a version serve the deployment that environments now accept.

    Pending becomes Active and Successful, InProgress becomes Successful. False, and no change, when
    the version is gone, has another deployment by now, or is at rest.
    """
    current = _in_transition(connection, name, version, deployment_id)
    if current is None:
        return False
    settled = replace(
        current,
        serving=current.deployment,
        state=State.ACTIVE,
        state_reason=None,
        update_status=UpdateStatus.SUCCESSFUL,
        update_reason=None,
    )
    replace_version(connection, settled, settled_at=now)
    return True


def mark_failed(
    connection: Connection,
    name: str,
    version: str,
    deployment_id: str,
    reason: Reason,
    now: datetime,
) -> bool:
    """Record that a deployment cannot be brought up.

    Pending becomes Failed for good. An update InProgress becomes Failed, while the version stays
    Active and `serving` goes on. False, and no change, in the cases of `mark_ready`.
    """
    current = _in_transition(connection, name, version, deployment_id)
    if current is None:
        return False
    failed = replace(current, update_status=UpdateStatus.FAILED, update_reason=reason)
    if current.state is State.PENDING:
        failed = replace(failed, state=State.FAILED, state_reason=reason)
    replace_version(connection, failed, settled_at=now)
    return True


def _in_transition(
    connection: Connection, name: str, version: str, deployment_id: str
) -> FunctionVersion | None:
    current = get_version(connection, name, version)
    if current is None or current.deployment.id != deployment_id:
        return None
    if current.state is State.PENDING or current.update_status is UpdateStatus.IN_PROGRESS:
        return current
    return None


# --- rows ------------------------------------------------------------------------------------


def version_number(version: str) -> int | None:
    """The number that rows have for a version, 0 for `$LATEST`; None for what no version has."""
    if version == LATEST:
        return 0
    # As AWS writes them; ten digits are more than every database's integer takes.
    return int(version) if re.fullmatch("[1-9][0-9]{0,8}", version) else None


def version_text(number: int) -> str:
    """A version as the API writes it."""
    return LATEST if number == 0 else str(number)


def _is_version(name: str, number: int | None) -> ColumnElement[bool]:
    return and_(function_versions.c.function_name == name, function_versions.c.number == number)


def _page(
    connection: Connection, query: Select[*tuple[object, ...]], marker: str | None, limit: int
) -> Page[FunctionVersion]:
    key = tuple_(function_versions.c.function_name, function_versions.c.number)
    if marker is not None:
        query = query.where(key > tuple_(*decode_marker(marker)))
    query = query.order_by(function_versions.c.function_name, function_versions.c.number)
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    last = (rows[-1]["function_name"], rows[-1]["number"]) if more else None
    return Page(
        items=tuple(_to_version(row) for row in rows),
        next_marker=None if last is None else encode_marker(last),
    )


def _to_version(row: RowMapping) -> FunctionVersion:
    deployment = Deployment(
        id=row["deployment_id"],
        config=decode_config(row["config"]),
        code=_to_code(row, ""),
    )
    serving: Deployment | None = None
    if row["serving_id"] == deployment.id:
        serving = deployment
    elif row["serving_id"] is not None:
        serving = Deployment(
            id=row["serving_id"],
            config=decode_config(row["serving_config"]),
            code=_to_code(row, "serving_"),
        )
    number: int = row["number"]
    status: str | None = row["update_status"]
    return FunctionVersion(
        name=row["function_name"],
        version=version_text(number),
        deployment=deployment,
        serving=serving,
        revision_id=row["revision_id"],
        last_modified=row["last_modified"],
        state=State(row["state"]),
        state_reason=_to_reason(row["state_reason"], row["state_reason_code"]),
        update_status=None if status is None else UpdateStatus(status),
        update_reason=_to_reason(row["update_reason"], row["update_reason_code"]),
    )


def _to_code(row: RowMapping, prefix: str) -> Code:
    return Code(
        sha256=row[f"{prefix}code_sha256"],
        size_bytes=row[f"{prefix}code_size_bytes"],
        unpacked_bytes=row[f"{prefix}code_unpacked_bytes"],
    )


def _to_reason(text: str | None, code: str | None) -> Reason | None:
    return None if text is None or code is None else Reason(text=text, code=code)


def _row_values(version: FunctionVersion) -> dict[str, object]:
    state_reason, update_reason = version.state_reason, version.update_reason
    return {
        "deployment_id": version.deployment.id,
        "serving_id": None if version.serving is None else version.serving.id,
        "revision_id": version.revision_id,
        "last_modified": version.last_modified,
        "state": version.state.value,
        "state_reason": None if state_reason is None else state_reason.text,
        "state_reason_code": None if state_reason is None else state_reason.code,
        "update_status": None if version.update_status is None else version.update_status.value,
        "update_reason": None if update_reason is None else update_reason.text,
        "update_reason_code": None if update_reason is None else update_reason.code,
    }


def _deployment_ids(version: FunctionVersion) -> set[str]:
    return {item.id for item in (version.deployment, version.serving) if item is not None}


def _insert_deployments(connection: Connection, version: FunctionVersion, known: set[str]) -> None:
    wanted = {item.id: item for item in (version.deployment, version.serving) if item is not None}
    for deployment in wanted.values():
        if deployment.id not in known:
            connection.execute(
                insert(deployments).values(
                    id=deployment.id,
                    function_name=version.name,
                    config=encode_config(deployment.config),
                    code_sha256=deployment.code.sha256,
                    code_size_bytes=deployment.code.size_bytes,
                    code_unpacked_bytes=deployment.code.unpacked_bytes,
                )
            )


def _delete_deployments(connection: Connection, ids: set[str]) -> None:
    if ids:
        connection.execute(delete(deployments).where(deployments.c.id.in_(ids)))
