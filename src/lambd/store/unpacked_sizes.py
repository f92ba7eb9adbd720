"""Unpacked sizes of function code that was stored before they were written down (schema 0002).

They count together with those of layers. A migration has only the rows, and the sizes are in the
archives: so they are measured once, when a data directory is first opened by a lambd that needs
them, before anything is served.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping

import structlog
from sqlalchemy import select, update

from lambd.model.errors import ArtifactError
from lambd.store.archives import check_archive
from lambd.store.blobs import BlobStore
from lambd.store.database import Connection, Database
from lambd.store.tables import deployments

_log = structlog.get_logger(__name__)


async def fill_unpacked_sizes(database: Database, blobs: BlobStore) -> None:
    """Write down the sizes that are missing; an archive that cannot be read goes on counting 0."""
    unmeasured = await database.read(list_unmeasured)
    if not unmeasured:
        return
    sizes = await asyncio.to_thread(measure, blobs, unmeasured)
    await database.run(record, sizes)
    _log.info("archives_measured", count=len(sizes))


def list_unmeasured(connection: Connection) -> list[str]:
    """SHA-256 of the archives whose size no row knows."""
    query = select(deployments.c.code_sha256).where(deployments.c.code_unpacked_bytes == 0)
    return list(connection.execute(query.distinct()).scalars())


def measure(blobs: BlobStore, archives: Iterable[str]) -> dict[str, int]:
    """The sizes of those that can be read; blocks."""
    sizes: dict[str, int] = {}
    for sha256 in archives:
        try:
            with blobs.open(sha256) as file:
                sizes[sha256] = check_archive(file, sys.maxsize)
        except (OSError, ArtifactError) as error:
            _log.warning("archive_not_measured", sha256=sha256, error=str(error))
    return sizes


def record(connection: Connection, sizes: Mapping[str, int]) -> None:
    """Write sizes into the rows that have none."""
    for sha256, size in sizes.items():
        connection.execute(
            update(deployments)
            .where(deployments.c.code_sha256 == sha256, deployments.c.code_unpacked_bytes == 0)
            .values(code_unpacked_bytes=size)
        )
