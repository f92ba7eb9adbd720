"""The page that tells which operations are served."""

from __future__ import annotations

import pytest

from lambd.api.coverage import OperationStatus, render_coverage, request_members
from lambd.api.unsupported import LIMITED, REFUSED
from lambd.wire.service_model import load_model

OPERATIONS = load_model("lambda").operations


def test_has_a_row_for_every_operation() -> None:
    """Real or absent, with method and URI."""
    page = render_coverage(OPERATIONS, {"Invoke", "CreateFunction"})
    lines = page.partition("## Request members")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert len(rows) == 91
    assert (
        "| Invoke | POST | `/2015-03-31/functions/{FunctionName}/invocations` | 200 | real |"
        in rows
    )
    assert sum(row.endswith("| real |") for row in rows) == 2
    assert any(line.startswith("2 of 91 operations") for line in lines)


def test_has_a_row_of_members_for_every_operation() -> None:
    """Real, refused with what passes, absent; structures whose members are alike as one."""
    page = render_coverage(OPERATIONS, {"CreateFunction", "PublishLayerVersion"})
    lines = page.partition("## Request members")[2].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert len(rows) == 91
    assert "| GetAlias |  |  | FunctionName, Name |" in rows
    assert (
        "| PublishLayerVersion | LayerName, Description, Content.S3Bucket, Content.S3Key, "
        "Content.S3ObjectVersion, Content.ZipFile, CompatibleArchitectures, CompatibleRuntimes, "
        "LicenseInfo | Content.S3ObjectStorageMode (but `COPY`) |  |"
    ) in rows
    (create,) = (row for row in rows if row.startswith("| CreateFunction |"))
    assert ", Environment," in create
    assert ", VpcConfig," in create


def test_members_of_structures_are_told_apart() -> None:
    """One by one, unless the structure is refused whole."""
    members = request_members(OPERATIONS["CreateFunction"], is_handled=True)
    found = {member.path: member.status for member in members}
    assert found["Environment.Variables"] is OperationStatus.REAL
    assert found["VpcConfig"] is OperationStatus.REFUSED
    assert "VpcConfig.SubnetIds" not in found
    assert found["Code.ImageUri"] is OperationStatus.REFUSED


def test_refused_members_are_members() -> None:
    """A row of the tables that names none is found."""
    for name in REFUSED.keys() | LIMITED.keys():
        assert request_members(OPERATIONS[name], is_handled=True)


def test_refuses_a_handler_of_no_operation() -> None:
    """A misspelt name in the handler table must not count."""
    with pytest.raises(ValueError, match="Nothing"):
        render_coverage(OPERATIONS, ["Invoke", "Nothing"])
