"""The tables of layers. Queries live in `layers.py`.

Functions do not refer to these rows: a deployment's configuration holds what it needs of its layers
(api.md section 12: functions keep working when a layer version is deleted). Version numbers come
from `layer_counters`, whose rows outlive the versions.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from lambd.store.tables import UtcTime, metadata

layer_counters = Table(
    "layer_counters",
    metadata,
    Column("layer_name", String(140), primary_key=True),
    Column("last_version", Integer, nullable=False),
)

layer_versions = Table(
    "layer_versions",
    metadata,
    Column("layer_name", String(140), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created_at", UtcTime, nullable=False),
    Column("description", String(256), nullable=False),
    # JSON lists of texts; None: not declared.
    Column("compatible_runtimes", Text, nullable=True),
    Column("compatible_architectures", Text, nullable=True),
    Column("license_info", String(512), nullable=True),
    Column("code_sha256", String(64), nullable=False),
    Column("code_size_bytes", BigInteger, nullable=False),
    Column("code_unpacked_bytes", BigInteger, nullable=False),
    # JSON list of [statement id, principal, organization id or null]; None: no policy.
    Column("permissions", Text, nullable=True),
    Column("policy_revision_id", String(36), nullable=True),
)
