"""Deployment packages and layers for the tests: archives with modes, and short calls."""

from __future__ import annotations

import io
import textwrap
import zipfile
from collections.abc import Mapping


def archive(files: Mapping[str, str | bytes], *, mode: int = 0o644) -> bytes:
    """A zip archive of files, all with one mode; texts may be indented."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            data = content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n")
            packed.writestr(entry, data)
    return buffer.getvalue()
