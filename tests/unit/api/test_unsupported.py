"""Members that the platform cannot act on are refused, their neutral values are not."""

from __future__ import annotations

import pytest

from lambd.api.unsupported import REFUSED, refuse_unsupported
from lambd.model.errors import InvalidParameterError


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("AcceleratorConfig", {"MemoryGiB": 3}),
        ("Architectures", ["arm64"]),
        ("CapacityProviderConfig", {"LambdaManagedInstancesCapacityProviderConfig": {"A": "b"}}),
        ("CodeSigningConfigArn", "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-1"),
        ("DurableConfig", {"ExecutionTimeout": 60}),
        ("FileSystemConfigs", [{"Arn": "a", "LocalMountPath": "/mnt/a"}]),
        ("ImageConfig", {"Command": ["a"]}),
        ("ImageUri", "registry/image:tag"),
        ("KMSKeyArn", "arn:aws:kms:us-east-1:000000000000:key/k"),
        ("PackageType", "Image"),
        ("PublishTo", "LATEST_PUBLISHED"),
        ("RuntimeConfig", {"RuntimeArn": "a"}),
        ("S3ObjectStorageMode", "REFERENCE"),
        ("SnapStart", {"ApplyOn": "PublishedVersions"}),
        ("SourceKMSKeyArn", "arn:aws:kms:us-east-1:000000000000:key/k"),
        ("TenancyConfig", {"TenantIsolationMode": "PER_TENANT"}),
        ("TracingConfig", {"Mode": "Active"}),
        ("VpcConfig", {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}),
        ("VpcConfig", {"Ipv6AllowedForDualStack": True}),
    ],
)
def test_refuses_a_member_by_name(member: str, value: object) -> None:
    """The message names the member that is not built; of `Code` where CreateFunction has it."""
    operations = [name for name, members in REFUSED.items() if member in members]
    assert operations or f"Code.{member}" in REFUSED["CreateFunction"]
    for operation in operations:
        with pytest.raises(InvalidParameterError) as caught:
            refuse_unsupported(operation, {"FunctionName": "f", member: value})
        assert caught.value.message == f"{member} is not supported by lambd yet"


@pytest.mark.parametrize("member", ["ImageUri", "SourceKMSKeyArn"])
def test_refuses_members_of_code(member: str) -> None:
    """CreateFunction has them inside `Code`."""
    with pytest.raises(InvalidParameterError, match=rf"^Code\.{member} is not supported"):
        refuse_unsupported("CreateFunction", {"Code": {member: "x"}})


def test_accepts_what_spells_out_the_defaults() -> None:
    """Tools send neutral values; they ask for nothing."""
    refuse_unsupported(
        "CreateFunction",
        {
            "FunctionName": "f",
            "Role": "r",
            "Code": {"ZipFile": b"x", "S3ObjectStorageMode": "COPY"},
            "Environment": {"Variables": {"AA": "b"}},
            "Architectures": ["x86_64"],
            "FileSystemConfigs": [],
            "ImageConfig": {},
            "KMSKeyArn": "",
            "Layers": [],
            "PackageType": "Zip",
            "SnapStart": {"ApplyOn": "None"},
            "TracingConfig": {"Mode": "PassThrough"},
            "VpcConfig": {
                "SubnetIds": [],
                "SecurityGroupIds": [],
                "Ipv6AllowedForDualStack": False,
            },
        },
    )


def test_accepts_absent_members() -> None:
    """An absent member and None are the same."""
    refuse_unsupported("CreateFunction", {"Layers": None, "PackageType": None, "SnapStart": {}})
