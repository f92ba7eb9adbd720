"""Developer tool: copy botocore's service models into `data/`, without their documentation.

Run `uv run python -m lambd.wire.vendor` after moving to another botocore, and with the names of
services (as botocore's data folder has them) that are to be served as well. The server reads the
copies (`definitions.py`) and never botocore, so that a change of the client library cannot change
the API that is served. Which release a copy came from stands in its own `source` key.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from lambd.wire.definitions import copies

DATA = Path(__file__).parent / "data"
_PROSE = frozenset({"documentation", "documentationUrl", "deprecatedMessage"})

DIRECTORY = DATA / "services.json"
# Of a service's metadata, in the directory of all services.
_TOLD = (
    *("serviceId", "serviceAbbreviation", "serviceFullName", "signingName", "endpointPrefix"),
    *("protocol", "targetPrefix", "apiVersion"),
)


def botocore_data() -> Path:
    """The data folder of the installed botocore."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore is not installed")
    return Path(spec.origin).parent / "data"


def source_of(copy: str) -> str:
    """The place in botocore's data folder of the model with this copy."""
    service, version = (
        copy[: -len("-YYYY-MM-DD.json")],
        copy[-len("YYYY-MM-DD.json") : -len(".json")],
    )
    return f"{service}/{version}/service-2.json.gz"


def newest_copy(service: str) -> str:
    """The name for the copy of a service's newest model."""
    version = max(each.name for each in (botocore_data() / service).iterdir() if each.is_dir())
    return f"{service}-{version}.json"


def vendored(source: str) -> dict[str, Any]:
    """The installed botocore's model at `source` as it should stand in `data/`."""
    text = gzip.decompress((botocore_data() / source).read_bytes())
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


def directory() -> dict[str, Any]:
    """All services of the installed botocore as `data/services.json` should tell them: no models."""
    services = {}
    for folder in sorted(each for each in botocore_data().iterdir() if each.is_dir()):
        models = sorted(folder.glob("*/service-2.json.gz"))
        if models:
            metadata = json.loads(gzip.decompress(models[-1].read_bytes()))["metadata"]
            services[folder.name] = {key: metadata[key] for key in _TOLD if key in metadata}
    return {"botocore": importlib.metadata.version("botocore"), "services": services}


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
    """Write every copy anew, those of the services that are named, and the directory."""
    text = json.dumps(directory(), indent=0, ensure_ascii=False)
    DIRECTORY.write_text(text + "\n", encoding="utf-8")
    names = {*copies().values(), *(newest_copy(service) for service in sys.argv[1:])}
    for name in sorted(names):
        text = json.dumps(vendored(source_of(name)), separators=(",", ":"), ensure_ascii=False)
        (DATA / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
