"""`FunctionConfig` as the JSON document that a deployment row holds.

A document only ever gains members: one that is absent takes the default of the model, so rows of
an older lambd stay readable without a migration. Members that came later are left out while they
have their default, so that fingerprints made before are still right. The canonical form (sorted keys, no spaces) also
gives the fingerprint by which PublishVersion tells whether anything changed (api.md section 7).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any, cast

from lambd.model.functions import Code, FunctionConfig, FunctionLayer, LoggingConfig

# Is in every document of a configuration with layers (in a text, its quotes would be escaped).
LAYERS_MARK = '"layers":[{'
_FIRST_MEMBERS = frozenset(
    {
        "architectures",
        "description",
        "environment",
        "ephemeral_storage_mib",
        "handler",
        "logging",
        "memory_mib",
        "package_type",
        "role",
        "runtime",
        "timeout_s",
        "tracing_mode",
    }
)


def encode_config(config: FunctionConfig) -> str:
    """The canonical document of a configuration."""
    document = {
        item.name: value
        for item in fields(FunctionConfig)
        if (value := getattr(config, item.name)) != item.default or item.name in _FIRST_MEMBERS
    } | {"logging": asdict(config.logging)}
    document["architectures"] = list(config.architectures)
    if config.environment is not None:
        document["environment"] = dict(config.environment)
    if config.layers:
        document["layers"] = [asdict(layer) for layer in config.layers]
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode_config(document: str) -> FunctionConfig:
    """The configuration that a document describes."""
    members = cast("dict[str, object]", json.loads(document))
    if "logging" in members:
        logging = cast("dict[str, str | None]", members["logging"])
        members["logging"] = LoggingConfig(**logging)  # type: ignore[arg-type]  # as encoded
    if "architectures" in members:
        members["architectures"] = tuple(cast("list[str]", members["architectures"]))
    if "layers" in members:
        members["layers"] = tuple(
            FunctionLayer(arn=layer["arn"], code=Code(**layer["code"]))
            for layer in cast("list[dict[str, Any]]", members["layers"])
        )
    return FunctionConfig(**members)  # type: ignore[arg-type]  # as encoded


def fingerprint(config: FunctionConfig, code: Code) -> str:
    """Lower-case hex SHA-256 over everything that a published version copies."""
    text = f"{code.sha256} {encode_config(config)}"
    return hashlib.sha256(text.encode()).hexdigest()
