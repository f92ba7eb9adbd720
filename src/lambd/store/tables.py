"""Every table, once. Queries live in the sibling modules; `migrations/` builds the same schema.

A function is a row in `functions`; what can be invoked of it are its rows in `function_versions`
(number 0 is `$LATEST`); each of those points to one or two immutable `deployments`. Numbers of
published versions come from `version_counters`, whose rows outlive the function (api.md section
7: a number is never used again).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, stored as whole microseconds since 1970 on every database."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = BigInteger
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Time to microseconds."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Microseconds to time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

version_counters = Table(
    "version_counters",
    metadata,
    Column("function_name", String(64), primary_key=True),
    Column("last_version", Integer, nullable=False),
)

functions = Table(
    "functions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("created_at", UtcTime, nullable=False),
)

function_tags = Table(
    "function_tags",
    metadata,
    Column(
        "function_name",
        String(64),
        ForeignKey("functions.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(36), primary_key=True),
    # Whose version refers to it; a deployment never belongs to two versions.
    Column("function_name", String(64), nullable=False),
    # JSON, see config_document.py.
    Column("config", Text, nullable=False),
    Column("code_sha256", String(64), nullable=False),
    Column("code_size_bytes", BigInteger, nullable=False),
    # 0 where it was not written down, before schema 0002: see unpacked_sizes.py.
    Column("code_unpacked_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "function_name"),
)

function_versions = Table(
    "function_versions",
    metadata,
    Column(
        "function_name",
        String(64),
        ForeignKey("functions.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    # 0 is $LATEST.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("deployment_id", String(36), ForeignKey("deployments.id"), nullable=False),
    Column("serving_id", String(36), ForeignKey("deployments.id"), nullable=True),
    Column("revision_id", String(36), nullable=False),
    Column("last_modified", UtcTime, nullable=False),
    Column("state", String(32), nullable=False),
    Column("state_reason", Text, nullable=True),
    Column("state_reason_code", String(64), nullable=True),
    Column("update_status", String(32), nullable=True),
    Column("update_reason", Text, nullable=True),
    Column("update_reason_code", String(64), nullable=True),
    # Of published versions: fingerprint of the $LATEST that it was copied from.
    Column("source_fingerprint", String(64), nullable=True),
    # When the state or the update status last came to rest; None while neither ever did.
    Column("settled_at", UtcTime, nullable=True),
    Index(None, "deployment_id"),
    Index(None, "serving_id"),
    Index(None, "state"),
    Index(None, "update_status"),
)

aliases = Table(
    "aliases",
    metadata,
    Column(
        "function_name",
        String(64),
        ForeignKey("functions.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", String(128), primary_key=True),
    Column("version_number", Integer, nullable=False),
    Column("description", String(256), nullable=False),
    # The other version of a weighted alias, and its share of the invocations.
    Column("additional_number", Integer, nullable=True),
    Column("additional_weight", Float, nullable=True),
    Column("revision_id", String(36), nullable=False),
    # A version that an alias leads to cannot go (without the function).
    ForeignKeyConstraint(
        ["function_name", "version_number"],
        ["function_versions.function_name", "function_versions.number"],
        name="fk_aliases_version_number",
    ),
    ForeignKeyConstraint(
        ["function_name", "additional_number"],
        ["function_versions.function_name", "function_versions.number"],
        name="fk_aliases_additional_number",
    ),
    Index("ix_aliases_version_number", "function_name", "version_number"),
    Index("ix_aliases_additional_number", "function_name", "additional_number"),
)
