"""The exact texts of `ValidationException`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambd.http.messages import Request
from lambd.model.errors import ConstraintViolationError
from lambd.wire.constraints import ECHOED_VALUE_CHARACTERS
from lambd.wire.service_model import load_model

MODEL = load_model("lambda")
ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION = {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": "UEsDBA=="}}
PATTERNS = {name: shape.get("pattern", "") for name, shape in MODEL.shapes.items()}


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        pytest.param(
            {"Role": "r"},
            f"Value 'r' at 'role' failed to satisfy constraint: Member must satisfy regular "
            f"expression pattern: {PATTERNS['RoleArn']}",
            id="pattern",
        ),
        pytest.param(
            {"Description": "d" * 257},
            f"Value '{'d' * 257}' at 'description' failed to satisfy constraint: Member must have "
            "length less than or equal to 256",
            id="longest",
        ),
        pytest.param(
            {"Timeout": 0},
            "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater "
            "than or equal to 1",
            id="least",
        ),
        pytest.param(
            {"Timeout": 5401},
            "Value '5401' at 'timeout' failed to satisfy constraint: Member must have value less "
            "than or equal to 5400",
            id="most",
        ),
        pytest.param(
            {"Role": None},
            "Value null at 'role' failed to satisfy constraint: Member must not be null",
            id="null",
        ),
        pytest.param(
            {"PackageType": "Tar"},
            "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum "
            "value set: [Zip, Image]",
            id="enum",
        ),
        pytest.param(
            {"Architectures": ["x86_64", "arm64"]},
            "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must "
            "have length less than or equal to 1",
            id="list length",
        ),
        pytest.param(
            {"Architectures": ["X86_64"]},
            "Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be "
            "null]",
            id="list element",
        ),
        pytest.param(
            {"Layers": [""]},
            "Value '[]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 2048, Member must have length greater "
            "than or equal to 1, Member must satisfy regular expression pattern: "
            f"{PATTERNS['LayerVersionArn']}, Member must not be null]",
            id="list element of several constraints",
        ),
        pytest.param(
            {"Layers": [None]},
            "Value '[null]' at 'layers' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must have length less than or equal to 2048, Member must have "
            "length greater than or equal to 1, Member must satisfy regular expression pattern: "
            f"{PATTERNS['LayerVersionArn']}, Member must not be null]",
            id="null list element",
        ),
        pytest.param(
            {"VpcConfig": {"SubnetIds": ["s"]}},
            "Value '[s]' at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must have length less than or equal to 1024, Member must have "
            "length greater than or equal to 0, Member must satisfy regular expression pattern: "
            "subnet-[0-9a-z]*, Member must not be null]",
            id="list within a structure",
        ),
        pytest.param(
            {"SnapStart": {"ApplyOn": "invalid"}},
            "Value 'invalid' at 'snapStart.applyOn' failed to satisfy constraint: Member must "
            "satisfy enum value set: [PublishedVersions, None]",
            id="member of a structure",
        ),
        pytest.param(
            {"KMSKeyArn": "k"},
            "Value 'k' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular "
            f"expression pattern: {PATTERNS['KMSKeyArn']}",
            id="only the first letter of a path is lowered",
        ),
        pytest.param(
            {"EphemeralStorage": {}},
            "Value null at 'ephemeralStorage.size' failed to satisfy constraint: Member must not be "
            "null",
            id="null in a structure",
        ),
        pytest.param(
            {"FileSystemConfigs": [{"Arn": "a"}]},
            "Value 'a' at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member "
            f"must satisfy regular expression pattern: {PATTERNS['FileSystemArn']}; Value null at "
            "'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: Member must "
            "not be null",
            id="structures in a list",
        ),
        pytest.param(
            {"Environment": {"Variables": {"1": "secret"}}},
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
            "constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, "
            "Member must not be null]",
            id="values of sensitive shapes are not echoed",
        ),
        pytest.param(
            {"Tags": {"k": None}},
            "Value '{k=null}' at 'tags' failed to satisfy constraint: Map value must satisfy "
            "constraint: [Member must have length less than or equal to 256, Member must have "
            "length greater than or equal to 0, Member must satisfy regular expression pattern: "
            r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*), Member must not be null]",
            id="null map value",
        ),
    ],
)
def test_names_the_value_the_path_and_the_constraint(
    changes: dict[str, Any], violation: str
) -> None:
    """CreateFunction's members, one violated at a time."""
    number = violation.count("failed to satisfy constraint")
    errors = "error" if number == 1 else "errors"
    assert _create(**changes) == f"{number} validation {errors} detected: {violation}"


def test_joins_several_violations_in_the_models_order() -> None:
    """A value's pattern comes before its length."""
    name = "a!" * 71
    assert _create(FunctionName=name, MemorySize=1) == (
        f"3 validation errors detected: Value '{name}' at 'functionName' failed to satisfy "
        f"constraint: Member must satisfy regular expression pattern: {PATTERNS['FunctionName']}; "
        f"Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length "
        "less than or equal to 140; Value '1' at 'memorySize' failed to satisfy constraint: Member "
        "must have value greater than or equal to 128"
    )


@pytest.mark.parametrize(
    ("weights", "shown", "kind"),
    [
        pytest.param({"2": 2}, "{2=2.0}", "Map value", id="value"),
        pytest.param({"$LATEST": 0.5}, "{$LATEST=0.5}", "Map keys", id="key"),
    ],
)
def test_judges_a_maps_keys_and_values_together(
    weights: dict[str, float], shown: str, kind: str
) -> None:
    """Routing weights, with the two texts that LocalStack recorded from AWS."""
    texts = {
        "Map value": "Member must have value less than or equal to 1.0, Member must have value "
        "greater than or equal to 0.0, Member must not be null",
        "Map keys": "Member must have length less than or equal to 1024, Member must have length "
        "greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, "
        "Member must not be null",
    }
    body = {"RoutingConfig": {"AdditionalVersionWeights": weights}}
    message = _violations("UpdateAlias", {"FunctionName": "f", "Name": "a"}, body)
    assert message == (
        f"1 validation error detected: Value '{shown}' at 'routingConfig.additionalVersionWeights' "
        f"failed to satisfy constraint: {kind} must satisfy constraint: [{texts[kind]}]"
    )


def test_misses_a_required_query_list() -> None:
    """UntagResource without keys, as recorded from AWS."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    assert _violations("UntagResource", {"Resource": arn}, {}) == (
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_checks_labels() -> None:
    """A label's violation is told like any other member's."""
    assert _violations("GetFunction", {"FunctionName": "a%21"}, {}) == (
        "1 validation error detected: Value 'a!' at 'functionName' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {PATTERNS['NamespacedFunctionName']}"
    )


def test_checks_lists_within_maps() -> None:
    """A map's value is a list with bounds of its own and elements with theirs."""
    body = {
        "FunctionName": "f",
        "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b"]}},
    }
    assert _violations("CreateEventSourceMapping", {}, body) == (
        "1 validation error detected: Value '[b]' at "
        "'selfManagedEventSource.endpoints.KAFKA_BOOTSTRAP_SERVERS.member' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must have length less than or equal "
        "to 300, Member must have length greater than or equal to 1, Member must satisfy regular "
        f"expression pattern: {PATTERNS['Endpoint']}, Member must not be null]"
    )


def test_prints_structures_as_java_does() -> None:
    """A list of structures that is too long."""
    shown = ", ".join(["SourceAccessConfiguration(type=null, uRI=u)"] * 24)
    body = {"FunctionName": "f", "SourceAccessConfigurations": [{"URI": "u"}] * 24}
    message = _violations("CreateEventSourceMapping", {}, body)
    assert message.startswith(
        f"1 validation error detected: Value '[{shown}]' at 'sourceAccessConfigurations' failed to "
        "satisfy constraint: Member must have length less than or equal to 23"
    )


def test_leaves_runtimes_to_the_service() -> None:
    """An unknown runtime is another error on AWS, and new ones come without a new model."""
    assert _decoded("CreateFunction", {}, {**FUNCTION, "Runtime": "python9.9"})


def test_echoes_long_values_in_part() -> None:
    """An answer stays small whatever was sent."""
    message = _create(Description="d" * 1_000_000)
    assert len(message) < ECHOED_VALUE_CHARACTERS + 200


def test_checks_requests_to_logs() -> None:
    """The same texts under another service's names, as CloudWatch Logs sends them."""
    operation = load_model("logs").operations["DescribeLogGroups"]
    request = _request({"logGroupNamePrefix": ""})
    with pytest.raises(ConstraintViolationError) as caught:
        operation.decode(request, {})
    assert caught.value.message == (
        "2 validation errors detected: Value '' at 'logGroupNamePrefix' failed to satisfy "
        r"constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+; Value "
        "'' at 'logGroupNamePrefix' failed to satisfy constraint: Member must have length greater "
        "than or equal to 1"
    )


def _create(**changes: object) -> str:
    return _violations("CreateFunction", {}, {**FUNCTION, **changes})


def _violations(name: str, labels: dict[str, str], body: dict[str, Any]) -> str:
    with pytest.raises(ConstraintViolationError) as caught:
        _decoded(name, labels, body)
    return caught.value.message


def _decoded(name: str, labels: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    return MODEL.operations[name].decode(_request(body), labels)


def _request(body: dict[str, Any]) -> Request:
    return Request(method="POST", path="/", query="", headers={}, body=json.dumps(body).encode())
