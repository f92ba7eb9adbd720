"""For every operation that is served: a least request, and how the effect of each member is seen.

A member without an entry of its own is judged by what its name means everywhere (`EVERYWHERE`);
refused members need only a value (`REFUSED_VALUES`). Whoever serves an operation gives it an entry
in one of the modules that `OPERATIONS` joins.
"""

from __future__ import annotations

from typing import Any

from tests.acceptance.member_cases_functions import ALIASES_OF_FUNCTIONS, FUNCTIONS
from tests.acceptance.member_cases_layers import LAYERS
from tests.acceptance.member_cases_settings import SETTINGS
from tests.acceptance.member_checks import (
    MISSING,
    STALE,
    Check,
    Operation,
    next_page,
    one_item,
    refused,
)
from tests.acceptance.member_world import ACCOUNT, ARN

OPERATIONS: dict[str, Operation] = {**FUNCTIONS, **ALIASES_OF_FUNCTIONS, **LAYERS, **SETTINGS}

_RUNTIME = f"arn:aws:lambda:us-east-1:{ACCOUNT}:runtime/custom"
_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"

EVERYWHERE: dict[str, Check] = {
    "FunctionName": refused("missing", MISSING),
    "LayerName": refused("missing", MISSING),
    "VersionNumber": refused(77, MISSING),
    "Name": refused("missing", MISSING),
    "Resource": refused(ARN + "missing", MISSING),
    "ResourceArn": refused(ARN + "missing", MISSING),
    "StatementId": refused("missing", MISSING),
    "Qualifier": refused("missing", MISSING),
    "RevisionId": refused("00000000-0000-0000-0000-000000000000", STALE),
    "Marker": next_page,
    "MaxItems": one_item,
}

# Values of refused and of limited members: they ask for what is not built.
REFUSED_VALUES: dict[str, Any] = {
    "AcceleratorConfig": {"AcceleratorMemorySize": 8},
    "Architectures": ["arm64"],
    "AuthType": "AWS_IAM",
    "CapacityProviderConfig": {
        "LambdaManagedInstancesCapacityProviderConfig": {
            "CapacityProviderArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:capacity-provider:c"
        }
    },
    "CodeSigningConfigArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-{'0' * 17}",
    "DestinationConfig": {"OnFailure": {"Destination": "kafka://topic"}},
    "DurableConfig": {"ExecutionTimeout": 60},
    "DurableExecutionName": "execution",
    "FileSystemConfigs": [
        {
            "Arn": f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/fsap-{'0' * 17}",
            "LocalMountPath": "/mnt/a",
        }
    ],
    "ImageConfig": {"Command": ["a"]},
    "ImageUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a:b",
    "InvokeMode": "RESPONSE_STREAM",
    "KMSKeyArn": _KEY,
    "PackageType": "Image",
    "PublishTo": "LATEST_PUBLISHED",
    "ResourceArn": _RUNTIME,
    "RuntimeConfig": {
        "RuntimeArn": _RUNTIME,
        "RuntimeAlias": "a",
    },
    "S3ObjectStorageMode": "REFERENCE",
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "SourceKMSKeyArn": _KEY,
    "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
    "TenantId": "tenant",
    "TracingConfig": {"Mode": "Active"},
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
}
