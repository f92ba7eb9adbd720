"""What stored archives the rows refer to, and how much they count for.

An archive is needed while a layer version has it, or the deployment of any function version: as its
code or as one of its layers, whether the layer version still exists or not.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from lambd.store.config_document import LAYERS_MARK, decode_config
from lambd.store.database import Connection
from lambd.store.tables import deployments, function_versions
from lambd.store.tables_layers import layer_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Archives by the SHA-256 of their bytes."""

    # Everything that must stay downloadable and able to be unpacked.
    archives: frozenset[str]
    # The layers of each deployment that has any, in order.
    layer_lists: frozenset[tuple[str, ...]]


def references(connection: Connection) -> References:
    """What all layer versions and deployments refer to, those only serving on included."""
    archives = set(connection.execute(select(deployments.c.code_sha256).distinct()).scalars())
    archives.update(connection.execute(select(layer_versions.c.code_sha256).distinct()).scalars())
    query = select(deployments.c.config).where(deployments.c.config.contains(LAYERS_MARK))
    layer_lists = {
        tuple(layer.code.sha256 for layer in decode_config(config).layers)
        for config in connection.execute(query).scalars()
    }
    for layers in layer_lists:
        archives.update(layers)
    return References(archives=frozenset(archives), layer_lists=frozenset(layer_lists - {()}))


def code_storage_bytes(connection: Connection) -> int:
    """What counts against the account: the code of every version, and every layer version.

    A shared archive counts once for each; a deleted layer version that functions still use does
    not count (AWS says nothing of it).
    """
    versions = select(func.coalesce(func.sum(deployments.c.code_size_bytes), 0)).join_from(
        function_versions, deployments, function_versions.c.deployment_id == deployments.c.id
    )
    layers = select(func.coalesce(func.sum(layer_versions.c.code_size_bytes), 0))
    return sum(int(connection.execute(query).scalar_one()) for query in (versions, layers))
