"""Developer tool: copy botocore's service models into `data/`, without their documentation.

Run `uv run python -m lambd.wire.vendor` after moving to another botocore. The server reads the
copies (`definitions.py`) and never botocore, so that a change of the client library cannot change
the API that is served. Which release a copy came from stands in its own `source` key.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
# Copy's name -> the model's place in botocore's data folder.
SOURCES = {
    "application-autoscaling-2016-02-06.json": (
        "application-autoscaling/2016-02-06/service-2.json.gz"
    ),
    "events-2015-10-07.json": "events/2015-10-07/service-2.json.gz",
    "lambda-2015-03-31.json": "lambda/2015-03-31/service-2.json.gz",
    "logs-2014-03-28.json": "logs/2014-03-28/service-2.json.gz",
    "scheduler-2021-06-30.json": "scheduler/2021-06-30/service-2.json.gz",
}
_PROSE = frozenset({"documentation", "documentationUrl", "deprecatedMessage"})


def vendored(source: str) -> dict[str, Any]:
    """The installed botocore's model at `source` as it should stand in `data/`."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore is not installed")
    text = gzip.decompress((Path(spec.origin).parent / "data" / source).read_bytes())
    model = json.loads(text)
    return {
        "source": {
            "botocore": importlib.metadata.version("botocore"),
            "file": source,
            # Of the uncompressed file.
            "sha256": hashlib.sha256(text).hexdigest(),
        },
        "metadata": model["metadata"],
        "operations": {name: _operation(value) for name, value in model["operations"].items()},
        "shapes": {name: _shape(value) for name, value in model["shapes"].items()},
    }


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    kept = _without_prose(operation)
    for key in ("input", "output"):
        if key in kept:
            kept[key] = _without_prose(kept[key])
    return kept


def _shape(shape: dict[str, Any]) -> dict[str, Any]:
    kept = _without_prose(shape)
    for key in ("member", "key", "value"):
        if key in kept:
            kept[key] = _without_prose(kept[key])
    if "members" in kept:
        # By hand and not by recursion: a member may itself be called `documentation`.
        kept["members"] = {name: _without_prose(ref) for name, ref in kept["members"].items()}
    return kept


def _without_prose(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in _PROSE}


def main() -> None:
    """Write every copy anew."""
    for name, source in SOURCES.items():
        text = json.dumps(vendored(source), separators=(",", ":"), ensure_ascii=False)
        (DATA / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
