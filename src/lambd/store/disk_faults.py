"""What a disk that is full, failed, read-only or not ours does to the store, as one clear message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from lambd.model.errors import UnavailableError


@contextmanager
def telling_of_disk_faults(directory: Path) -> Iterator[None]:
    """Translate the faults of a disk while something in a directory is opened or closed.

    Raises:
        UnavailableError: the block met one; the message names the directory and what is the matter.
    """
    try:
        yield
    except DBAPIError as exc:
        raise _unusable(directory, exc.orig or exc) from exc
    except (OSError, sqlite3.Error) as exc:
        raise _unusable(directory, exc) from exc


def _unusable(directory: Path, fault: BaseException) -> UnavailableError:
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    return UnavailableError(f"the data directory {directory} cannot be used: {reason}")
