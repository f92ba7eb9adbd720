"""Request members that the platform cannot act on yet, by operation: one table, for every request.

They are refused before an operation's handler sees them, never stored and ignored: a function must
not seem to have a VPC that it has not. Values that only spell out AWS's defaults pass. This is the
one place in `control` that reads requests in AWS's shape, because its subject is what has no shape
of ours. `docs/coverage.md` shows the tables, and a test sends every member of every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lambd.model.errors import InvalidParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused member: which values of it pass, because they ask for nothing beyond lambd."""

    is_neutral: Callable[[object], bool]
    # Those values as documents have them; None: only empty ones.
    passes: str | None = None


def refuse_unsupported(operation: str, params: Mapping[str, object]) -> None:
    """Check the members of a request in AWS's shape.

    Raises:
        InvalidParameterError: one of them asks for what is not built; it names the member.
    """
    refusals = REFUSED.get(operation)
    if refusals is None:
        return
    for path, refusal in refusals.items():
        value = _member(params, path)
        if value is not None and not refusal.is_neutral(value):
            raise InvalidParameterError(f"{path} is not supported by lambd yet")


def _member(params: Mapping[str, object], path: str) -> object:
    """The value at `Member` or `Structure.Member`; None if it was not sent."""
    structure, _, member = path.rpartition(".")
    if not structure:
        return params.get(member)
    value = params.get(structure)
    return value.get(member) if isinstance(value, Mapping) else None


def _is_empty(value: object) -> bool:
    """Whether there is nothing in it: no text, no item, no member that has something in it."""
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in value.values())
    return value is None or value is False or value in ("", [], ())


def _is(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


def _member_is(member: str, *values: object) -> Callable[[object], bool]:
    """Whether a structure has one of these values in its one member, or none."""

    def is_neutral(value: object) -> bool:
        return isinstance(value, Mapping) and value.get(member) in (None, *values)

    return is_neutral


_WHOLLY = Refusal(is_neutral=_is_empty)
_STORAGE_MODE = Refusal(is_neutral=_is("COPY"), passes="COPY")
_ARCHITECTURES = Refusal(is_neutral=_is(["x86_64"], ("x86_64",)), passes='["x86_64"]')
_CODE: Mapping[str, Refusal] = {
    "ImageUri": _WHOLLY,
    "S3ObjectStorageMode": _STORAGE_MODE,
    "SourceKMSKeyArn": _WHOLLY,
}
_CONFIGURATION: Mapping[str, Refusal] = {
    "AcceleratorConfig": _WHOLLY,
    "CapacityProviderConfig": _WHOLLY,
    "DurableConfig": _WHOLLY,
    "FileSystemConfigs": _WHOLLY,
    "ImageConfig": _WHOLLY,
    "KMSKeyArn": _WHOLLY,
    "RuntimeConfig": _WHOLLY,
    "SnapStart": Refusal(is_neutral=_member_is("ApplyOn", "None"), passes='{"ApplyOn": "None"}'),
    "TracingConfig": Refusal(
        is_neutral=_member_is("Mode", "PassThrough"), passes='{"Mode": "PassThrough"}'
    ),
    "VpcConfig": _WHOLLY,
}

# Operation -> member, or member of a structure -> how it is refused.
REFUSED: Mapping[str, Mapping[str, Refusal]] = {
    "CreateFunction": {
        **_CONFIGURATION,
        **{f"Code.{member}": refusal for member, refusal in _CODE.items()},
        "Architectures": _ARCHITECTURES,
        "CodeSigningConfigArn": _WHOLLY,
        "PackageType": Refusal(is_neutral=_is("Zip"), passes="Zip"),
        "PublishTo": _WHOLLY,
        "TenancyConfig": _WHOLLY,
    },
    "Invoke": {"DurableExecutionName": _WHOLLY, "TenantId": _WHOLLY},
    "InvokeWithResponseStream": {"TenantId": _WHOLLY},
    "PublishLayerVersion": {"Content.S3ObjectStorageMode": _STORAGE_MODE},
    "PublishVersion": {"PublishTo": _WHOLLY},
    "UpdateFunctionCode": {**_CODE, "Architectures": _ARCHITECTURES, "PublishTo": _WHOLLY},
    "UpdateFunctionConfiguration": _CONFIGURATION,
}

_DESTINATIONS = "topics of Kafka"
_RESOURCES = "ARNs of runtimes"
# Operation -> member that is acted on -> which of its values are refused, where they are looked at.
LIMITED: Mapping[str, Mapping[str, str]] = {
    "DeleteResourcePolicy": {"ResourceArn": _RESOURCES},
    "GetResourcePolicy": {"ResourceArn": _RESOURCES},
    "PutFunctionEventInvokeConfig": {"DestinationConfig": _DESTINATIONS},
    "PutResourcePolicy": {"ResourceArn": _RESOURCES},
    "UpdateFunctionEventInvokeConfig": {"DestinationConfig": _DESTINATIONS},
}
