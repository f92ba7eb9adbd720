"""Least requests of the operations on layers, and how their members are seen."""

from __future__ import annotations

from tests.acceptance.conftest import zipped
from tests.acceptance.member_cases_functions import FROM_S3, sha256
from tests.acceptance.member_checks import (
    MISSING,
    VALIDATION,
    Check,
    Operation,
    refused,
    seen,
    shown,
)
from tests.acceptance.member_world import LAYER, LAYER_ARN, Document, World, new_layer

OTHER_ZIP = zipped("NAME = 'other'")


def layer_statement(world: World, request: Document, _reply: Document) -> Document:
    """The statement of the request's id in the policy of its layer version."""
    found = world.aws.get_layer_version_policy(
        LayerName=request["LayerName"], VersionNumber=request["VersionNumber"]
    )
    statement: Document = world.statement(found["Policy"], request["StatementId"])
    return statement


def version_one(world: World, request: Document, reply: Document) -> Document:
    """The layer version that was published, as GetLayerVersion has it."""
    found: Document = world.aws.get_layer_version(
        LayerName=request["LayerName"], VersionNumber=reply["Version"]
    )
    return found


def gone(world: World, request: Document, _reply: Document) -> bool:
    """Whether the version is gone, and no other one."""
    listed = world.aws.list_layer_versions(LayerName=request["LayerName"])["LayerVersions"]
    return [version["Version"] for version in listed] == [1]


def two_versions(world: World) -> Document:
    """The second version of a layer of its own."""
    name = world.new_layer()
    world.aws.publish_layer_version(**new_layer(name))
    return {"LayerName": name, "VersionNumber": 2}


def filtered(value: str) -> Check:
    """A filter that LAYER's second version passes alone."""

    def look(_world: World, _request: Document, reply: Document) -> bool:
        if "Layers" in reply:
            return [
                (item["LayerName"], item["LatestMatchingVersion"]["Version"])
                for item in reply["Layers"]
            ] == [(LAYER, 2)]
        return [item["Version"] for item in reply["LayerVersions"]] == [2]

    return seen(value, look)


FILTERS = {
    "CompatibleArchitecture": filtered("arm64"),
    "CompatibleRuntime": filtered("nodejs22.x"),
}

LAYERS: dict[str, Operation] = {
    "AddLayerVersionPermission": Operation(
        minimal=lambda world: {
            "LayerName": LAYER,
            "VersionNumber": 1,
            "StatementId": world.new_name(),
            "Action": "lambda:GetLayerVersion",
            "Principal": "*",
        },
        checks={
            "Action": refused("lambda:Other", VALIDATION, "'action'"),
            "OrganizationId": shown(
                "o-0123456789",
                read=layer_statement,
                at="Condition.StringEquals.aws:PrincipalOrgID",
            ),
            "Principal": shown(
                "123456789012",
                read=layer_statement,
                at="Principal.AWS",
                expected="arn:aws:iam::123456789012:root",
            ),
            "StatementId": shown("named", read=layer_statement, at="Sid"),
        },
    ),
    "DeleteLayerVersion": Operation(
        minimal=two_versions,
        checks={
            # What is not there is no error.
            "LayerName": seen(
                "missing",
                lambda world, _request, _reply: bool(
                    world.aws.get_layer_version(LayerName=LAYER, VersionNumber=2)
                ),
            ),
            "VersionNumber": seen(2, gone),
        },
    ),
    "GetLayerVersion": Operation(minimal=lambda _: {"LayerName": LAYER, "VersionNumber": 1}),
    "GetLayerVersionByArn": Operation(
        minimal=lambda _: {"Arn": f"{LAYER_ARN}{LAYER}:1"},
        checks={"Arn": refused(f"{LAYER_ARN}missing:1", MISSING)},
    ),
    "GetLayerVersionPolicy": Operation(minimal=lambda _: {"LayerName": LAYER, "VersionNumber": 1}),
    "ListLayers": Operation(minimal=lambda _: {}, checks=FILTERS),
    "ListLayerVersions": Operation(
        minimal=lambda _: {"LayerName": LAYER},
        checks={**FILTERS, "LayerName": shown("missing", at="LayerVersions", expected=[])},
    ),
    "PublishLayerVersion": Operation(
        minimal=lambda world: new_layer(world.new_name()),
        checks={
            **{f"Content.{member}": check for member, check in FROM_S3.items()},
            "CompatibleArchitectures": shown(["arm64"], read=version_one),
            "CompatibleRuntimes": shown(["python3.13"], read=version_one),
            "Content.ZipFile": shown(
                OTHER_ZIP, read=version_one, at="Content.CodeSha256", expected=sha256(OTHER_ZIP)
            ),
            "Description": shown("something", read=version_one),
            "LayerName": shown("named", at="LayerArn", expected=f"{LAYER_ARN}named"),
            "LicenseInfo": shown("MIT", read=version_one),
        },
    ),
    "RemoveLayerVersionPermission": Operation(
        minimal=lambda world: {
            "LayerName": LAYER,
            "VersionNumber": 1,
            "StatementId": world.new_layer_permission(),
        },
    ),
}
