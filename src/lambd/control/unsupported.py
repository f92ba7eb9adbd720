"""Members of Create and Update requests that the platform cannot act on yet.

They are refused, never stored and ignored: a function must not seem to have a VPC that it has not.
Values that only spell out AWS's defaults pass. This is the one place in `control` that reads
requests in AWS's shape, because its subject is what has no shape of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lambd.model.errors import InvalidParameterError


def refuse_unsupported(params: Mapping[str, object]) -> None:
    """Check the members of a Create- or Update-Function request, in AWS's shape.

    Raises:
        InvalidParameterError: one of them asks for what is not built; it names the member.
    """
    for member, is_neutral in _NEUTRAL.items():
        _check(member, params.get(member), is_neutral)
    code = params.get("Code")
    if isinstance(code, Mapping):
        for member, is_neutral in _NEUTRAL_IN_CODE.items():
            _check(f"Code.{member}", code.get(member), is_neutral)


def refuse_unsupported_content(content: Mapping[str, object]) -> None:
    """Check the `Content` of PublishLayerVersion.

    Raises:
        InvalidParameterError: as `refuse_unsupported`.
    """
    for member, is_neutral in _NEUTRAL_IN_CODE.items():
        _check(f"Content.{member}", content.get(member), is_neutral)


def _check(member: str, value: object, is_neutral: Callable[[object], bool]) -> None:
    if value is not None and not is_neutral(value):
        raise InvalidParameterError(f"{member} is not supported by lambd yet")


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


_NEUTRAL_IN_CODE: Mapping[str, Callable[[object], bool]] = {
    "ImageUri": _is_empty,
    "S3ObjectStorageMode": _is("COPY"),
    "SourceKMSKeyArn": _is_empty,
}

# Member -> whether a value asks for nothing beyond what lambd does.
_NEUTRAL: Mapping[str, Callable[[object], bool]] = {
    **_NEUTRAL_IN_CODE,
    "AcceleratorConfig": _is_empty,
    "Architectures": _is(["x86_64"], ("x86_64",)),
    "CapacityProviderConfig": _is_empty,
    "CodeSigningConfigArn": _is_empty,
    "DurableConfig": _is_empty,
    "FileSystemConfigs": _is_empty,
    "ImageConfig": _is_empty,
    "KMSKeyArn": _is_empty,
    "PackageType": _is("Zip"),
    "PublishTo": _is_empty,
    "RuntimeConfig": _is_empty,
    "SnapStart": _member_is("ApplyOn", "None"),
    "TenancyConfig": _is_empty,
    "TracingConfig": _member_is("Mode", "PassThrough"),
    "VpcConfig": _is_empty,
}
