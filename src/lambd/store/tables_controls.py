"""Tables of what hangs on a function beside its versions; see `tables.py` for the rest.

`qualifier` names the scope: `$LATEST` for the unqualified function, a version number or an alias.
The rows of a version or an alias go with it (`qualified.py`), all of them with the function.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from lambd.store.tables import UtcTime, metadata


def _function_name() -> Column[str]:
    return Column(
        "function_name",
        String(64),
        ForeignKey("functions.name", ondelete="CASCADE"),
        primary_key=True,
    )


def _qualifier() -> Column[str]:
    return Column("qualifier", String(128), primary_key=True)


function_settings = Table(
    "function_settings",
    metadata,
    _function_name(),
    Column("reserved_concurrency", Integer, nullable=True),
    Column("recursive_loop", String(16), nullable=True),
)

resource_policies = Table(
    "resource_policies",
    metadata,
    _function_name(),
    _qualifier(),
    # The JSON document as callers read it.
    Column("document", Text, nullable=False),
    # NULL where it was not written down, before schema 0009: it is the scope's.
    Column("revision_id", String(36), nullable=True),
)

runtime_management = Table(
    "runtime_management",
    metadata,
    _function_name(),
    _qualifier(),
    Column("update_on", String(16), nullable=False),
    Column("runtime_version_arn", Text, nullable=True),
)

event_invoke_configs = Table(
    "event_invoke_configs",
    metadata,
    _function_name(),
    _qualifier(),
    Column("maximum_retry_attempts", Integer, nullable=True),
    Column("maximum_event_age_s", Integer, nullable=True),
    Column("on_success", Text, nullable=True),
    Column("on_failure", Text, nullable=True),
    Column("last_modified", UtcTime, nullable=False),
)

function_urls = Table(
    "function_urls",
    metadata,
    _function_name(),
    _qualifier(),
    Column("id", String(32), nullable=False),
    Column("auth_type", String(16), nullable=False),
    Column("invoke_mode", String(16), nullable=True),
    # JSON; NULL when never set.
    Column("cors", Text, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("last_modified", UtcTime, nullable=False),
    Index("ix_function_urls_id", "id", unique=True),
)

provisioned_concurrency = Table(
    "provisioned_concurrency",
    metadata,
    _function_name(),
    _qualifier(),
    Column("requested", Integer, nullable=False),
    Column("allocation_id", String(36), nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_reason", Text, nullable=True),
    Column("last_modified", UtcTime, nullable=False),
)

# Those with a row per scope that goes with it. The URL of an alias stays: who asks it is refused as by
# a URL without a policy, not as by one that never was.
QUALIFIED = (
    resource_policies,
    runtime_management,
    event_invoke_configs,
    provisioned_concurrency,
)
